"""Reloads of the configuration, from the operator's word to the agent's answer. Pure."""

from collections.abc import Sequence

from lbmesh.control.processes import AGENT_SLOT, Reload
from lbmesh.sentinel.decisions import Decision, Log, Notify, Send


class Reloads:
    """One under way at most, and one more wanted, however often it is asked for meanwhile.

    What is wanted is never forgotten: it waits for an agent that is ready, should there be none now.
    """

    def __init__(self) -> None:
        self._is_wanted = False
        self._is_under_way = False

    def ask(self, now_s: float, *, agent_ready: bool, node_ready: bool) -> Sequence[Decision]:
        """The operator wants one. The service manager is told, unless it still waits for the node to be ready."""
        self._is_wanted = True
        told: list[Decision] = []
        if node_ready:
            told.append(Notify(("RELOADING=1", f"MONOTONIC_USEC={int(now_s * 1e6)}")))
        if not agent_ready:
            told.append(Log("info", "the reload waits until the agent is ready", {}))
        return (*told, *self.begin(agent_ready=agent_ready))

    def begin(self, *, agent_ready: bool) -> Sequence[Decision]:
        """Begin the one that is wanted, if it can begin now."""
        if not self._is_wanted or self._is_under_way or not agent_ready:
            return ()
        self._is_wanted, self._is_under_way = False, True
        return (Send(AGENT_SLOT, Reload()),)

    def answered(self, ok: bool, errors: Sequence[str], *, node_ready: bool) -> Sequence[Decision]:
        """The agent has reloaded, or refused to: say so, and go on with the next if one is wanted."""
        self._is_under_way = False
        log = (
            Log("info", "reloaded", {})
            if ok
            else Log("error", "reload refused, the old configuration stands", {"errors": list(errors)})
        )
        if self._is_wanted:
            return (log, *self.begin(agent_ready=True))
        return (log, Notify(("READY=1",))) if node_ready else (log,)

    def agent_died(self, *, node_ready: bool) -> Sequence[Decision]:
        """The reload under way died with it. It is not tried again: it may be what kills agents."""
        if not self._is_under_way:
            return ()
        self._is_under_way = False
        log = Log("error", "the agent died while it reloaded, the old configuration stands", {})
        return (log, Notify(("READY=1",))) if node_ready and not self._is_wanted else (log,)
