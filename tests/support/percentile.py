"""Percentiles of what was measured."""

from collections.abc import Sequence
from math import ceil


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of one value at least that so large a share of all do not exceed (nearest rank): with fewer than a
    hundred, the 99th is the highest.
    """
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]
