"""Reads the logs of a drill from a directory into one tally."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lbmesh_chaos.load.logs import read_client_log, read_replica_log
from lbmesh_chaos.load.tallying import ClientLog, ReplicaLog, tally
from lbmesh_chaos.model.tally import Tally


def collect(clients: Iterable[Path], replicas: Iterable[Path], until_s: float = float("inf")) -> Tally:
    """Of the requests that were due until then: those of a load that was ended early are no loss after its end.

    Raises LogError and OSError.
    """
    asked = []
    for path in clients:
        order, told = read_client_log(path)
        asked.append(ClientLog(replace(order, seconds=min(order.seconds, until_s - order.start_s)), told))
    carried_out = []
    for path in replicas:
        header, rows = read_replica_log(path)
        carried_out.append(ReplicaLog(header.replica, header.zone, rows))
    return tally(asked, carried_out)
