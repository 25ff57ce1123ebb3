"""Reads the logs of a drill from a directory into one tally."""

from collections.abc import Iterable
from pathlib import Path

from lbmesh_chaos.load.logs import read_client_log, read_replica_log
from lbmesh_chaos.load.tallying import ClientLog, ReplicaLog, tally
from lbmesh_chaos.model.tally import Tally


def collect(clients: Iterable[Path], replicas: Iterable[Path]) -> Tally:
    """Raises LogError and OSError."""
    asked = [ClientLog(*read_client_log(path)) for path in clients]
    carried_out = []
    for path in replicas:
        header, rows = read_replica_log(path)
        carried_out.append(ReplicaLog(header.replica, header.zone, rows))
    return tally(asked, carried_out)
