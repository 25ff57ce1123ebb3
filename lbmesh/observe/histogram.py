"""Log-linear histograms of durations: mergeable, bounded, cheap to record into.

Buckets follow HdrHistogram's idea (hdrhistogram.org): each power of two of microseconds is cut into
SUBBUCKETS equal parts, so the relative error of a bucket is at most 1/SUBBUCKETS.
"""

from collections.abc import Iterable
from math import ceil

SUBBUCKET_BITS = 3
SUBBUCKETS = 1 << SUBBUCKET_BITS
BUCKETS = 28 * SUBBUCKETS
"""The last bucket holds everything from about 17 minutes on."""

RANK_ROUNDING = 1e-6
"""0.07 × 100 is 7.000000000000001 in floating point, and its rank is 7 all the same."""


def bucket_index(microseconds: int) -> int:
    """The bucket of a duration, 0 to BUCKETS - 1."""
    if microseconds < SUBBUCKETS:
        return microseconds if microseconds > 0 else 0
    shift = microseconds.bit_length() - SUBBUCKET_BITS - 1
    index = (shift << SUBBUCKET_BITS) + (microseconds >> shift)
    return index if index < BUCKETS else BUCKETS - 1


def bucket_upper_s(index: int) -> float:
    """The exclusive upper bound of a bucket, in seconds; infinite for the last."""
    if index >= BUCKETS - 1:
        return float("inf")
    if index < SUBBUCKETS:
        return (index + 1) / 1e6
    shift = (index >> SUBBUCKET_BITS) - 1
    return ((index - (shift << SUBBUCKET_BITS) + 1) << shift) / 1e6


class Histogram:
    """Counts of durations. `counts[bucket_index(us)] += 1` inline is allowed where a call costs too much."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.sum_s = 0.0

    def record(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bucket_index(int(seconds * 1e6))] += 1
        self.sum_s += seconds

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return sum(self.counts)

    def nonzero(self) -> tuple[tuple[int, int], ...]:
        """(bucket index, count) of every bucket in use, ascending."""
        return tuple([(index, count) for index, count in enumerate(self.counts) if count])

    def merge(self, buckets: Iterable[tuple[int, int]], sum_s: float) -> None:
        """Add another histogram's figures to this one."""
        for index, count in buckets:
            self.counts[index] += count
        self.sum_s += sum_s

    def quantile(self, fraction: float) -> float:
        """An upper bound in seconds of the given quantile (0 to 1); 0.0 when nothing was recorded."""
        total = self.count
        if not total:
            return 0.0
        rank = max(1, ceil(fraction * total - RANK_ROUNDING))
        for index, count in enumerate(self.counts):
            rank -= count
            if rank <= 0:
                return bucket_upper_s(index)
        return bucket_upper_s(BUCKETS - 1)
