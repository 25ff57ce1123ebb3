"""Histograms of request durations by method, status and reason."""

from lbmesh.control.link import RequestTelemetry
from lbmesh.observe.histogram import Histogram

HISTOGRAMS_MAX = 512
"""Label combinations kept apart in one service; what comes after that is counted together."""

KNOWN_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"})
OTHER_METHOD = b"_OTHER"
"""OpenTelemetry's name for methods outside the known ones."""

_OVERFLOW = (OTHER_METHOD, 0, "")


class DurationHistograms:
    """The histograms of one service in one forwarder, made when first needed."""

    __slots__ = ("_histograms",)

    def __init__(self) -> None:
        self._histograms: dict[tuple[bytes, int, str], Histogram] = {}

    def of(self, method: bytes, status: int, reason: str) -> Histogram:
        """The histogram with these labels."""
        histogram = self._histograms.get((method, status, reason))
        return self._find(method, status, reason) if histogram is None else histogram

    def _find(self, method: bytes, status: int, reason: str) -> Histogram:
        key = (method if method in KNOWN_METHODS else OTHER_METHOD, status, reason)
        if len(self._histograms) >= HISTOGRAMS_MAX and key not in self._histograms:
            key = _OVERFLOW
        return self._histograms.setdefault(key, Histogram())

    def telemetry(self, service: str) -> tuple[RequestTelemetry, ...]:
        """All figures so far, for the agent."""
        return tuple(
            RequestTelemetry(
                service=service,
                method=method.decode(),
                status=status,
                reason=reason,
                count=histogram.count,
                sum_s=histogram.sum_s,
                buckets=histogram.nonzero(),
            )
            for (method, status, reason), histogram in self._histograms.items()
        )
