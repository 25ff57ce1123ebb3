"""Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats), family by family."""

from collections.abc import Iterable, Iterator, Mapping
from math import inf

from lbmesh.observe.histogram import BUCKETS, Histogram, bucket_upper_s

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

DURATION_BUCKETS_S = (
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
"""OpenTelemetry's buckets for http.server.request.duration, with four below its 5 ms: a proxy is faster
than that.
"""

SERIES_PER_CHUNK = 64
"""Lines that are written in one go: well below a millisecond."""

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


def family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[bytes]:
    """One counter or gauge with all its samples, in chunks; nothing when there is no sample."""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    empty = True
    for labels, value in samples:
        empty = False
        lines.append(f"{name}{_labels(labels)} {_number(value)}")
        if len(lines) >= SERIES_PER_CHUNK:
            yield _chunk(lines)
            lines = []
    if lines and not empty:
        yield _chunk(lines)


def single(name: str, kind: str, text: str, value: float) -> Iterator[bytes]:
    """A counter or gauge of one sample, without labels."""
    return family(name, kind, text, [({}, value)])


def histogram_family(name: str, text: str, samples: Iterable[tuple[Labels, Histogram]]) -> Iterator[bytes]:
    """One classic histogram with all its label sets, a chunk for each."""
    head = [f"# HELP {name} {text}", f"# TYPE {name} histogram"]
    for labels, histogram in samples:
        yield _chunk(head + list(_histogram_lines(name, labels, histogram)))
        head = []


def _histogram_lines(name: str, labels: Labels, histogram: Histogram) -> Iterator[str]:
    """A fine bucket that straddles a bound counts as above it: a quantile errs by 1/8 of itself, upwards."""
    index, total = 0, 0
    for bound_s in DURATION_BUCKETS_S:
        while index < BUCKETS and bucket_upper_s(index) <= bound_s:
            total += histogram.counts[index]
            index += 1
        yield f"{name}_bucket{_labels({**labels, 'le': _number(bound_s)})} {total}"
    count = histogram.count
    yield f"{name}_bucket{_labels({**labels, 'le': '+Inf'})} {count}"
    yield f"{name}_sum{_labels(labels)} {_number(histogram.sum_s)}"
    yield f"{name}_count{_labels(labels)} {count}"


def _chunk(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value == inf:
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)
