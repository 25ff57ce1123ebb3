"""Connect to the first of several balancers that takes the connection, in one thread (RFC 8305 §5).

The next connect starts when one before it has failed, or was silent for the stagger. Over TLS the handshake is a
part of it: a frozen balancer's kernel takes connections, but shakes no hands. The first to succeed wins, the others are
closed. No part of a request is sent here, so a race is safe before any.
"""

import errno
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lbmesh.client.attempts import Failure
from lbmesh.client.sync_socket import SocketStream, milliseconds_until
from lbmesh.client.translate import DialError, Tls, patience_s, tell_connect, tell_late, words_for
from lbmesh.model.address import Address

CANCEL_CHECK_S = 0.05
"""A race in a thread of its own notices this late, at most, that nobody wants its result any more."""


@dataclass(frozen=True, slots=True)
class Raced:
    """The winner and the seconds it took, those that failed before it, and those that had been silent longer than the
    stagger.
    """

    stream: SocketStream
    balancer: Address
    connect_s: float
    failed: tuple[Failure, ...]
    outrun: tuple[Address, ...]


def race(
    order: Sequence[Address],
    tls: Tls | None,
    *,
    stagger_s: float,
    timeout_s: float | None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Raced:
    """The first connection that stands; with `tls`, whose handshake is done. Raises DialError when none does within
    `timeout_s`, or when cancelled.
    """
    running = _Race(order, tls, stagger_s, timeout_s)
    try:
        while True:
            if (winner := running.advance()) is not None:
                return winner
            if cancelled():
                raise DialError(running.failed, timed_out=True)
    finally:
        running.close_losers()


@dataclass(slots=True)
class _Runner:
    """One balancer's connection. `wrapped`: the handshake has begun."""

    number: int
    balancer: Address
    connection: socket.socket
    descriptor: int
    began: float
    wrapped: ssl.SSLSocket | None = None


class _Race:
    def __init__(self, order: Sequence[Address], tls: Tls | None, stagger_s: float, timeout_s: float | None) -> None:
        self.failed: list[Failure] = []
        self._order = deque(order)
        self._tls = tls
        self._runners: dict[int, _Runner] = {}
        self._started = 0
        self._poll = select.poll()
        self._stagger_s = stagger_s
        self._next_start = time.monotonic()
        self._deadline = None if timeout_s is None else self._next_start + timeout_s

    def advance(self) -> Raced | None:
        """Start what is due, wait a moment, look what happened. Raises DialError when all is lost."""
        now = time.monotonic()
        while self._order and (not self._runners or self._next_start <= now):
            self._start_next(now)
            self._next_start = now + self._stagger_s
        if not self._runners:
            raise DialError(self.failed, timed_out=False)
        if self._deadline is not None and now >= self._deadline:
            raise DialError([*self.failed, *self._late()], timed_out=True)
        for descriptor, _ in self._poll.poll(milliseconds_until(self._wake_at(now))):
            if (winner := self._go_on(self._runners[descriptor])) is not None:
                return winner
        return None

    def close_losers(self) -> None:
        """Close every connection still being made."""
        for runner in self._runners.values():
            runner.connection.close()
        self._runners.clear()

    def _wake_at(self, now: float) -> float:
        return min(
            now + CANCEL_CHECK_S,
            self._next_start if self._order else now + CANCEL_CHECK_S,
            now + CANCEL_CHECK_S if self._deadline is None else self._deadline,
        )

    def _start_next(self, now: float) -> None:
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
        runner = _Runner(self._started, balancer, connecting, connecting.fileno(), now)
        self._runners[runner.descriptor] = runner
        self._started += 1
        self._poll.register(runner.descriptor, select.POLLOUT)

    def _go_on(self, runner: _Runner) -> Raced | None:
        """Its descriptor is ready: it stands, goes on with its handshake, or has failed."""
        try:
            if runner.wrapped is None and (error := runner.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                raise OSError(error, "")
            if self._tls is not None:
                self._shake_hands(runner, self._tls)
        except ssl.SSLWantReadError:
            self._poll.modify(runner.descriptor, select.POLLIN)
            return None
        except ssl.SSLWantWriteError:
            self._poll.modify(runner.descriptor, select.POLLOUT)
            return None
        except OSError as error:
            self._leave(runner)
            runner.connection.close()
            self.failed.append(Failure(runner.balancer, tell_connect(error)))
            self._next_start = time.monotonic()
            return None
        self._leave(runner)
        outrun = tuple(other.balancer for other in self._runners.values() if other.number < runner.number)
        took_s = time.monotonic() - runner.began
        return Raced(SocketStream(runner.connection), runner.balancer, took_s, tuple(self.failed), outrun)

    def _shake_hands(self, runner: _Runner, tls: Tls) -> None:
        """Raises SSLWantReadError or SSLWantWriteError while it goes on, another OSError when it failed."""
        if runner.wrapped is None:
            runner.wrapped = tls.context.wrap_socket(
                runner.connection, server_hostname=tls.name, do_handshake_on_connect=False
            )
            runner.connection = runner.wrapped
            if runner.number == self._started - 1:
                now = time.monotonic()
                self._next_start = now + patience_s(self._stagger_s, now - runner.began)
        runner.wrapped.do_handshake()

    def _leave(self, runner: _Runner) -> None:
        self._poll.unregister(runner.descriptor)
        del self._runners[runner.descriptor]

    def _late(self) -> list[Failure]:
        return [Failure(each.balancer, tell_late(shakes=each.wrapped is not None)) for each in self._runners.values()]
