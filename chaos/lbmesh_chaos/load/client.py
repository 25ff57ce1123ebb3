"""One load process: carries out one order. `python -m lbmesh_chaos.load.client ORDER.json`.

Flows of one engine each (plain, threads, trio) belong into one process; of several, each engine gets a thread here,
and they starve one another under load, which the log then says.
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


def carry_out(order: Order) -> None:
    """Returns when the last request has ended. Raises OSError when the log cannot be written, or a name not be
    resolved.
    """
    log = ClientLogWriter(order)
    directory = Directory(order.addresses)
    gc.freeze()
    engines = [threading.Thread(target=run) for run in _engines(order, log, directory)]
    for one in engines[1:]:
        one.start()
    engines[0].run()
    for one in engines[1:]:
        one.join()
    directory.close()
    log.close()


def _engines(order: Order, log: ClientLogWriter, directory: Directory) -> list[Callable[[], None]]:
    """Imported only where a flow wants them: httpx costs a third of a second of CPU to import."""
    known = replace(order, addresses=directory.now)
    kinds = {flow.kind for flow in order.flows}
    engines: list[Callable[[], None]] = []
    if any(kind.is_plain for kind in kinds):
        from lbmesh_chaos.load.plain import PlainClients

        engines.append(PlainClients(order, log, directory).run)
    if Kind.MESH_SYNC in kinds:
        from lbmesh_chaos.load.mesh_sync import SyncMeshClients

        engines.append(SyncMeshClients(known, log).run)
    if Kind.MESH_ASYNC in kinds:
        from lbmesh_chaos.load.mesh_async import AsyncMeshClients

        engines.append(AsyncMeshClients(known, log).run)
    return engines


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    if len(arguments) != 1:
        print("usage: python -m lbmesh_chaos.load.client ORDER.json", file=sys.stderr)
        return 2
    carry_out(read_order(Path(arguments[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
