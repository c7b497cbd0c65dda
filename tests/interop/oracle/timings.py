"""How long Nova's own code takes, for benches: one thread that does one thing after the other, as a request of Nova's has it."""

import time
import uuid

from nova import context
from nova import objects
from nova.compute import instance_list


def _mappings(count):
    """Cells that cost nothing to reach: nothing is asked of them."""
    return [
        objects.CellMapping(
            uuid=str(uuid.UUID(int=n + 1)), name=f'cell{n}', transport_url=f'fake:///cell{n}',
            database_connection='sqlite://', disabled=False)
        for n in range(count)]


def targeted(calls):
    """Seconds of one `set_target_cell`, and of one `target_cell` with its copy of the context."""
    ctxt, (mapping,) = context.get_admin_context(), _mappings(1)
    context.set_target_cell(ctxt, mapping)
    begun = time.monotonic()
    for _ in range(calls):
        context.set_target_cell(ctxt, mapping)
    between = time.monotonic()
    for _ in range(calls):
        with context.target_cell(ctxt, mapping):
            pass
    return [(between - begun) / calls, (time.monotonic() - between) / calls]


def scattered(cells, calls):
    """Seconds of one scatter of work that does nothing, after a first one."""
    ctxt, mappings = context.get_admin_context(), _mappings(cells)

    def gather():
        found = context.scatter_gather_cells(ctxt, mappings, 60, lambda _: 1)
        if list(found.values()) != [1] * cells:
            raise RuntimeError('some cell did not answer')

    gather()
    begun = time.monotonic()
    for _ in range(calls):
        gather()
    return (time.monotonic() - begun) / calls


def _page(limit, marker):
    _, found = instance_list.get_instances_sorted(
        context.get_admin_context(), {'deleted': False}, limit, marker, [], ['created_at', 'id'], ['desc', 'desc'])
    return [server['uuid'] for server in found]


def listed(limit, times):
    """Seconds of each of so many first pages, and how many servers the last one had; one more is not counted."""
    seconds, page = [], _page(limit, None)
    for _ in range(times):
        begun = time.monotonic()
        page = _page(limit, None)
        seconds.append(time.monotonic() - begun)
    return [seconds, len(page)]


def walked(limit):
    """Seconds to list every server by pages of this size, and how many there were."""
    begun, marker, count = time.monotonic(), None, 0
    while True:
        page = _page(limit, marker)
        count += len(page)
        if len(page) < limit:
            return [time.monotonic() - begun, count]
        marker = page[-1]
