"""A drill's faults, done by the node to its own processes: signals, each taken back in time by this process.

Should this process die while another is stopped, the sentinel finds that one hung, kills it and starts it again.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import structlog
import trio

from lbmesh.admin.drill_shapes import ABORTED_S, DrillFault, DrillOrder, DrillPart, DrillStanding
from lbmesh.gossip.key_orders import Said

ANSWER_FIRST_S = 0.1
"""What ends this process, or the node, waits so long, for the answer to be on its way."""

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Stopped:
    order: DrillOrder
    handles: list[int]
    until_s: float


class DrillHands:
    """Of one agent. `forwarders`: the process ids of those that it is linked to. `nursery`: where times run out."""

    def __init__(self, forwarders: Callable[[], Iterable[int]], nursery: trio.Nursery) -> None:
        self._forwarders = forwarders
        self._nursery = nursery
        self._stopped: list[_Stopped] = []
        self._refuses_until_s = 0.0

    def standing(self) -> tuple[DrillStanding, ...]:
        """What is stopped now."""
        now_s = monotonic()
        return tuple(DrillStanding(one.order.fault, one.order.part, one.until_s - now_s) for one in self._stopped)

    def aborted_for_s(self) -> float:
        """For how long every order is still refused; 0 when it is not."""
        return max(0.0, self._refuses_until_s - monotonic())

    def order(self, order: DrillOrder) -> Said:
        """Do a fault."""
        if self.aborted_for_s():
            return Said(False, f"the drill was aborted; orders are refused for {self.aborted_for_s():.0f} s more")
        if order.part is DrillPart.SENTINEL or order.part is DrillPart.AGENT:
            return self._soon(order)
        handles = self._handles(order.part)
        if not handles:
            return Said(False, "no forwarder is linked to this agent now; ask again")
        if order.fault is DrillFault.FREEZE:
            if self._stopped:
                _close(handles)
                return Said(False, "forwarders are frozen already; heal first")
            self._freeze(order, handles)
        else:
            _signal(handles, signal.SIGKILL)
            _close(handles)
        log.warning("a drill's fault", fault=order.fault, part=order.part, at_most_s=order.at_most_s)
        return Said(True, f"{order.fault} of {len(handles)} processes")

    def heal(self) -> Said:
        """Let all go on that is stopped."""
        count = len(self._stopped)
        while self._stopped:
            self._thaw(self._stopped[0])
        return Said(True, f"{count} faults undone")

    def abort(self) -> Said:
        """Let all go on, and do nothing more for a while."""
        self._refuses_until_s = monotonic() + ABORTED_S
        log.warning("a drill is aborted")
        return self.heal()

    def _soon(self, order: DrillOrder) -> Said:
        whom, number = {
            DrillFault.KILL: (os.getpid(), signal.SIGKILL),
            DrillFault.FREEZE: (os.getpid(), signal.SIGSTOP),
            DrillFault.RELOAD: (os.getppid(), signal.SIGHUP),
            DrillFault.LEAVE: (os.getppid(), signal.SIGTERM),
        }[order.fault]
        log.warning("a drill's fault", fault=order.fault, part=order.part)
        self._nursery.start_soon(_kill_soon, whom, number)
        return Said(True, f"{signal.Signals(number).name} to the {order.part}")

    def _freeze(self, order: DrillOrder, handles: list[int]) -> None:
        _signal(handles, signal.SIGSTOP)
        stopped = _Stopped(order, handles, monotonic() + order.at_most_s)
        self._stopped.append(stopped)
        self._nursery.start_soon(self._thaw_in_time, stopped)

    async def _thaw_in_time(self, stopped: _Stopped) -> None:
        """Also when this agent is told to end."""
        try:
            await trio.sleep(stopped.order.at_most_s)
        finally:
            self._thaw(stopped)

    def _thaw(self, stopped: _Stopped) -> None:
        if stopped in self._stopped:
            self._stopped.remove(stopped)
            _signal(stopped.handles, signal.SIGCONT)
            _close(stopped.handles)

    def _handles(self, part: DrillPart) -> list[int]:
        """pidfds of our sentinel's own children: an id that was given to another process meanwhile is left out."""
        handles = []
        for pid in sorted(self._forwarders()):
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                if _parent(pid) == os.getppid():
                    handles.append(handle)
                else:
                    os.close(handle)
            if handles and part is DrillPart.FORWARDER:
                break
        return handles


async def _kill_soon(whom: int, number: int) -> None:
    await trio.sleep(ANSWER_FIRST_S)
    os.kill(whom, number)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return -1


def _signal(handles: Iterable[int], number: int) -> None:
    for handle in handles:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)


def _close(handles: Iterable[int]) -> None:
    for handle in handles:
        os.close(handle)
