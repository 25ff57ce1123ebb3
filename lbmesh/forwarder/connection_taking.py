"""How a request takes its place at a replica, and a connection there: an exchange's, its hedge's, a copy's."""

from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.tls_upstream import open_upstream
from lbmesh.forwarder.upstream import UpstreamConnection


def take_connection(engine: Engine, replica: ReplicaState, is_repeatable: bool) -> UpstreamConnection:
    """A connection from the pool, or a new one that is still to be connected. Raises OSError when there are no
    descriptors left. Either way the request counts in the replica's `in_flight` from now on.

    A pooled connection that its replica has just closed loses the request: one that is not repeatable pays a system
    call to find that out before.
    """
    replica.in_flight += 1
    replica.requests += 1
    if not replica.is_active:
        engine.activate(replica)
    idle = replica.idle
    while idle:
        upstream = idle.pop()
        assert isinstance(upstream, UpstreamConnection)
        if is_repeatable or upstream.is_quiet():
            return upstream
        upstream.close()
    return open_upstream(engine, replica)
