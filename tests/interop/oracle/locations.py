"""URLs: SQLAlchemy's and oslo.messaging's parsers, and what Nova makes of a cell mapping's templates."""

import oslo_messaging
from nova import conf
from nova import objects
from sqlalchemy.engine import make_url

CONF = conf.CONF
UUID = '6d5bd30e-147b-44db-9ceb-1a392e756c36'


def database_url(url):
    """The parts that SQLAlchemy sees."""
    made = make_url(url)
    return {
        'drivername': made.drivername, 'username': made.username, 'password': made.password,
        'host': made.host, 'port': made.port, 'database': made.database, 'query': dict(made.query),
    }


def transport_url(url):
    """The parts that oslo.messaging sees."""
    made = oslo_messaging.TransportURL.parse(CONF, url)
    hosts = [{'username': host.username, 'password': host.password, 'host': host.hostname, 'port': host.port}
             for host in made.hosts]
    return {'transport': made.transport, 'virtual_host': made.virtual_host, 'hosts': hosts, 'query': made.query}


def mapping(leg, template, base):
    """The URL that Nova uses for a stored template, with `base` as the host's own URL."""
    row = {'id': 1, 'uuid': UUID, 'name': 'cell1', 'disabled': False, 'created_at': None, 'updated_at': None,
           'transport_url': 'rabbit://h/', 'database_connection': 'sqlite:///x'}
    column = 'database_connection' if leg == 'database' else 'transport_url'
    row[column] = template
    group, option = ('database', 'connection') if leg == 'database' else (None, 'transport_url')
    CONF.set_override(option, base, group)
    try:
        made = objects.CellMapping._from_db_object(None, objects.CellMapping(), row)
    finally:
        CONF.clear_override(option, group)
    return getattr(made, column)
