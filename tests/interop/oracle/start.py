"""Starts Nova without a service, a broker or a log, and names the handlers of questions."""

import logging
import sys
import tempfile

CONFIG = """
[DEFAULT]
state_path = {folder}
my_ip = 127.0.0.1
host = oracle
[oslo_concurrency]
lock_path = {folder}
[oslo_policy]
policy_file = {folder}/there-is-none.yaml
"""


def nova(config_file=None):
    """Nova as one of its services has it: its configuration read, its objects and policies registered."""
    sys.argv = sys.argv[:1]
    from nova import monkey_patch
    monkey_patch.patch('threading')
    from nova import config
    if config_file is None:
        folder = tempfile.mkdtemp()
        config_file = folder + '/nova.conf'
        with open(config_file, 'w') as out:
            out.write(CONFIG.format(folder=folder))
    config.parse_args(['oracle', '--config-file', config_file])
    from nova import objects
    objects.register_all()
    # Thousands of cases are wrong on purpose, and Nova logs a traceback for each.
    logging.disable(logging.CRITICAL)


def handlers():
    """What can be asked."""
    import access_rules
    import catalogs
    import contexts
    import headers
    import locations
    import messaging
    import policies
    import servers
    import timings
    return {
        'access_rules': access_rules.allowed,
        'context': contexts.read,
        'headers': headers.read,
        'url_for': catalogs.url_for,
        'policy.rules': policies.rules,
        'policy.nova': policies.nova_defaults,
        'database_url': locations.database_url,
        'transport_url': locations.transport_url,
        'mapping': locations.mapping,
        'rpc.serve': messaging.serve,
        'rpc.noted': messaging.noted,
        'rpc.stop': messaging.stop,
        'rpc.call': messaging.call,
        'rpc.cast': messaging.cast,
        'rpc.timed_calls': messaging.timed_calls,
        'rpc.timed_casts': messaging.timed_casts,
        'servers.listed': servers.listed,
        'timings.targeted': timings.targeted,
        'timings.scattered': timings.scattered,
        'timings.listed': timings.listed,
        'timings.walked': timings.walked,
    }
