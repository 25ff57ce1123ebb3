"""Histograms by label: kept apart, bounded, reported whole."""

from lbmesh.forwarder.durations import HISTOGRAMS_MAX, OTHER_METHOD, DurationHistograms


def test_labels_are_kept_apart() -> None:
    durations = DurationHistograms()
    durations.of(b"GET", 200, "").record(0.001)
    durations.of(b"GET", 200, "").record(0.002)
    durations.of(b"GET", 502, "upstream_closed").record(0.003)
    rows = {(row.method, row.status, row.reason): row for row in durations.telemetry("app")}
    assert {key: row.count for key, row in rows.items()} == {("GET", 200, ""): 2, ("GET", 502, "upstream_closed"): 1}
    assert rows["GET", 200, ""].sum_s == 0.003
    assert sum(count for _, count in rows["GET", 200, ""].buckets) == 2


def test_invented_methods_share_a_label() -> None:
    durations = DurationHistograms()
    for number in range(100):
        durations.of(b"M%d" % number, 200, "").record(0.001)
    (row,) = durations.telemetry("app")
    assert (row.method.encode(), row.count) == (OTHER_METHOD, 100)


def test_the_number_of_histograms_is_bounded_and_no_request_is_lost() -> None:
    durations = DurationHistograms()
    for status in range(HISTOGRAMS_MAX * 2):
        durations.of(b"GET", status, "").record(0.001)
    rows = durations.telemetry("app")
    assert len(rows) <= HISTOGRAMS_MAX + 1
    assert sum(row.count for row in rows) == HISTOGRAMS_MAX * 2
