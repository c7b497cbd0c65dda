"""Lists of servers: Nova's own cross-cell listing over databases that nova-manage made."""

from nova.compute import instance_list
from nova import context


def listed(sort, limit, marker, filters, project):
    """The ids of one page, for an administrator, or for a member of `project`."""
    if project is None:
        ctx = context.get_admin_context(read_deleted='yes')
    else:
        ctx = context.RequestContext('somebody', project, is_admin=False, roles=['member'])
    _, found = instance_list.get_instances_sorted(
        ctx, filters, limit, marker, [], [key for key, _ in sort], [direction for _, direction in sort])
    return [server['uuid'] for server in found]
