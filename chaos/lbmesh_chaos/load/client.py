"""One load process: carries out one order. `python -m lbmesh_chaos.load.client ORDER.json [--told-when]`.

Flows of one engine each (plain, threads, trio) belong into one process; of several, each engine gets a thread here,
and they starve one another under load, which the log then says.

With --told-when the order's `start_s` is not heeded: the process says READY on standard output when it has all that it
needs, and reads from standard input, a line, when the first request is due.
"""

import gc
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lbmesh_chaos.load.client_log import ClientLogWriter
from lbmesh_chaos.load.directory import Directory
from lbmesh_chaos.load.order import Order, read_order
from lbmesh_chaos.model.flow import Kind

READY = "ready"
TOLD_WHEN = "--told-when"
_Engine = Callable[[Order, ClientLogWriter, Directory], Callable[[], None]]
"""What makes one; it runs until the last of its requests has ended."""


def carry_out(order: Order, engines: Sequence[_Engine]) -> None:
    """Returns when the last request has ended. Raises OSError when the log cannot be written, or a name not be
    resolved.
    """
    log = ClientLogWriter(order)
    directory = Directory(order.addresses)
    gc.freeze()
    threads = [threading.Thread(target=made(order, log, directory)) for made in engines]
    for one in threads[1:]:
        one.start()
    threads[0].run()
    for one in threads[1:]:
        one.join()
    directory.close()
    log.close()


def engines_of(order: Order) -> list[_Engine]:
    """Imported only where a flow wants them: httpx costs a third of a second of CPU to import."""
    kinds = {flow.kind for flow in order.flows}
    engines: list[_Engine] = []
    if any(kind.is_plain for kind in kinds):
        from lbmesh_chaos.load.plain import PlainClients

        engines.append(lambda order, log, directory: PlainClients(order, log, directory).run)
    if Kind.MESH_SYNC in kinds:
        from lbmesh_chaos.load.mesh_sync import SyncMeshClients

        engines.append(lambda order, log, directory: SyncMeshClients(_resolved(order, directory), log).run)
    if Kind.MESH_ASYNC in kinds:
        from lbmesh_chaos.load.mesh_async import AsyncMeshClients

        engines.append(lambda order, log, directory: AsyncMeshClients(_resolved(order, directory), log).run)
    return engines


def _resolved(order: Order, directory: Directory) -> Order:
    """`lbmesh.client` is given what the names stand for."""
    return replace(order, addresses=directory.now)


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    if len(arguments) not in (1, 2) or arguments[1:] not in ([], [TOLD_WHEN]):
        print(f"usage: python -m lbmesh_chaos.load.client ORDER.json [{TOLD_WHEN}]", file=sys.stderr)
        return 2
    order = read_order(Path(arguments[0]))
    engines = engines_of(order)
    if arguments[1:]:
        print(READY, flush=True)
        when = sys.stdin.readline()
        if not when:
            return 1  # nobody is there any more who wants it
        order = replace(order, start_s=float(when))
    carry_out(order, engines)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
