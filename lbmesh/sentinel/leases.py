"""The leases of fronts in the kernel: renewed for as long as this loop and one forwarder at least get on.

Whatever stops the sentinel (a kill, a freeze, a machine that stands still) lets them lapse, and the kernel is silent
about the fronts. One that has lapsed is not taken up again here: another node may have the front by now, which only the
agent can find out. Whether it has is the kernel's to say, which refuses to renew it then: a process that is stopped
between a look at the clock and the renewal would be wrong about it.
"""

import errno
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from lbmesh.control.processes import ControlMessage, EndLease, ExtendLease, HoldLease, LeaseAnswer, LeaseTrouble
from lbmesh.drivers.kernel import lease_elements
from lbmesh.drivers.kernel.lease_places import BGP_LEASE
from lbmesh.drivers.kernel.limits import LEASE_RENEW_S, LEASE_S
from lbmesh.drivers.kernel.netlink_socket import NETFILTER, Netlink
from lbmesh.sentinel.log import LogWriter


@dataclass(slots=True)
class _Lease:
    """`since_s`: when it was renewed last. `failed`: why it was not the last time, as an errno; 0 when it was."""

    epoch: int
    until_s: float
    since_s: float
    failed: int = 0


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
        """Begin one."""
        self._tell_agent(LeaseAnswer(wanted.ticket, self._begin(wanted, time.monotonic())))

    def extend(self, wanted: ExtendLease) -> None:
        """Go on until then."""
        now_s = time.monotonic()
        if lease := self._leases.get(wanted.front):
            lease.epoch, lease.until_s = wanted.epoch, wanted.until_s
            self._let_lapse(now_s)
            if wanted.front in self._leases and not self._hangs(now_s):
                self._renew(now_s, {wanted.front: lease})

    def end(self, wanted: EndLease) -> None:
        """Be silent at once."""
        self._leases.pop(wanted.front, None)
        failed = self._ask(lease_elements.end(wanted.front, self._netlink.next_sequence()))
        # Without the set there is no lease.
        self._tell_agent(LeaseAnswer(wanted.ticket, "" if failed in (0, errno.ENOENT) else _why(failed)))

    def step(self) -> None:
        """Renew what is due. To be called in each round of the loop."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._let_lapse(now_s)
        self._due_s = now_s + LEASE_RENEW_S if self._leases else inf
        if not self._leases or self._hangs(now_s):
            return
        for alike in self._alike():
            self._renew(now_s, alike)

    def next_deadline(self) -> float:
        """When to call `step` at the latest."""
        return self._due_s

    def close(self) -> None:
        """Let all of them lapse."""
        self._netlink.close()

    def _begin(self, wanted: HoldLease, now_s: float) -> str:
        if self._hangs(now_s):
            return "all forwarders of this node hang"
        timeout_s = min(LEASE_S, wanted.until_s - now_s)
        if timeout_s <= 0:
            return "its time is over already"
        begin = lease_elements.begin(wanted.front, wanted.epoch, timeout_s, self._netlink.next_sequence())
        if not (failed := self._ask(begin)):
            self._leases[wanted.front] = _Lease(wanted.epoch, wanted.until_s, now_s)
            self._due_s = min(self._due_s, now_s + LEASE_RENEW_S)
        return _why(failed)

    def _let_lapse(self, now_s: float) -> None:
        for front, lease in tuple(self._leases.items()):
            if now_s >= lease.until_s:
                self._lapsed(front, "its votes ended")
            elif now_s >= lease.since_s + LEASE_S:
                self._lapsed(front, f"not renewed for {now_s - lease.since_s:.2f} s")

    def _lapsed(self, front: str, why: str) -> None:
        del self._leases[front]
        self._log.write("warning", "the lease of a front has lapsed", {"front": front, "reason": why})
        self._tell_agent(LeaseTrouble(front, why, has_lapsed=True))

    def _alike(self) -> Iterable[dict[str, _Lease]]:
        """All that end at the same time, for one transaction: mostly all there are. BGP's is in a table of its own, and
        a table that somebody deleted must not take the other's leases with it.
        """
        alike: dict[tuple[bool, float], dict[str, _Lease]] = {}
        for front, lease in self._leases.items():
            alike.setdefault((front == BGP_LEASE, lease.until_s), {})[front] = lease
        return alike.values()

    def _renew(self, now_s: float, alike: dict[str, _Lease]) -> None:
        """Of leases that end at the same time, all or, where the kernel misses some, all others."""
        failed = self._ask_to_renew(now_s, alike)
        for front, lease in alike.items():
            alone = self._ask_to_renew(now_s, {front: lease}) if failed == errno.ENOENT and len(alike) > 1 else failed
            self._note(now_s, front, lease, alone)

    def _note(self, now_s: float, front: str, lease: _Lease, failed: int) -> None:
        if failed == errno.ENOENT and not self._ask(lease_elements.end(front, self._netlink.next_sequence())):
            self._lapsed(front, f"not renewed for {now_s - lease.since_s:.2f} s, says the kernel")
            return
        if not failed:
            lease.since_s = now_s
        if failed != lease.failed:
            lease.failed = failed
            if failed:
                self._tell_agent(LeaseTrouble(front, _why(failed)))

    def _ask_to_renew(self, now_s: float, alike: dict[str, _Lease]) -> int:
        timeout_s = min(LEASE_S, *(lease.until_s - now_s for lease in alike.values()))
        epochs = [(front, lease.epoch) for front, lease in alike.items()]
        return self._ask(lease_elements.renew(epochs, timeout_s, self._netlink.next_sequence()))

    def _ask(self, request: bytes) -> int:
        return self._netlink.ask(request).errno


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
