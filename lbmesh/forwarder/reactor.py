"""The nested epoll: readiness for thousands of sockets under one trio task.

Sockets are registered once and edge-triggered; a handler tries its read or write first and keeps its own sticky
readiness. The traps of that scheme and where each is closed:

- an edge is lost when a handler stops early: it calls `again` and is stepped in the next round;
- one busy connection starves the rest: handlers bound their work a step (READS_PER_STEP), rounds bound theirs;
- a descriptor closed within a batch is reused within it: closing waits for the end of the batch;
- work that a timer or a new View leaves behind has no edge of its own: `wake` makes one.
"""

import os
import select
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import structlog

EVENTS_PER_POLL = 256
EVENTS_PER_POLL_BEHIND = 1024
DEFERRED_PER_ROUND = 16
"""New requests begun between two looks for what is under way, while the process is behind."""

TURN_S = 0.005
"""After this long the other trio tasks get their turn."""

PAUSE_S = 0.002
"""A turn waits so long for more before it ends: through trio each wait costs two more system calls and 30 µs."""

READ = select.EPOLLIN | select.EPOLLRDHUP
HUNG_UP = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
BROKEN = select.EPOLLERR
"""The peer reset the connection or vanished. EPOLLHUP alone says no more than that both sides have ended their streams:
what the peer sent before may still be unread.
"""
WRITE = select.EPOLLOUT
_STREAM = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_LISTENER = select.EPOLLIN | select.EPOLLEXCLUSIVE

log = structlog.get_logger(__name__)


class Handler(Protocol):
    """Something with a descriptor that the reactor steps."""

    @property
    def urgent(self) -> bool:
        """Is it part of what is under way already? Asked only while the process is behind."""

    def on_ready(self, events: int) -> None:
        """New readiness (epoll bits); 0 when the handler asked to be stepped again."""

    def on_crash(self) -> None:
        """An exception escaped `on_ready`: end this connection, and nothing else."""


class Closable(Protocol):
    """A socket."""

    def close(self) -> None:
        """Close the descriptor."""


