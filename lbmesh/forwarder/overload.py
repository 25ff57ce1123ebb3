"""What a forwarder does when it has more to do than it can: it takes no more on before what it has is done.

Refusing costs a forwarder in Python a third to a half of what serving costs, so it cannot answer its way out of an
overload. What waits in the kernel costs nothing. So while this process is behind,

- it accepts next to no connections, and the kernel's queue for them is kept so short that nobody in it has given up;
- it steps what is under way before it reads new requests (`Reactor.by_urgency`);
- it refuses a request that has waited too long for its turn, and forgets one whose client has left.

How far behind it is tells a marker: an event that is put at the end of epoll's ready list, which is first in, first
out, and timed until its turn comes. It is sent only when a turn of the reactor was used up, so an idle process sends
none. What was measured: docs/adr/0021-overload.md.
"""

import os
import struct
from collections.abc import Sequence
from math import inf
from time import monotonic
from typing import Protocol

import structlog

from lbmesh.forward.overload import BacklogRule, LagWatch
from lbmesh.forwarder.reactor import Reactor
from lbmesh.model.limits import LISTEN_BACKLOG

ACCEPTS_BEHIND = 4
"""Connections taken from each listener in each interval while behind: new clients are not shut out altogether."""

WAIT_MAX = 3.0
"""A request that has waited so many times the target is refused while behind."""

REMIND_S = 60.0
"""Overload is said in the log at most so often."""

_QUEUE = struct.Struct("=24xII")
"""tcpi_unacked of a listening socket is the length of its accept queue, tcpi_sacked its limit (Linux, tcp_get_info)."""

log = structlog.get_logger(__name__)


class Door(Protocol):
    """A listener. `accepted`: connections taken so far."""

    accepted: int

    def pause(self) -> None:
        """Accept nothing until `resume`."""

    def resume(self) -> None:
        """Accept again."""

    def take(self, connections: int) -> None:
        """Accept up to so many now."""

    def tcp_info(self, size: int) -> bytes:
        """The kernel's TCP_INFO of the listening socket."""

    def set_backlog(self, connections: int) -> None:
        """How many may wait in the kernel."""


class _Watched:
    """One listener, its kernel queue's rule, and how many it had accepted when last looked at."""

    __slots__ = ("accepted", "door", "rule")

    def __init__(self, door: Door) -> None:
        self.door = door
        self.rule = BacklogRule(LISTEN_BACKLOG)
        self.accepted = 0


class Overload:
    """The state of one forwarder. `behind`: what is ready waits longer than `target_s` (infinite: never)."""

    urgent = False
    """The marker waits in line with new requests."""

    __slots__ = ("_doors", "_marked_s", "_marker", "_reactor", "_said_s", "_stepped_s", "_watch", "behind", "target_s")

    def __init__(self, reactor: Reactor, target_s: float) -> None:
        self.behind = False
        self.target_s = target_s
        self._reactor = reactor
        self._doors: tuple[_Watched, ...] = ()
        self._watch = LagWatch(monotonic())
        self._stepped_s = monotonic()
        self._said_s = -inf
        self._marked_s: float | None = None
        self._marker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        reactor.add_stream(self._marker, self)
        reactor.on_turn_used_up = self.turn_used_up

    @property
    def lag_s(self) -> float:
        """How long what is ready waits for its step."""
        return self._watch.lag_s

    def watch(self, doors: Sequence[Door]) -> None:
        """Mind these listeners from now on, and leave those before with a kernel queue of full length."""
        for watched in self._doors:
            watched.door.set_backlog(LISTEN_BACKLOG)
        self._doors = tuple(_Watched(door) for door in doors)

    def turn_used_up(self) -> None:
        """The reactor had more to do than fits in a turn: measure."""
        now = monotonic()
        if self._marked_s is None:
            self._marked_s = now
            os.eventfd_write(self._marker, 1)
        self.step(now)

    def on_ready(self, events: int) -> None:
        """The marker's turn has come."""
        del events
        if self._marked_s is not None:
            self._watch.observe(monotonic() - self._marked_s)
            self._marked_s = None

    def on_crash(self) -> None:
        """A bug in measuring ends nothing."""

    def step(self, now: float) -> None:
        """Judge, if an interval is over. Called after every turn that was used up, and at every tick of the clock."""
        if self._marked_s is not None and now - self._marked_s > self.target_s:
            self._watch.observe(now - self._marked_s)
        if not self._watch.step(now):
            return
        elapsed_s, self._stepped_s = now - self._stepped_s, now
        was_behind, self.behind = self.behind, self._watch.lag_s > self.target_s
        self._reactor.by_urgency = self.behind
        if self.behind and now - self._said_s > REMIND_S:
            self._said_s = now
            log.warning("overloaded: new connections wait until what is under way is done", lag_s=round(self.lag_s, 3))
        for watched in self._doors:
            self._mind(watched, elapsed_s, now)
            if self.behind:
                watched.door.pause()
                watched.door.take(ACCEPTS_BEHIND)
            elif was_behind:
                watched.door.resume()

    def _mind(self, watched: _Watched, elapsed_s: float, now: float) -> None:
        """Keep the kernel's queue as short as this process can empty it in time."""
        accepted = watched.door.accepted
        per_s, watched.accepted = (accepted - watched.accepted) / elapsed_s, accepted
        if self.target_s < inf:
            waiting, limit = _QUEUE.unpack(watched.door.tcp_info(_QUEUE.size))
            new_limit = watched.rule.step(waiting, limit, per_s, self.target_s, now)
            if new_limit is not None:
                watched.door.set_backlog(new_limit)

    def refuses(self) -> bool:
        """While behind: has the request that is stepped waited too long?"""
        return self._reactor.waited_s > WAIT_MAX * self.target_s
