"""The concurrency limit in a closed loop with a server that saturates: it finds what that can do, and stays there."""

import heapq
from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest

from lbmesh.forward.concurrency import BASELINE_S, ConcurrencyLimit

WARMUP_S = 20.0


@dataclass
class Server:
    """So many workers; each takes one request from a queue. `mean_s`: what a request takes a worker on average."""

    workers: int
    mean_s: float

    @property
    def capacity_per_s(self) -> float:
        return self.workers / self.mean_s


@dataclass
class Loop:
    """Requests at random times, a bounded queue before the limit, the server behind it. All times are simulated."""

    server: Server
    limit: ConcurrencyLimit
    random: Random
    now_s: float = 0.0
    active: int = 0
    answered: int = 0
    latencies: list[float] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    _waiting: deque[None] = field(default_factory=deque)
    _queue: deque[float] = field(default_factory=deque)
    _busy: list[tuple[float, float]] = field(default_factory=list)

    def run(self, seconds: float, per_s: float) -> None:
        """So long, with so many requests a second; forgets what was counted before."""
        self.answered, self.latencies, self.limits = 0, [], []
        end_s = self.now_s + seconds
        next_s = self.now_s + self.random.expovariate(per_s)
        while self.now_s < end_s:
            if self._busy and self._busy[0][0] <= next_s:
                self.now_s, began_s = heapq.heappop(self._busy)
                self._answer(began_s)
            else:
                self.now_s = next_s
                next_s += self.random.expovariate(per_s)
                if len(self._waiting) < 1000:
                    self._waiting.append(None)
            while self._waiting and self.active < self.limit.limit:
                self._waiting.popleft()
                self.active += 1
                self._queue.append(self.now_s)
            while self._queue and len(self._busy) < self.server.workers:
                taken_s = self.random.gammavariate(4.0, self.server.mean_s / 4.0)
                heapq.heappush(self._busy, (self.now_s + taken_s, self._queue.popleft()))

    def _answer(self, began_s: float) -> None:
        latency_s = self.now_s - began_s
        self.limit.observe(latency_s, self.active, self.now_s)
        self.active -= 1
        self.answered += 1
        self.latencies.append(latency_s)
        self.limits.append(self.limit.limit)


def a_loop(workers: int, mean_s: float, *, most: int = 4096, least: int = 8, seed: int = 1) -> Loop:
    return Loop(Server(workers, mean_s), ConcurrencyLimit(least, most, 0.0), Random(seed))


def check_it_is_well(loop: Loop, seconds: float = 10.0) -> None:
    """At twice what the server can do: it works at full, and its queue is short."""
    capacity = loop.server.capacity_per_s
    loop.run(seconds, 2 * capacity)
    assert loop.answered / seconds > 0.9 * capacity
    mean_s = sum(loop.latencies) / len(loop.latencies)
    assert mean_s < 2.5 * loop.server.mean_s


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("workers", "mean_s"), [(10, 0.01), (40, 0.02), (200, 0.05), (16, 0.2)])
def test_it_finds_what_a_server_can_do(workers: int, mean_s: float, seed: int) -> None:
    loop = a_loop(workers, mean_s, seed=seed)
    loop.run(WARMUP_S, 2 * loop.server.capacity_per_s)
    check_it_is_well(loop)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_does_not_creep_up(seed: int) -> None:
    """What answers take with a short queue is not taken for what they take without one, however long it lasts."""
    loop = a_loop(40, 0.02, seed=seed)
    loop.run(4 * BASELINE_S, 2 * loop.server.capacity_per_s)
    check_it_is_well(loop)


@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_it_follows_when_answers_take_longer_or_shorter(factor: float) -> None:
    loop = a_loop(40, 0.02)
    loop.run(WARMUP_S, 2 * loop.server.capacity_per_s)
    loop.server.mean_s *= factor
    loop.run(WARMUP_S, 2 * loop.server.capacity_per_s)
    check_it_is_well(loop)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_it_follows_when_workers_go_and_come(factor: float) -> None:
    loop = a_loop(40, 0.02)
    loop.run(WARMUP_S, 2 * loop.server.capacity_per_s)
    loop.server.workers = int(loop.server.workers * factor)
    loop.run(2 * WARMUP_S, 2 * loop.server.capacity_per_s)
    check_it_is_well(loop)


def test_a_server_with_room_is_never_held_up() -> None:
    loop = a_loop(40, 0.02)
    loop.run(3 * BASELINE_S, 0.5 * loop.server.capacity_per_s)
    assert loop.answered > 0.49 * loop.server.capacity_per_s * 3 * BASELINE_S
    assert min(loop.limits) >= 20


def test_it_does_not_rise_while_nobody_needs_it() -> None:
    loop = a_loop(1000, 0.02)
    loop.run(WARMUP_S, 100.0)
    assert max(loop.limits) <= 50


def test_it_stays_within_its_bounds() -> None:
    loop = a_loop(1000, 0.02, most=60)
    loop.run(WARMUP_S, 2 * loop.server.capacity_per_s)
    assert max(loop.limits) <= 60
    loop.server.workers = 1
    loop.run(WARMUP_S, 1000.0)
    assert min(loop.limits) >= 8


def test_other_bounds_hold_at_once() -> None:
    limit = ConcurrencyLimit(8, 4096, 0.0)
    limit.set_bounds(8, 10)
    assert limit.limit == 10
    limit.set_bounds(200, 4096)
    assert limit.limit == 200
