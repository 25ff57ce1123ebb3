"""What the calling clients saw: every request's outcome, and the figures made of them. Pure."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

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
    """Takes outcomes in the order of their ends. `sent` and `lost` count reads since the beginning."""

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=CALLS_MAX)
        self.sent = 0
        self.lost = 0
        self._last_success_s: dict[str, float] = {}
        self._longest_s = 0.0

    def add(self, call: Call) -> None:
        """One outcome more."""
        self.calls.append(call)
        if call.kind is Kind.READ:
            self.sent += 1
            self.lost += not call.answered
        if call.answered:
            gap_s = call.ended_s - self._last_success_s.get(call.client, call.ended_s)
            self._longest_s = max(self._longest_s, gap_s)
            self._last_success_s[call.client] = call.ended_s

    def longest_gap_s(self, now_s: float) -> float:
        """Of any client, from its first success on; a gap that still lasts counts as long as it is."""
        lasting = (now_s - last_s for last_s in self._last_success_s.values())
        return max(self._longest_s, *lasting, 0.0)

    def since(self, began_s: float) -> list[Call]:
        """The calls that ended since then, the newest first."""
        return list(takewhile(lambda call: call.ended_s >= began_s, reversed(self.calls)))


def gaps(calls: Iterable[Call]) -> list[Gap]:
    """Each client's gaps from one success to the next, and from its last one to the end of its last failure."""
    found: list[Gap] = []
    lasting: dict[str, Gap] = {}
    for call in sorted(calls, key=lambda call: call.ended_s):
        before = lasting.get(call.client)
        if before is not None:
            lasting[call.client] = Gap(call.client, before.began_s, call.ended_s)
        if call.answered:
            found += [lasting[call.client]] if before is not None else []
            lasting[call.client] = Gap(call.client, call.ended_s, call.ended_s)
    return [*found, *(gap for gap in lasting.values() if gap.length_s > 0)]


def longest_gap(found: Iterable[Gap], began_s: float, ended_s: float) -> Gap | None:
    """The longest gap of those that lie in this stretch of time by half or more, at its whole length."""
    mostly_in = [
        gap for gap in found if 2 * (min(gap.ended_s, ended_s) - max(gap.began_s, began_s)) >= gap.length_s > 0
    ]
    return max(mostly_in, key=lambda gap: gap.length_s, default=None)


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
