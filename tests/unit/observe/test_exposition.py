"""The text format: what a scraper reads is what was counted."""

import re
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.observe.exposition import DURATION_BUCKETS_S, SERIES_PER_CHUNK, family, histogram_family
from lbmesh.observe.histogram import Histogram

LINE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)$')


def text(chunks: Iterable[bytes]) -> str:
    return b"".join(chunks).decode()


def test_a_family() -> None:
    assert text(family("up", "gauge", "Is it?", [({"name": "a"}, 1.0), ({}, 0.5)])) == (
        '# HELP up Is it?\n# TYPE up gauge\nup{name="a"} 1\nup 0.5\n'
    )


def test_no_sample_no_family() -> None:
    assert text(family("up", "gauge", "Is it?", [])) == ""
    assert text(histogram_family("up", "Is it?", [])) == ""


def test_many_samples_come_in_chunks() -> None:
    chunks = list(family("up", "gauge", "Is it?", [({"n": str(number)}, number) for number in range(1000)]))
    assert max(chunk.count(b"\n") for chunk in chunks) <= SERIES_PER_CHUNK
    assert text(chunks).count("\nup{") == 1000


@given(st.text())
def test_any_label_stays_on_its_line_and_can_be_read_back(value: str) -> None:
    *_, line, end = text(family("up", "gauge", "Is it?", [({"name": value}, 1)])).split("\n")
    assert end == ""
    found = LINE.match(line)
    assert found
    quoted = found[2].removeprefix('name="').removesuffix('"')
    assert re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], quoted) == value


@given(st.lists(st.floats(0, 100)))
def test_buckets_are_cumulative_and_never_claim_more_than_was_fast(durations: list[float]) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.record(duration)
    lines = text(histogram_family("seconds", "How long.", [({}, histogram)])).splitlines()[2:]
    counts = [int(line.rpartition(" ")[2]) for line in lines if "_bucket" in line]
    assert counts == sorted(counts)
    assert counts[-1] == len(durations) == int(lines[-1].rpartition(" ")[2])
    for bound_s, found in zip(DURATION_BUCKETS_S, counts, strict=False):
        assert (
            sum(one < bound_s * 7 / 8 - 2e-6 for one in durations) <= found <= sum(one <= bound_s for one in durations)
        )
