"""Histograms of request durations by method, status and reason."""

from lbmesh.control.link import RequestTelemetry
from lbmesh.observe.histogram import Histogram

HISTOGRAMS_MAX = 512
"""Label combinations kept apart in one service; what comes after that is counted together."""

KNOWN_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"CONNECT"})
OTHER_METHOD = b"_OTHER"
"""OpenTelemetry's name for methods outside the known ones."""

_OVERFLOW = (OTHER_METHOD, 0, "")


class DurationHistograms:
    """The histograms of one service in one forwarder, made when first needed."""

    __slots__ = ("_histograms", "_told")

    def __init__(self) -> None:
        self._histograms: dict[tuple[bytes, int, str], Histogram] = {}
        self._told: dict[tuple[bytes, int, str], int] = {}

    def of(self, method: bytes, status: int, reason: str) -> Histogram:
        """The histogram with these labels."""
        histogram = self._histograms.get((method, status, reason))
        return self._find(method, status, reason) if histogram is None else histogram

    def _find(self, method: bytes, status: int, reason: str) -> Histogram:
        key = (method if method in KNOWN_METHODS else OTHER_METHOD, status, reason)
        if len(self._histograms) >= HISTOGRAMS_MAX and key not in self._histograms:
            key = _OVERFLOW
        return self._histograms.setdefault(key, Histogram())

    def telemetry(self, service: str, *, changed_only: bool = False) -> list[RequestTelemetry]:
        """All figures so far, for the agent; or those that have changed since the last time."""
        rows = []
        for key, histogram in self._histograms.items():
            count = histogram.count
            if changed_only and count == self._told.get(key):
                continue
            self._told[key] = count
            method, status, reason = key
            rows.append(
                RequestTelemetry(
                    service=service,
                    method=method.decode(),
                    status=status,
                    reason=reason,
                    count=count,
                    sum_s=histogram.sum_s,
                    buckets=histogram.nonzero(),
                )
            )
        return rows
