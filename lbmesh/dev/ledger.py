"""What the calling clients saw: every request's outcome, and the figures made of them. Pure."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

CALLS_MAX = 20_000
"""Outcomes kept, the newest; at 50 requests a second, more than six minutes of them."""


class Kind(StrEnum):
    """READ may be sent again by whoever carries it, and must not be lost. ORDER may not."""

    READ = "read"
    ORDER = "order"


@dataclass(frozen=True, slots=True)
class Call:
    """One request from its start to its 2xx, or to whatever came instead (`problem`).

    `attempts`: how often the client transport sent it. `moved`: a balancer failed it before another answered.
    """

    client: str
    kind: Kind
    began_s: float
    ended_s: float
    problem: str = ""
    balancer: str = ""
    replica: str = ""
    zone: str = ""
    attempts: int = 1
    moved: bool = False

    @property
    def answered(self) -> bool:
        """It got a 2xx in time."""
        return not self.problem

    @property
    def hedged(self) -> bool:
        """Sent again because the first balancer was silent, not because it failed."""
        return self.attempts > 1 and not self.moved


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without any success for one client, from one success to the next."""

    client: str
    began_s: float
    ended_s: float

    @property
    def length_s(self) -> float:
        """Its length."""
        return self.ended_s - self.began_s


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over some calls. Latencies, in seconds, are of answered reads; 0.0 when there are none."""

    reads: int
    lost: int
    moved: int
    hedged: int
    orders: int
    orders_unanswered: int
    p50_s: float
    p99_s: float


class Ledger:
    """Takes outcomes as they come. `sent` and `lost` count reads since the beginning."""

    def __init__(self, now_s: float) -> None:
        self.calls: deque[Call] = deque(maxlen=CALLS_MAX)
        self.sent = 0
        self.lost = 0
        self._began_s = now_s
        self._successes: dict[str, float] = {}
        self._longest: Gap | None = None

    def add(self, call: Call) -> None:
        """One outcome more."""
        self.calls.append(call)
        if call.kind is Kind.READ:
            self.sent += 1
            self.lost += not call.answered
        if call.answered:
            before_s = self._successes.get(call.client, self._began_s)
            gap = Gap(call.client, before_s, call.ended_s)
            if self._longest is None or gap.length_s > self._longest.length_s:
                self._longest = gap
            self._successes[call.client] = max(before_s, call.ended_s)

    def longest_gap_s(self, now_s: float) -> float:
        """The longest one of any client, one that still lasts included."""
        lasting = [now_s - last_s for last_s in self._successes.values()]
        return max(self._longest.length_s if self._longest else 0.0, *lasting, 0.0)

    def since(self, began_s: float) -> list[Call]:
        """The calls that ended since then, the newest first."""
        found = []
        for call in reversed(self.calls):
            if call.ended_s < began_s - SPREAD_S:
                break
            if call.ended_s >= began_s:
                found.append(call)
        return found


SPREAD_S = 0.05
"""Outcomes are written down this much out of order at most: in the order in which their tasks ran."""


def gaps(calls: Iterable[Call]) -> list[Gap]:
    """All gaps between one success and the next, of each client."""
    successes: dict[str, list[float]] = {}
    for call in calls:
        if call.answered:
            successes.setdefault(call.client, []).append(call.ended_s)
    found = []
    for client, times in successes.items():
        times.sort()
        found += [Gap(client, before, after) for before, after in pairwise(times)]
    return found


def longest_gap(found: Sequence[Gap], began_s: float, ended_s: float) -> Gap | None:
    """The longest gap of those that touch this stretch of time, at its whole length."""
    touching = [gap for gap in found if gap.began_s < ended_s and gap.ended_s > began_s]
    return max(touching, key=lambda gap: gap.length_s, default=None)


def tally(calls: Iterable[Call]) -> Tally:
    """Count."""
    counted = list(calls)
    reads = [call for call in counted if call.kind is Kind.READ]
    orders = [call for call in counted if call.kind is Kind.ORDER]
    latencies = sorted(call.ended_s - call.began_s for call in reads if call.answered)
    return Tally(
        reads=len(reads),
        lost=sum(not call.answered for call in reads),
        moved=sum(call.moved for call in reads),
        hedged=sum(call.hedged for call in reads),
        orders=len(orders),
        orders_unanswered=sum(not call.answered for call in orders),
        p50_s=_quantile(latencies, 0.50),
        p99_s=_quantile(latencies, 0.99),
    )


def duplicates(books: Iterable[Sequence[str]]) -> int:
    """Orders that stand in more than one replica's books, given the keys in each."""
    return sum(times - 1 for times in Counter(key for keys in books for key in keys).values())


def _quantile(ascending: Sequence[float], fraction: float) -> float:
    return ascending[min(len(ascending) - 1, int(fraction * len(ascending)))] if ascending else 0.0
