"""Since when each replica serves again: what slow start begins from."""

from lbmesh.model.service import ReplicaId


class Returns:
    """A replica that is up after it was out (down, ejected, or not there) has returned. One of which nothing was known
    has not: when a node starts, all are like that.
    """

    def __init__(self) -> None:
        self._out: set[ReplicaId] = set()
        self._returned_s: dict[ReplicaId, float] = {}

    def inherit(self, replica: ReplicaId, returned_s: float) -> None:
        """It had returned before this agent started."""
        self._returned_s[replica] = returned_s

    def note(self, replica: ReplicaId, *, is_up: bool, is_out: bool, now: float) -> float | None:
        """Take what a replica is now; when it returned, if it ever did. One that is new may be up and out at once."""
        if is_out:
            self._out.add(replica)
            self._returned_s.pop(replica, None)
        if not is_up:
            return None
        if replica in self._out:
            self._out.discard(replica)
            self._returned_s[replica] = now
        return self._returned_s.get(replica)

    def returned_s(self, replica: ReplicaId) -> float | None:
        """When it returned, if it ever did and has not gone since."""
        return self._returned_s.get(replica)

    def keep(self, replicas: set[ReplicaId]) -> None:
        """Forget all others."""
        self._out &= replicas
        self._returned_s = {replica: at_s for replica, at_s in self._returned_s.items() if replica in replicas}
