"""Which replica fails more often than its siblings, decided by a statistic that is right for small numbers.

The question is whether the odds that a request to it fails are more than `ratio` times those at its siblings. The
answer is a likelihood ratio: how much less likely its and its siblings' counts would be, at best, were they not
(`evidence`, in nats). By Chernoff's bound (Hoeffding 1963, theorem 1) the chance of `evidence` ≥ c where they are
not is at most (1 + c)·e^-c, whatever the counts: no minimum of hosts or requests is needed, few requests just
cannot give much evidence.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log, sqrt

from lbmesh.model.service import Outliers, ReplicaId

WINDOWS_S = (5, 10, 60)
"""Each second all of these last seconds are looked at: short ones for busy services, a long one for quiet ones."""

EVIDENCE_MIN = 22.0
"""3600 looks an hour at three windows, each wrong with at most (1 + 22)·e^-22 = 6.4e-9: less than 7e-5 false
ejections per replica and hour.
"""

FLOOR_EVIDENCE_MIN = 7.0
"""Of failing more than the floor; e^-7 is one in a thousand. It guards against zeal, not against chance."""

BAD_SECONDS_MIN = 3
"""Failures in fewer different seconds are one event, such as a dropped database connection, however many they are."""

_SECONDS = 10
_TEN_S = 10
_TENS = 6


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests that came to an end in some window; `bad_seconds`: different seconds in which any failed."""

    finished: int = 0
    failed: int = 0
    bad_seconds: int = 0


class Tally:
    """One replica's requests of the last minute: by seconds for the last ten, by tens of seconds before."""

    __slots__ = ("_bad_second", "_seconds", "_tens")

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque(maxlen=_SECONDS)
        self._tens: deque[list[int]] = deque(maxlen=_TENS)
        self._bad_second = -1

    def add(self, finished: int, failed: int, second: int) -> None:
        """Count requests that came to an end in this second, which never falls."""
        failed = min(failed, finished)
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0, 0])
        if not self._tens or self._tens[-1][0] != second // _TEN_S:
            self._tens.append([second // _TEN_S, 0, 0, 0])
        newest, ten = self._seconds[-1], self._tens[-1]
        newest[1] += finished
        newest[2] += failed
        ten[1] += finished
        ten[2] += failed
        if failed and self._bad_second != second:
            self._bad_second = second
            ten[3] += 1

    def counts(self, window_s: int, second: int) -> Counts:
        """What the last `window_s` seconds brought, up to and with `second`. Windows above ten seconds are whole
        tens, the last of them under way.
        """
        finished = failed = bad = 0
        if window_s <= _SECONDS:
            for at, some, wrong in self._seconds:
                if at > second - window_s:
                    finished, failed, bad = finished + some, failed + wrong, bad + (wrong > 0)
        else:
            for at, some, wrong, seconds in self._tens:
                if at > second // _TEN_S - window_s // _TEN_S:
                    finished, failed, bad = finished + some, failed + wrong, bad + seconds
        return Counts(finished, failed, bad)


@dataclass(frozen=True, slots=True)
class Outlier:
    """A replica that fails more than its siblings, with the figures that say so."""

    replica: ReplicaId
    window_s: int
    own: Counts
    siblings: Counts
    evidence: float

    @property
    def reason(self) -> str:
        """The figures in words."""
        return (
            f"{self.own.failed} of {self.own.finished} requests failed in {self.window_s} s, "
            f"of its siblings' {self.siblings.failed} of {self.siblings.finished}"
        )


def worst(
    tallies: Mapping[ReplicaId, Tally], suspects: Sequence[ReplicaId], rule: Outliers, second: int
) -> Outlier | None:
    """The one of `suspects` against which most speaks, if it is enough. `tallies`: of all replicas of the service
    that take traffic, the suspects among them.
    """
    best: Outlier | None = None
    for window_s in WINDOWS_S:
        counts = {replica: tally.counts(window_s, second) for replica, tally in tallies.items()}
        finished = sum(one.finished for one in counts.values())
        failed = sum(one.failed for one in counts.values())
        for replica in suspects:
            own = counts[replica]
            siblings = Counts(finished - own.finished, failed - own.failed)
            strength = _strength(own, siblings, rule)
            if strength >= EVIDENCE_MIN and (best is None or strength > best.evidence):
                best = Outlier(replica, window_s, own, siblings, strength)
    return best


def _strength(own: Counts, siblings: Counts, rule: Outliers) -> float:
    """The evidence that counts: none where the failures are too few, too rare or too close together."""
    if own.bad_seconds < BAD_SECONDS_MIN or not siblings.finished:
        return 0.0
    floor = rule.failure_percent / 100
    ratio = own.failed / own.finished
    if ratio <= floor or own.finished * divergence(ratio, floor) < FLOOR_EVIDENCE_MIN:
        return 0.0
    return evidence(own, siblings, rule.ratio)


def evidence(own: Counts, siblings: Counts, ratio: float) -> float:
    """How much speaks for odds of failing above `ratio` times the siblings': the logarithm of a likelihood ratio.
    0.0 when the counts do not even look so.

    Where they are just that, the likeliest failure ratio p of the siblings makes as many failures likely as there
    were: own·q(p) + siblings·p, with q the replica's at `ratio` times p's odds. That is a quadratic equation in p.
    """
    if not own.finished or not siblings.finished:
        return 0.0
    own_rate, sibling_rate = own.failed / own.finished, siblings.failed / siblings.finished
    if own_rate <= _at_odds(sibling_rate, ratio):
        return 0.0
    failed = own.failed + siblings.failed
    linear = own.finished * ratio + siblings.finished - failed * (ratio - 1)
    square = siblings.finished * (ratio - 1)
    root = sqrt(linear * linear + 4 * square * failed)
    p = 2 * failed / (linear + root) if linear + root > 0 else 1.0
    return own.finished * divergence(own_rate, _at_odds(p, ratio)) + siblings.finished * divergence(sibling_rate, p)


def _at_odds(p: float, ratio: float) -> float:
    """The probability whose odds are `ratio` times those of p."""
    return ratio * p / (1 + (ratio - 1) * p)


def divergence(p: float, q: float) -> float:
    """Kullback and Leibler's, of two coins with these probabilities, in nats: how badly q explains p."""
    if p == q:
        return 0.0
    if q <= 0.0 or q >= 1.0:
        return inf
    heads = p * log(p / q) if p > 0 else 0.0
    tails = (1 - p) * log((1 - p) / (1 - q)) if p < 1 else 0.0
    return heads + tails
