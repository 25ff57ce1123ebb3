"""An open-loop load generator: requests are due at times of their own, whether the ones before were answered or not.

`python -m tests.bench.openloop '{"port": 8080, "rate": 20000, ...}'` (the fields of `Order`) prints one JSON object
(those of `Outcome`). A latency counts from when the request was *due*: a generator that waits for an answer before
it asks again leaves out just the requests that would have waited (coordinated omission; Tene, "How NOT to Measure
Latency"). It counts what this generator itself is late, too, so how late it is stands beside every figure.
"""

import errno
import gc
import json
import os
import random
import re
import select
import socket
import subprocess
import sys
from array import array
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic

from tests.bench.heads import browser_heads, same_heads
from tests.bench.processes import raise_file_limit
from tests.support.percentile import percentile

READ_BYTES = 65_536
EVENTS_PER_POLL = 256
SOURCES = 16
"""Client addresses, 127.0.0.2 and up, so that short-lived connections do not run out of ports."""

BUCKET_S = 0.01
_IP_BIND_ADDRESS_NO_PORT = 24
_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Order:
    """What to do. `rate` a second, at random times (Poisson) from `seed`, for `warmup_s` that does not count and
    then `seconds`. A request that is not answered `deadline_s` after it was due has failed: its client closes the
    connection, as real ones do. `connections`: opened at the start; more, up to `connections_max`, while none is
    free; a request beyond that waits for one. `close`: a connection for each request. `hosts`: names for the Host
    field in turn. `body_bytes`: of an answer with 200.
    """

    port: int
    rate: float
    seconds: float
    body_bytes: int
    head: str = "browser"
    warmup_s: float = 0.5
    seed: int = 1
    connections: int = 64
    connections_max: int = 1024
    close: bool = False
    deadline_s: float = 5.0
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of the requests due after the warm-up: `good` were answered with 2xx in time, `refused` with another status,
    `late` not in time, `broken` had their connection closed or refused. Latencies and latenesses in microseconds at
    p50, p99 and the longest; a latency is that of a good answer. `connections`: the most at once. `began_s`:
    monotonic time of the first due; `slowest_us`: the longest latency of those due in each BUCKET_S since.
    """

    due: int
    good: int
    refused: int
    late: int
    broken: int
    seconds: float
    p50_us: float
    p99_us: float
    longest_us: float
    late_p50_us: float
    late_p99_us: float
    connections: int
    began_s: float
    statuses: dict[str, int] = field(default_factory=dict)
    slowest_us: list[float] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds


def schedule(rate: float, seconds: float, seed: int) -> "array[float]":
    """When requests are due, in seconds from the start: a Poisson process, the same for the same seed."""
    draw, due, times = random.Random(seed), 0.0, array("d")
    while (due := due + draw.expovariate(rate)) < seconds:
        times.append(due)
    return times


def answer_bytes(data: bytes, body_bytes: int) -> int | None:
    """How long the answer is whose first bytes these are; None when its head is not whole yet."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    if data[9:12] == b"200":
        return end + 4 + body_bytes
    found = _LENGTH.search(data, 0, end)
    return end + 4 + (int(found[1]) if found else 0)


class _Connection:
    """One client. `due`: that of the request under way; `serial`: its number, 0 when there is none."""

    __slots__ = ("closed", "due", "head", "received", "serial", "socket")

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.closed = False
        self.due = 0.0
        self.serial = 0
        self.head = b""
        """What waits to be sent until the connection is made."""
        self.received = b""


