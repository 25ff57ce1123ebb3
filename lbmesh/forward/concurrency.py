"""How many requests a service can work on at a time, found by experiment. Pure.

As in Envoy's gradient controller and Netflix's concurrency-limits: while answers take as long as they do without a
queue at the replicas, the limit rises by its square root; as they take longer, it falls in proportion. What they take
without a queue, the baseline, changes with deployments and traffic, so it has to be measured again and again. Envoy
lets next to nothing through for that. Half the limit is enough here: if there was a queue, it is shorter then; if
answers take as long as before, there was none. When the limit has fallen to half, the same look comes for nothing.
"""

from collections import deque
from math import inf, sqrt
from statistics import median

WINDOW_S = 0.1
SAMPLES_MIN = 10
"""A window goes on until it has so many, so that a quiet service is not judged by one request."""

SAMPLES_MAX = 128
"""Of each window the last ones are kept: the first after a change of the limit are those that were quick."""

TOLERANCE = 0.25
"""Answers may take so much longer than the baseline before the limit falls: Envoy's B, Netflix's rtt tolerance."""

GRADIENT_MIN = 0.5
SMOOTHING = 0.2
"""Share of the newest window in the limit (Netflix's default)."""

BASELINE_S = 30.0
"""The baseline is measured anew after so long (Envoy: 60 s)."""

AGAIN_S = 1.0
"""… and after so long while answers take QUEUED times as long with the whole limit as with half of it: then half of it
is a queue, too.
"""

QUEUED = 1.75
DRAIN_LATENCIES = 2.0
PROBE_LATENCIES = 3.0
DRIFT = 0.1
"""Share of a window that was faster than the baseline in the baseline: a minimum of noisy medians would be too low."""

FIRST_LIMIT = 50


class ConcurrencyLimit:
    """A closed loop: tell it what answers take, and obey `limit`."""

    __slots__ = (
        "_baseline_s",
        "_before_probe_s",
        "_busiest",
        "_ends_s",
        "_least",
        "_limit",
        "_measured_limit",
        "_most",
        "_probe_at_s",
        "_probe_from_s",
        "_samples",
    )

    def __init__(self, least: int, most: int, now_s: float) -> None:
        """`least` and `most`: between these the limit stays."""
        self._baseline_s: float | None = None
        self._samples: deque[float] = deque(maxlen=SAMPLES_MAX)
        self._busiest = 0
        self._before_probe_s = 0.0
        self._ends_s = now_s + WINDOW_S
        self._probe_at_s = now_s
        self._probe_from_s: float | None = None
        self._limit = self._measured_limit = float(FIRST_LIMIT)
        self.set_bounds(least, most)

    def set_bounds(self, least: int, most: int) -> None:
        """Take over other bounds."""
        self._least, self._most = min(least, most), most
        self._limit = min(max(self._limit, self._least), self._most)

    @property
    def limit(self) -> int:
        """How many requests may be active. While the baseline is measured, half of what they may be else."""
        return max(self._least, int(self._limit / 2 if self._probe_from_s is not None else self._limit))

    def observe(self, latency_s: float, active: int, now_s: float) -> bool:
        """An answer came, with so many active. True when `limit` may have changed."""
        if self._probe_from_s is None or now_s >= self._probe_from_s:
            self._samples.append(latency_s)
            self._busiest = max(self._busiest, active)
        if now_s < self._ends_s or len(self._samples) < SAMPLES_MIN:
            return False
        latency_s = median(self._samples)
        self._samples.clear()
        self._ends_s = now_s + WINDOW_S
        self._step(latency_s, now_s)
        self._busiest = 0
        return True

    def _step(self, latency_s: float, now_s: float) -> None:
        """A window is over."""
        baseline_s = self._baseline_s
        if baseline_s is None:
            self._baseline_s = latency_s
            self._probe(latency_s, now_s)
            self._before_probe_s = inf
            return
        if self._probe_from_s is not None or self._limit <= self._measured_limit / 2:
            was_queued = self._before_probe_s > QUEUED * latency_s
            self._probe_at_s = now_s + (AGAIN_S if was_queued else BASELINE_S)
            self._baseline_s = baseline_s = latency_s
            self._measured_limit = self._limit
            self._probe_from_s = None
        elif latency_s < baseline_s:
            self._baseline_s = baseline_s = baseline_s + DRIFT * (latency_s - baseline_s)
        if now_s >= self._probe_at_s:
            self._probe(latency_s, now_s)
        self._adjust(baseline_s, latency_s)

    def _probe(self, latency_s: float, now_s: float) -> None:
        """Halve the limit, let the queue empty, then look: at the answers of a time, not to the requests of one, among
        which the quick ones would come first.
        """
        self._before_probe_s = latency_s
        self._probe_from_s = now_s + DRAIN_LATENCIES * latency_s
        self._ends_s = self._probe_from_s + PROBE_LATENCIES * latency_s

    def _adjust(self, baseline_s: float, latency_s: float) -> None:
        gradient = max(GRADIENT_MIN, min(1.0, baseline_s * (1 + TOLERANCE) / latency_s))
        wanted = gradient * self._limit + sqrt(self._limit)
        if wanted > self._limit and self._busiest < self._limit / 2:
            return
        smoothed = self._limit + SMOOTHING * (wanted - self._limit)
        self._limit = min(max(smoothed, self._least), self._most)
        self._measured_limit = max(self._measured_limit, self._limit)
