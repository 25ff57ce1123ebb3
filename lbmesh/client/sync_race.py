"""Connect to the first of several balancers that takes the connection, in one thread (RFC 8305 §5).

The next connect starts when all before it have failed, or one was silent for the stagger. The first to
succeed wins, the others are closed. Nothing is sent here, so a race is safe before any request.
"""

import errno
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lbmesh.client.attempts import Failure
from lbmesh.client.sync_socket import SocketStream, milliseconds_until
from lbmesh.client.translate import DialError, words_for
from lbmesh.model.address import Address

CANCEL_CHECK_S = 0.05
"""A race in a thread of its own notices this late, at most, that nobody wants its result any more."""


@dataclass(frozen=True, slots=True)
class Raced:
    """The winner, those that failed before it, and those that had been silent longer than the stagger."""

    stream: SocketStream
    balancer: Address
    failed: tuple[Failure, ...]
    outrun: tuple[Address, ...]


def race(
    order: Sequence[Address],
    *,
    stagger_s: float,
    timeout_s: float | None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Raced:
    """The first connection that stands. Raises DialError when none does within `timeout_s`, or when
    cancelled.
    """
    running = _Race(order, stagger_s, timeout_s)
    try:
        while True:
            if (winner := running.advance()) is not None:
                return winner
            if cancelled():
                raise DialError(running.failed, timed_out=True)
    finally:
        running.close_losers()


class _Race:
    def __init__(self, order: Sequence[Address], stagger_s: float, timeout_s: float | None) -> None:
        self.failed: list[Failure] = []
        self._order = deque(order)
        self._connecting: dict[int, tuple[int, socket.socket, Address]] = {}
        self._started = 0
        self._poll = select.poll()
        self._stagger_s = stagger_s
        self._next_start = time.monotonic()
        self._deadline = None if timeout_s is None else self._next_start + timeout_s

    def advance(self) -> Raced | None:
        """Start what is due, wait a moment, look what happened. Raises DialError when all is lost."""
        now = time.monotonic()
        while self._order and (not self._connecting or self._next_start <= now):
            self._start_next()
            self._next_start = now + self._stagger_s
        if not self._connecting:
            raise DialError(self.failed, timed_out=False)
        if self._deadline is not None and now >= self._deadline:
            raise DialError([*self.failed, *self._silent()], timed_out=True)
        for descriptor, _ in self._poll.poll(milliseconds_until(self._wake_at(now))):
            if (winner := self._settle(descriptor)) is not None:
                return winner
        return None

    def close_losers(self) -> None:
        """Close every connection still being made."""
        for _, connecting, _ in self._connecting.values():
            connecting.close()
        self._connecting.clear()

    def _wake_at(self, now: float) -> float:
        return min(
            now + CANCEL_CHECK_S,
            self._next_start if self._order else now + CANCEL_CHECK_S,
            now + CANCEL_CHECK_S if self._deadline is None else self._deadline,
        )

    def _start_next(self) -> None:
        balancer = self._order.popleft()
        family = socket.AF_INET6 if ":" in balancer.host else socket.AF_INET
        try:
            connecting = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:  # a machine without this family
            self.failed.append(Failure(balancer, words_for(error.errno or 0)))
            return
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            result = connecting.connect_ex((balancer.host, balancer.port))
        except OSError as error:  # the interface of a scoped address is not there
            result = error.errno or errno.EADDRNOTAVAIL
        if result not in (0, errno.EINPROGRESS):
            connecting.close()
            self.failed.append(Failure(balancer, words_for(result)))
            return
        self._connecting[connecting.fileno()] = (self._started, connecting, balancer)
        self._started += 1
        self._poll.register(connecting, select.POLLOUT)

    def _settle(self, descriptor: int) -> Raced | None:
        number, connected, balancer = self._connecting.pop(descriptor)
        self._poll.unregister(descriptor)
        if error := connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            connected.close()
            self.failed.append(Failure(balancer, words_for(error)))
            self._next_start = time.monotonic()
            return None
        outrun = tuple(earlier for n, _, earlier in self._connecting.values() if n < number)
        return Raced(SocketStream(connected), balancer, tuple(self.failed), outrun)

    def _silent(self) -> list[Failure]:
        return [
            Failure(balancer, "did not take the connection in time") for _, _, balancer in self._connecting.values()
        ]