class Generator:
    """Carries out one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._epoll = select.epoll()
        self._idle: deque[_Connection] = deque()
        self._waiting: deque[float] = deque()
        """Due times of requests that no connection is free for."""
        self._deadlines: deque[tuple[float, int, _Connection]] = deque()
        self._by_descriptor: dict[int, _Connection] = {}
        self._heads = _heads(order)
        self._serial = 0
        self._opened = 0
        self._most = 0
        self._under_way = 0
        self._count_from = 0.0
        self._latencies: list[tuple[float, float]] = []
        self._latenesses = array("d")
        self._statuses: dict[str, int] = {}
        self._counts = {"due": 0, "refused": 0, "late": 0, "broken": 0}

    def run(self) -> Outcome:
        """From the first request to the last one's answer or deadline."""
        try:
            return self._run()
        finally:
            for connection in self._by_descriptor.values():
                connection.socket.close()
            self._epoll.close()

    def _run(self) -> Outcome:
        order = self._order
        times = schedule(order.rate, order.warmup_s + order.seconds, order.seed)
        for _ in range(0 if order.close else order.connections):
            self._idle.append(self._open())
        began = monotonic() + 0.05
        self._count_from = began + order.warmup_s
        position, count = 0, len(times)
        next_due = began + times[0] if count else began
        while position < count or self._under_way or self._waiting:
            now = monotonic()
            while position < count and next_due <= now:
                self._ask(next_due)
                position += 1
                if position < count:
                    next_due = began + times[position]
            self._expire(now)
            ready = self._epoll.poll(0, EVENTS_PER_POLL)
            if not ready:
                until = next_due if position < count else monotonic() + 0.01
                if (pause_s := until - monotonic()) > 0:
                    select.select((self._epoll,), (), (), pause_s)
                continue
            for descriptor, events in ready:
                connection = self._by_descriptor.get(descriptor)
                if connection is not None:
                    self._step(connection, events)
        return self._outcome(began)

    def _ask(self, due: float) -> None:
        """A request is due: give it to a free connection, to a new one, or have it wait."""
        if due >= self._count_from:
            self._counts["due"] += 1
        connection = self._free()
        if connection is None:
            self._waiting.append(due)
        else:
            self._send(connection, due)

    def _free(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.popleft()
            if not connection.closed:
                return connection
        return self._open() if len(self._by_descriptor) < self._order.connections_max else None

    def _open(self) -> _Connection:
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        opened.setsockopt(socket.SOL_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        opened.bind((f"127.0.0.{2 + self._opened % SOURCES}", 0))
        opened.connect_ex(("127.0.0.1", self._order.port))
        self._opened += 1
        connection = _Connection(opened)
        self._epoll.register(opened.fileno(), _EVENTS)
        self._by_descriptor[opened.fileno()] = connection
        self._most = max(self._most, len(self._by_descriptor))
        return connection

    def _send(self, connection: _Connection, due: float) -> None:
        self._serial = serial = self._serial + 1
        self._under_way += 1
        connection.due, connection.serial, connection.received = due, serial, b""
        head = self._heads[serial % len(self._heads)]
        self._deadlines.append((due + self._order.deadline_s, serial, connection))
        try:
            connection.socket.send(head)
        except BlockingIOError:
            connection.head = head
        except OSError as error:
            if error.errno == errno.ENOTCONN:
                connection.head = head
            else:
                self._broke(connection)
                return
        if due >= self._count_from:
            self._latenesses.append(monotonic() - due)

    def _step(self, connection: _Connection, events: int) -> None:
        if connection.head and events & select.EPOLLOUT:
            try:
                connection.socket.send(connection.head)
            except BlockingIOError:
                return
            except OSError:
                self._broke(connection)
                return
            connection.head = b""
        if not events & ~select.EPOLLOUT:
            return
        try:
            data = connection.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or not connection.serial:
            self._broke(connection)
            return
        if connection.received:
            data = connection.received + data
        length = answer_bytes(data, self._order.body_bytes)
        if length is None or len(data) < length:
            connection.received = data
        else:
            self._answered(connection, data)

    def _answered(self, connection: _Connection, data: bytes) -> None:
        now, due = monotonic(), connection.due
        connection.serial = 0
        self._under_way -= 1
        status = data[9:12]
        good = status[:1] == b"2"
        if due >= self._count_from:
            if not good:
                self._counts["refused"] += 1
                self._statuses[status.decode("latin-1")] = self._statuses.get(status.decode("latin-1"), 0) + 1
            elif now - due <= self._order.deadline_s:
                self._latencies.append((due, now - due))
            else:
                self._counts["late"] += 1
        if self._order.close or (not good and _CLOSE.search(data)):
            self._close(connection)
        else:
            self._release(connection)

    def _release(self, connection: _Connection) -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _broke(self, connection: _Connection) -> None:
        """The other side closed it, or refused it."""
        if connection.serial and connection.due >= self._count_from:
            self._counts["broken"] += 1
        self._close(connection)

    def _close(self, connection: _Connection) -> None:
        """Close it; `_free` passes over one that stands idle."""
        if connection.serial:
            connection.serial = 0
            self._under_way -= 1
        connection.closed = True
        del self._by_descriptor[connection.socket.fileno()]
        connection.socket.close()
        if self._waiting and (other := self._free()):
            self._send(other, self._waiting.popleft())

    def _expire(self, now: float) -> None:
        """Clients whose time is up close their connections."""
        deadlines, waiting = self._deadlines, self._waiting
        while deadlines and (deadlines[0][0] <= now or not deadlines[0][2].serial):
            _, serial, connection = deadlines.popleft()
            if connection.serial == serial:
                self._is_late(connection.due)
                self._close(connection)
        while waiting and waiting[0] + self._order.deadline_s <= now:
            self._is_late(waiting.popleft())

    def _is_late(self, due: float) -> None:
        if due >= self._count_from:
            self._counts["late"] += 1

    def _outcome(self, began: float) -> Outcome:
        latencies = [latency * 1e6 for _, latency in self._latencies]
        latenesses = [lateness * 1e6 for lateness in self._latenesses]
        return Outcome(
            **self._counts,
            good=len(latencies),
            seconds=self._order.seconds,
            p50_us=_at(latencies, 0.5),
            p99_us=_at(latencies, 0.99),
            longest_us=max(latencies, default=0.0),
            late_p50_us=_at(latenesses, 0.5),
            late_p99_us=_at(latenesses, 0.99),
            connections=self._most,
            began_s=began,
            statuses=self._statuses,
            slowest_us=slowest(self._latencies, began),
        )


def slowest(latencies: Sequence[tuple[float, float]], began: float) -> list[float]:
    """The longest latency, in whole microseconds, of the requests due in each BUCKET_S from `began`."""
    buckets: list[float] = []
    for due, latency in latencies:
        bucket = int((due - began) / BUCKET_S)
        buckets.extend([0.0] * (bucket + 1 - len(buckets)))
        buckets[bucket] = max(buckets[bucket], round(latency * 1e6))
    return buckets


def _at(values: Sequence[float], share: float) -> float:
    return percentile(values, share) if values else 0.0


def _heads(order: Order) -> list[bytes]:
    make = browser_heads if order.head == "browser" else same_heads
    if not order.hosts:
        return make(f"127.0.0.1:{order.port}", close=order.close)
    hosts = order.hosts
    if order.head == "same":
        return [head for host in hosts for head in same_heads(host, close=order.close)]
    drawn = browser_heads("HOST", close=order.close)
    return [
        head.replace(b"\r\nHost: HOST\r\n", b"\r\nHost: %b\r\n" % hosts[i % len(hosts)].encode())
        for i, head in enumerate(drawn)
    ]


def carry_out(order: Order, cpu: int) -> Outcome:
    """Have a process of its own, held to one core, carry out an order.

    Raises RuntimeError when it fails, and subprocess.TimeoutExpired when it hangs.
    """
    finished = subprocess.run(
        [sys.executable, "-m", "tests.bench.openloop", json.dumps(asdict(order))],
        capture_output=True,
        text=True,
        check=False,
        timeout=order.warmup_s + order.seconds + order.deadline_s + 60,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
    if finished.returncode:
        raise RuntimeError(f"the open-loop generator failed: {finished.stderr[-2000:]}")
    return Outcome(**json.loads(finished.stdout))


def main(arguments: Sequence[str]) -> None:
    """Carry out the order that stands in the one argument."""
    fields = json.loads(arguments[0])
    order = Order(**{**fields, "hosts": tuple(fields.get("hosts", ()))})
    raise_file_limit()
    with suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1")
    generator = Generator(order)
    gc.freeze()
    gc.disable()
    print(json.dumps(asdict(generator.run())))


if __name__ == "__main__":
    main(sys.argv[1:])
