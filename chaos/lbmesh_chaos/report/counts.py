"""How many requests came to what. Pure; three million of them are counted in well under a second."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lbmesh_chaos.model.tally import FlowFates, Verdict

EVER = (float("-inf"), float("inf"))


@dataclass(frozen=True, slots=True)
class Count:
    """Of requests due in some stretch. `void`: nobody can judge them; the other figures are of the rest.

    `unknown_executed`: of the unknown ones, those that a replica did carry out. `retried`: sent more than once by their
    client. `replayed`: carried out more than once, and may be. `duplicated`: carried out more than once, and may not.
    """

    ok: int = 0
    lost: int = 0
    unknown: int = 0
    void: int = 0
    unknown_executed: int = 0
    retried: int = 0
    replayed: int = 0
    duplicated: int = 0

    @property
    def sent(self) -> int:
        """Those that can be judged."""
        return self.ok + self.lost + self.unknown

    @property
    def unanswered(self) -> int:
        """Lost, or never heard of again: what a client missed."""
        return self.lost + self.unknown

    @property
    def lost_per_million(self) -> float:
        """Of those that can be judged; 0 when there are none."""
        return 1e6 * self.lost / self.sent if self.sent else 0.0

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.ok + other.ok,
            self.lost + other.lost,
            self.unknown + other.unknown,
            self.void + other.void,
            self.unknown_executed + other.unknown_executed,
            self.retried + other.retried,
            self.replayed + other.replayed,
            self.duplicated + other.duplicated,
        )


def count(fates: FlowFates, from_s: float = EVER[0], until_s: float = EVER[1]) -> Count:
    """The requests of one flow that were due in [from, until)."""
    span = fates.between(from_s, until_s)
    verdicts = fates.verdicts[span.start : span.stop]
    twice = _above_one(fates.executions[span.start : span.stop])
    may = fates.flow.method.may_be_replayed
    unknown = verdicts.count(Verdict.UNKNOWN)
    return Count(
        ok=verdicts.count(Verdict.OK),
        lost=verdicts.count(Verdict.LOST),
        unknown=unknown,
        void=verdicts.count(Verdict.VOID),
        unknown_executed=_executed(fates, span) if unknown else 0,
        retried=_above_one(fates.attempts[span.start : span.stop]),
        replayed=twice if may else 0,
        duplicated=0 if may else twice,
    )


def count_all(fates: Iterable[FlowFates], from_s: float = EVER[0], until_s: float = EVER[1]) -> Count:
    """Of several flows."""
    return sum((count(one, from_s, until_s) for one in fates), Count())


def count_by(fates: Iterable[FlowFates], name: Callable[[FlowFates], str]) -> dict[str, Count]:
    """Of each group of flows, in the order in which the groups come up."""
    groups: dict[str, Count] = {}
    for one in fates:
        groups[name(one)] = groups.get(name(one), Count()) + count(one)
    return groups


def count_reasons(fates: Iterable[FlowFates]) -> dict[str, int]:
    """Why requests were lost or stayed unknown, most frequent first."""
    reasons: Counter[str] = Counter()
    for one in fates:
        reasons.update(why for at, why in one.reasons.items() if one.verdicts[at] in (Verdict.LOST, Verdict.UNKNOWN))
    return dict(reasons.most_common())


def _above_one(column: bytearray) -> int:
    return len(column) - column.count(0) - column.count(1)


def _executed(fates: FlowFates, span: range) -> int:
    return sum(
        1 for at in fates.reasons if at in span and fates.verdicts[at] == Verdict.UNKNOWN and fates.executions[at]
    )
