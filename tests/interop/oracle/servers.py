"""Lists of servers: Nova's own cross-cell listing over databases that nova-manage made, and how those are filled."""

import sqlite3

from nova.compute import instance_list
from nova import context


def fill(cell, source, api):
    """Copies the servers and mappings of one made-up cell into one of Nova's; columns are those that both have."""
    with sqlite3.connect(cell['path']) as database:
        database.execute('ATTACH ? AS made', (source,))
        names = {row[1] for row in database.execute('PRAGMA made.table_info(instances)')}
        here = [row[1] for row in database.execute('PRAGMA main.table_info(instances)')]
        columns = ', '.join(f'"{name}"' for name in here if name in names)
        database.execute(f'INSERT INTO main.instances ({columns}) SELECT {columns} FROM made.instances')
        rows = database.execute('SELECT uuid, project_id, user_id, deleted FROM main.instances').fetchall()
    with sqlite3.connect(api) as database:
        mapping = database.execute('SELECT id FROM cell_mappings WHERE uuid = ?', (cell['uuid'],)).fetchone()[0]
        database.executemany(
            'INSERT INTO instance_mappings (instance_uuid, cell_id, project_id, user_id, queued_for_delete)'
            ' VALUES (?, ?, ?, ?, ?)',
            [(uuid, mapping, project, user, bool(deleted)) for uuid, project, user, deleted in rows])
    return len(rows)


def cells(api):
    """The cells that nova-manage mapped."""
    with sqlite3.connect(api) as database:
        rows = database.execute('SELECT uuid, name, database_connection FROM cell_mappings ORDER BY id').fetchall()
    return [{'uuid': uuid, 'name': name, 'path': url.removeprefix('sqlite:///')} for uuid, name, url in rows]


def without_nulls(path, values):
    """Puts a value in wherever a sort key has none."""
    with sqlite3.connect(path) as database:
        for column, value in values.items():
            database.execute(f'UPDATE instances SET "{column}" = ? WHERE "{column}" IS NULL', (value,))


def listed(sort, limit, marker, filters, project):
    """The ids of one page, for an administrator, or for a member of `project`."""
    if project is None:
        ctx = context.get_admin_context(read_deleted='yes')
    else:
        ctx = context.RequestContext('somebody', project, is_admin=False, roles=['member'])
    _, found = instance_list.get_instances_sorted(
        ctx, filters, limit, marker, [], [key for key, _ in sort], [direction for _, direction in sort])
    return [server['uuid'] for server in found]
