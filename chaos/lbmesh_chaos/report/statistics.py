"""What so many requests and so many faults support, and no more. Pure; randomness is an argument."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, exp, expm1, lgamma, log, log1p
from typing import Protocol

CONFIDENCE = 0.95
DRAWS = 2000
"""Of the bootstrap. Its own noise in a 95 % quantile is then well under the bound's last digit that is shown."""
CLUSTERS_MIN = 10
"""Fewer faults than this do not show how differently faults go: a bootstrap over them is too hopeful."""


class Draws(Protocol):
    """The part of `random.Random` that is used."""

    def randrange(self, stop: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """The requests around one fault, which are lost together or not at all."""

    sent: int
    lost: int


def binomial_upper(lost: int, sent: int, confidence: float = CONFIDENCE) -> float:
    """The exact one-sided upper bound of the share that is lost (Clopper and Pearson, Biometrika 1934).

    For none lost it is 1 - (1 - confidence) ** (1 / sent), close to 3 / sent at 95 % (the rule of three). 1 when
    nothing was sent. Holds for losses that are independent, which those around one fault are not: see
    `clustered_upper`.
    """
    if not 0 <= lost <= sent:
        raise ValueError(f"{lost} lost of {sent}")
    if lost == sent:
        return 1.0
    if lost == 0:
        return -expm1(log(1 - confidence) / sent)
    low, high = lost / sent, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if 1 - regularized_beta(lost + 1, sent - lost, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
        if high - low <= 1e-12 * high:
            break
    return high


def clustered_upper(
    clusters: Sequence[Cluster], rng: Draws, confidence: float = CONFIDENCE, draws: int = DRAWS
) -> float:
    """The upper bound of the share that is lost when whole faults are drawn anew, with their requests.

    The percentile bootstrap of a ratio (Efron and Tibshirani 1993, ch. 13), drawn from the faults and one more that
    is as bad as the worst of them: without it, where most faults lose nothing, only 86 of 100 bounds at 95 % hold.
    Where no fault lost anything it says 0, which is no bound: then `faults_upper` is all there is.
    """
    if not clusters:
        return 1.0
    urn = (*clusters, max(clusters, key=lambda one: one.lost / one.sent if one.sent else 0.0))
    shares = []
    for _ in range(draws):
        drawn = [urn[rng.randrange(len(urn))] for _ in clusters]
        sent = sum(one.sent for one in drawn)
        shares.append(sum(one.lost for one in drawn) / sent if sent else 0.0)
    return quantile(sorted(shares), confidence)


def faults_upper(faults: int, losing: int, confidence: float = CONFIDENCE) -> float:
    """The share of faults that may lose something: the exact bound over faults as independent trials."""
    return binomial_upper(losing, faults, confidence) if faults else 1.0


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed (nearest rank). Raises IndexError for none."""
    return ordered[min(len(ordered) - 1, max(0, ceil(share * len(ordered)) - 1))]


def regularized_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), by Lentz's continued fraction (DLMF 8.17.22). For a binomial of n and p, the chance of at most k is
    1 - I_p(k + 1, n - k).
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - regularized_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    tiny = 1e-300
    numerator, denominator, fraction = 1.0, 0.0, 1.0
    for step in range(10_000):
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        else:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        denominator = 1 / _away(1 + term * denominator, tiny)
        numerator = _away(1 + term / numerator, tiny)
        fraction *= numerator * denominator
        if abs(1 - numerator * denominator) < 1e-14:
            break
    return front * (fraction - 1)


def _away(value: float, tiny: float) -> float:
    return tiny if abs(value) < tiny else value
