"""Serves a real Keystone on loopback until its standard input ends, and writes a line for every answer.

Usage: serve.py CONFIG_FOLDER PORT REQUEST_LOG. Port 0 takes any; the port taken is printed.
"""

import os
import sys
import threading

config, port, log_path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
# Keystone parses the command line while it is imported.
sys.argv = sys.argv[:1]
os.environ["OS_KEYSTONE_CONFIG_DIR"] = config

from socketserver import ThreadingMixIn
from wsgiref import simple_server

from keystone.wsgi.api import application

log = open(log_path, "a", buffering=1)


def counted(environ, start_response):
    def start(status, headers, exc_info=None):
        query = environ.get("QUERY_STRING", "")
        log.write("%s %s?%s %s\n" % (environ["REQUEST_METHOD"], environ["PATH_INFO"], query, status[:3]))
        return start_response(status, headers, exc_info)

    return application(environ, start)


class Server(ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


def end_with_parent():
    # Whoever started this holds the other end; when it dies, however it dies, so does this.
    sys.stdin.buffer.read()
    os._exit(0)


server = simple_server.make_server("127.0.0.1", port, counted, Server, Quiet)
threading.Thread(target=end_with_parent, daemon=True).start()
print(server.server_address[1], flush=True)
server.serve_forever()
