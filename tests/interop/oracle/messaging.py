"""A service and a client of oslo.messaging as Nova has them: its own serializers, its own exceptions, its own context."""

import concurrent.futures
import time

import oslo_messaging
from oslo_messaging.rpc import dispatcher

from nova import conf
from nova import context
from nova import exception
from nova import objects
from nova import rpc
from nova.objects import base

CONF = conf.CONF
SERVERS = {}
CLIENTS = {}


class Endpoint:
    target = oslo_messaging.Target(version='6.5')

    def __init__(self):
        self.noted = []

    def echo(self, ctxt, arg):
        return arg

    def lose(self, ctxt, uuid):
        raise exception.InstanceNotFound(instance_id=uuid)

    def fall(self, ctxt):
        raise ValueError('x' * 100_000)

    def slow(self, ctxt, seconds):
        time.sleep(seconds)
        return 'done'

    def note(self, ctxt, n):
        self.noted.append(n)

    def who_asks(self, ctxt):
        return {'class': type(ctxt).__name__, **ctxt.to_dict()}

    def mapping(self, ctxt):
        return objects.HostMapping(id=7, host='compute1')


def _serializer():
    return rpc.RequestContextSerializer(base.NovaObjectSerializer())


def _transport(url):
    oslo_messaging.set_transport_defaults('nova')
    return oslo_messaging.get_rpc_transport(CONF, url=url, allowed_remote_exmods=['nova.exception'])


def serve(url, topic, server):
    """Listens as a service of Nova does."""
    endpoint = Endpoint()
    target = oslo_messaging.Target(topic=topic, server=server)
    running = oslo_messaging.get_rpc_server(
        _transport(url), target, [endpoint], executor='threading', serializer=_serializer(),
        access_policy=dispatcher.DefaultRPCAccessPolicy)
    running.start()
    SERVERS[topic, server] = running, endpoint


def noted(topic, server):
    return SERVERS[topic, server][1].noted


def stop(topic, server):
    running, _ = SERVERS.pop((topic, server))
    running.stop()
    running.wait()


def _client(url, topic, **prepared):
    if (url, topic) not in CLIENTS:
        target = oslo_messaging.Target(topic=topic, version='6.0')
        CLIENTS[url, topic] = oslo_messaging.get_rpc_client(
            _transport(url), target, version_cap='6.5', serializer=_serializer())
    return CLIENTS[url, topic].prepare(**prepared)


def _context(who):
    return context.RequestContext('somebody', 'some-project', **who)


def call(url, topic, server, method, args, who, timeout, monitor=None):
    client = _client(url, topic, server=server, timeout=timeout, call_monitor_timeout=monitor)
    return client.call(_context(who), method, **args)


def cast(url, topic, server, method, args, fanout=False):
    client = _client(url, topic, fanout=True) if fanout else _client(url, topic, server=server)
    client.cast(_context({}), method, **args)


def _timed(act, count, threads):
    """Seconds for so many, shared out to threads that do one after the other."""
    act(0)
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        begun = time.monotonic()
        for _ in pool.map(act, range(count)):
            pass
        return time.monotonic() - begun


def timed_calls(url, topic, server, count, threads):
    client, ctxt = _client(url, topic, server=server, timeout=60), context.get_admin_context()
    return _timed(lambda n: client.call(ctxt, 'echo', arg=n), count, threads)


def timed_casts(url, topic, server, count, threads):
    client, ctxt = _client(url, topic, server=server), context.get_admin_context()
    return _timed(lambda n: client.cast(ctxt, 'note', n=n), count, threads)
