"""The leases of fronts in the kernel: renewed for as long as this loop and one forwarder at least get on.

Whatever stops the sentinel (a kill, a freeze, a machine that stands still) lets them lapse, and the kernel is silent
about the fronts. One that has lapsed is not taken up again here: another node may have the front by now, which only the
agent can find out.
"""

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from lbmesh.control.processes import ControlMessage, EndLease, HoldLease, LeaseSaid
from lbmesh.drivers.kernel import lease_elements
from lbmesh.drivers.kernel.lease_places import BGP_LEASE
from lbmesh.drivers.kernel.limits import LEASE_RENEW_S, LEASE_S
from lbmesh.drivers.kernel.netlink_socket import NETFILTER, Netlink
from lbmesh.sentinel.log import LogWriter


@dataclass(slots=True)
class _Lease:
    """`since_s`: when it was renewed last. `problem`: why it was not the last time, as the agent was told."""

    epoch: int
    until_s: float
    since_s: float
    problem: str = ""


class Leases:
    """`tell_agent` gets what the agent must know. `hangs`: whether all forwarders of this node hang."""

    def __init__(
        self, *, tell_agent: Callable[[ControlMessage], None], hangs: Callable[[float], bool], log: LogWriter
    ) -> None:
        self._tell_agent = tell_agent
        self._hangs = hangs
        self._log = log
        self._leases: dict[str, _Lease] = {}
        self._netlink = Netlink(NETFILTER)
        self._due_s = inf

    def hold(self, wanted: HoldLease) -> None:
        """Begin, or go on until then."""
        now_s = time.monotonic()
        if wanted.front not in self._leases and self._hangs(now_s):
            self._tell_agent(LeaseSaid(wanted.front, "all forwarders of this node hang"))
            return
        problem = self._renew([(wanted.front, wanted.epoch)], min(LEASE_S, wanted.until_s - now_s))
        if not problem:
            self._leases[wanted.front] = _Lease(wanted.epoch, wanted.until_s, now_s)
            self._due_s = min(self._due_s, now_s + LEASE_RENEW_S)
        self._tell_agent(LeaseSaid(wanted.front, problem))

    def end(self, wanted: EndLease) -> None:
        """Be silent at once."""
        self._leases.pop(wanted.front, None)
        failed = self._netlink.ask(lease_elements.end(wanted.front, self._netlink.next_sequence())).errno
        # Without the set there is no lease.
        self._tell_agent(LeaseSaid(wanted.front, "" if failed in (0, errno.ENOENT) else _why(failed)))

    def step(self) -> None:
        """Renew what is due. To be called in each round of the loop."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._let_lapse(now_s)
        self._due_s = now_s + LEASE_RENEW_S if self._leases else inf
        if not self._leases or self._hangs(now_s):
            return
        for is_bgp, until_s in {(front == BGP_LEASE, lease.until_s) for front, lease in self._leases.items()}:
            self._renew_alike(now_s, is_bgp, until_s)

    def next_deadline(self) -> float:
        """When to call `step` at the latest."""
        return self._due_s

    def close(self) -> None:
        """Let all of them lapse."""
        self._netlink.close()

    def _let_lapse(self, now_s: float) -> None:
        for front, lease in tuple(self._leases.items()):
            silent_s = now_s - lease.since_s
            if now_s >= lease.until_s or silent_s >= LEASE_S:
                del self._leases[front]
                why = "its votes ended" if now_s >= lease.until_s else f"not renewed for {silent_s:.2f} s"
                self._log.write("warning", "the lease of a front has lapsed", {"front": front, "reason": why})
                self._tell_agent(LeaseSaid(front, why, has_lapsed=True))

    def _renew_alike(self, now_s: float, is_bgp: bool, until_s: float) -> None:
        """All that end at the same time, in one transaction: mostly all there are. BGP's is in a table of its own, and
        a table that somebody deleted must not take the other's leases with it.
        """
        alike = {
            front: lease
            for front, lease in self._leases.items()
            if lease.until_s == until_s and (front == BGP_LEASE) is is_bgp
        }
        problem = self._renew([(front, lease.epoch) for front, lease in alike.items()], min(LEASE_S, until_s - now_s))
        for front, lease in alike.items():
            if not problem:
                lease.since_s = now_s
            if problem != lease.problem:
                lease.problem = problem
                self._tell_agent(LeaseSaid(front, problem))

    def _renew(self, leases: list[tuple[str, int]], timeout_s: float) -> str:
        if timeout_s <= 0:
            return "its time is over already"
        return _why(self._netlink.ask(lease_elements.renew(leases, timeout_s, self._netlink.next_sequence())).errno)


def _why(failed: int) -> str:
    match failed:
        case 0:
            return ""
        case errno.EPERM | errno.EACCES:
            return "the sentinel may not renew it: give the service CAP_NET_ADMIN (AmbientCapabilities= in its unit)"
        case errno.ENOENT:
            return "its rules are not in the kernel any more: somebody has flushed them"
        case _:
            return f"the kernel does not take it: {os.strerror(failed).lower()}"