class Reactor:
    """Owns the epoll object. Handlers are called on the one task that calls `drain`: see `reactor_task`."""

    __slots__ = (
        "_again",
        "_closing",
        "_deferred",
        "_epoll",
        "_handlers",
        "_on_batch",
        "_wake",
        "by_urgency",
        "now",
        "on_turn_used_up",
        "waited_s",
    )

    def __init__(self, on_batch: Callable[[], None]) -> None:
        """`on_batch` is called once after each batch of events."""
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._again: dict[Handler, None] = {}
        self._closing: list[Closable] = []
        self._on_batch = on_batch
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN | select.EPOLLET)
        self._deferred: OrderedDict[int, tuple[float, int]] = OrderedDict()
        """Descriptors that are ready and not urgent: since when, and their events."""
        self.by_urgency = False
        """Step what is under way first: set while the process is behind."""
        self.waited_s = 0.0
        """How long the handler that is stepped had been deferred."""
        self.on_turn_used_up: Callable[[], None] = lambda: None
        self.now = monotonic()
        """Monotonic time at the start of the batch: good for deadlines, not for latencies."""

    def add_stream(self, descriptor: int, handler: Handler) -> None:
        """Watch a connected or connecting socket, edge-triggered, both ways."""
        self._epoll.register(descriptor, _STREAM)
        self._handlers[descriptor] = handler

    def add_listener(self, descriptor: int, handler: Handler) -> None:
        """Watch a listening socket that other processes watch too: one of them wakes (EPOLLEXCLUSIVE)."""
        self._epoll.register(descriptor, _LISTENER)
        self._handlers[descriptor] = handler

    def remove(self, descriptor: int) -> None:
        """Stop watching without closing."""
        self._handlers.pop(descriptor)
        self._deferred.pop(descriptor, None)
        self._epoll.unregister(descriptor)

    def close(self, descriptor: int, closable: Closable) -> None:
        """Stop watching at once, close the socket after the batch."""
        del self._handlers[descriptor]
        if self._deferred:
            self._deferred.pop(descriptor, None)
        self._closing.append(closable)

    def again(self, handler: Handler) -> None:
        """Step this handler in the next round although no new edge will come: once, however often it asks."""
        self._again[handler] = None

    def fileno(self) -> int:
        """Readable when some socket or `wake` has something: what the task that calls `drain` waits for."""
        return self._epoll.fileno()

    def close_all(self) -> None:
        """Let go of everything, at the end."""
        self._epoll.close()
        os.close(self._wake)

    def wake(self) -> None:
        """Have a batch run soon, though no socket is ready: handlers are to be stepped or sockets closed."""
        os.eventfd_write(self._wake, 1)

    def drain(self, pause_s: float = 0.0) -> bool:
        """Step whatever is ready; True when nothing is left, False when others should get a turn first.

        `pause_s`: with nothing ready, wait for more so long before this turn ends.
        """
        if self.by_urgency or self._deferred:
            return self._drain_by_urgency()
        poll = self._epoll.poll
        handlers = self._handlers
        self.now = began = monotonic()
        turn_ends = began + TURN_S
        while True:
            ready = poll(0, EVENTS_PER_POLL)
            if not ready and not self._again:
                if not pause_s or self.now > turn_ends:
                    return True
                ready = poll(pause_s, EVENTS_PER_POLL)
                if not ready:
                    return True
                self.now = began = monotonic()
            for descriptor, events in ready:
                handler = handlers.get(descriptor)
                if handler is not None:
                    try:
                        handler.on_ready(events)
                    except Exception:
                        self._crashed(handler)
            if self._again:
                self._step_again()
            if self._has_used_up_turn(began):
                return False

    def _drain_by_urgency(self) -> bool:
        """As `drain`, but new requests wait until nothing that is under way is ready; the oldest is begun first."""
        deferred = self._deferred
        self.now = began = monotonic()
        while True:
            ready = self._epoll.poll(0, EVENTS_PER_POLL_BEHIND)
            if not ready and not self._again and not deferred:
                return True
            for descriptor, events in ready:
                handler = self._handlers.get(descriptor)
                if handler is None:
                    continue
                if handler.urgent:
                    self._step(handler, events)
                else:
                    since, known = deferred.get(descriptor, (self.now, 0))
                    deferred[descriptor] = since, known | events
            if self._again:
                self._step_again()
            for _ in range(min(DEFERRED_PER_ROUND, len(deferred))):
                descriptor, (since, events) = deferred.popitem(last=False)
                self.waited_s = self.now - since
                self._step(self._handlers[descriptor], events)
            self.waited_s = 0.0
            if self._has_used_up_turn(began):
                return False

    def _has_used_up_turn(self, began: float) -> bool:
        """End a round: close what is to be closed, and see whether the others' turn has come."""
        if self._closing:
            self._close_all()
        self._on_batch()
        self.now = now = monotonic()
        if now - began <= TURN_S:
            return False
        self.on_turn_used_up()
        return True

    def _step(self, handler: Handler, events: int) -> None:
        try:
            handler.on_ready(events)
        except Exception:
            self._crashed(handler)

    def _step_again(self) -> None:
        """One round for the handlers that stopped early."""
        waiting, self._again = self._again, {}
        for handler in waiting:
            self._step(handler, 0)

    def step_now(self, handler: Handler, action: Callable[[], None]) -> None:
        """Run `action` for a handler outside a batch (timers), with the same protection."""
        self.now = monotonic()
        try:
            action()
        except Exception:
            self._crashed(handler)
        self._on_batch()
        if self._again or self._closing:
            self.wake()

    def _close_all(self) -> None:
        closing, self._closing = self._closing, []
        for closable in closing:
            closable.close()

    def _crashed(self, handler: Handler) -> None:
        log.exception("a connection was ended by a violated invariant", handler=type(handler).__name__)
        try:
            handler.on_crash()
        except Exception:
            log.exception("ending a crashed connection failed too")
