"""What the parts make of their samples."""

import pytest

from tests.bench import bodies, latency, overload, scale, tls
from tests.bench.openloop import Outcome
from tests.bench.section import ratio
from tests.bench.tls_client import CIPHERS, Order, Version
from tests.bench.tls_client import Outcome as Handshakes


def test_a_ratio_leaves_out_rounds_that_only_one_has_and_those_with_nothing_to_divide_by() -> None:
    assert ratio({0: 2.0, 1: 9.0, 2: 6.0}, {0: 1.0, 1: 0.0, 3: 1.0}) == 2.0
    assert ratio({0: 2.0}, {1: 1.0}) is None


def _latency(variant: str, number: int, p50_us: float, share: float = 0.5, invalid: str = "") -> latency.Sample:
    return latency.Sample(variant, share, number, p50_us, 2 * p50_us, 10.0, 30.0, 0.0, invalid)


def test_what_is_added_is_over_the_direct_path_of_the_same_round() -> None:
    samples = [
        *(_latency("direct", number, us) for number, us in enumerate((50.0, 500.0, 60.0))),
        *(_latency("lbmesh", number, us) for number, us in enumerate((110.0, 590.0, 120.0))),
        *(_latency("haproxy", number, us) for number, us in enumerate((80.0, 560.0, 90.0))),
        _latency("lbmesh", 0, 9999.0, share=0.25),
    ]
    lbmesh, haproxy = latency.added(samples, 0.5)
    assert (lbmesh.p50_us, lbmesh.p99_us) == (60.0, 120.0)
    assert (lbmesh.p50_ratio, haproxy.p50_ratio) == (2.0, 1.0)


def test_a_round_whose_direct_path_is_invalid_counts_for_nobody() -> None:
    samples = [
        _latency("direct", 0, 50.0, invalid="1 late"),
        _latency("direct", 1, 50.0),
        _latency("lbmesh", 0, 1000.0),
        _latency("lbmesh", 1, 80.0),
    ]
    (lbmesh,) = latency.added(samples, 0.5)
    assert (lbmesh.p50_us, lbmesh.p50_ratio) == (30.0, None)


def test_a_point_at_which_the_generator_was_late_counts_nowhere() -> None:
    late = overload.LATENESS_MAX_US + 1.0
    points = [_point(0.5, 400), _point(1.0, 999, late), _point(2.0, 200)]
    assert overload.kept(points, 2.0) == 0.5
    assert overload.kept(points, 1.0) is None


def _point(level: float, good: int, late_p99_us: float = 0.0) -> overload.Point:
    outcome = Outcome(
        due=1000,
        good=good,
        refused=0,
        late=1000 - good,
        broken=0,
        seconds=1.0,
        p50_us=0.0,
        p99_us=0.0,
        longest_us=0.0,
        late_p50_us=0.0,
        late_p99_us=late_p99_us,
        connections=1,
        began_s=0.0,
    )
    return overload.Point("lbmesh", "kept", level, 1000.0, outcome)


def test_goodput_is_over_the_best_at_any_level() -> None:
    points = [_point(0.5, 400), _point(1.0, 800), _point(2.0, 200)]
    assert overload.kept(points, 2.0) == 0.25
    assert overload.kept(points, 1.0) == 1.0
    assert overload.kept(points, 3.0) is None
    assert overload.kept([_point(2.0, 0)], 2.0) is None


def test_throughput_is_compared_round_by_round() -> None:
    samples = [
        *(bodies.Sample("lbmesh", "1 MiB", "up", n, rate, 0.4, 0.9) for n, rate in enumerate((900.0, 80.0, 0.0))),
        *(bodies.Sample("haproxy", "1 MiB", "up", n, rate, 0.5, 0.9) for n, rate in enumerate((1000.0, 100.0, 90.0))),
    ]
    samples[2] = bodies.Sample("lbmesh", "1 MiB", "up", 2, 0.0, 0.0, 0.0, "cut off")
    found = bodies.figures(samples)
    assert found["lbmesh"].share == pytest.approx(0.85)
    assert found["lbmesh"].mib_per_s == 490.0


@pytest.mark.parametrize(
    ("resume", "resumed", "counts"), [(False, 0, True), (False, 1, False), (True, 96, True), (True, 95, False)]
)
def test_handshakes_count_only_when_they_were_as_they_were_to_be(resume: bool, resumed: int, counts: bool) -> None:
    order = Order(8443, Version.TLS13, "", 1.0, resume)
    outcome = Handshakes(100, resumed, (CIPHERS[Version.TLS13],), (Version.TLS13,))
    assert (tls.checked(outcome, order)[1] == "") == counts


def test_a_figure_of_tls_is_the_median_round_and_says_how_far_the_others_were() -> None:
    def samples(variant: str, *costs_us: float) -> list[tls.Sample]:
        return [tls.Sample(variant, Version.TLS12, tls.FULL, number, us, 1.0) for number, us in enumerate(costs_us)]

    found = tls.figures([*samples("lbmesh", 30.0, 90.0, 33.0), *samples("haproxy", 20.0, 30.0, 30.0)])["lbmesh"]
    assert (found.cpu_us, found.cpu_us_range, found.ratio) == (33.0, (30.0, 90.0), 1.5)


def test_another_version_or_cipher_does_not_count() -> None:
    order = Order(8443, Version.TLS13, "", 1.0, False)
    older = Handshakes(100, 0, (CIPHERS[Version.TLS12],), (Version.TLS12,))
    assert "TLSv1.2" in tls.checked(older, order)[1]


def test_growth_is_beside_one_route_in_the_same_round() -> None:
    samples = [
        scale.Sample("lbmesh", scale.ONE_ROUTE, 0, 20.0, 0.0),
        scale.Sample("lbmesh", "all", 0, 22.0, 0.0),
        scale.Sample("lbmesh", scale.ONE_ROUTE, 1, 40.0, 0.0),
        scale.Sample("lbmesh", "all", 1, 44.0, 0.0),
        scale.Sample("haproxy", "all", 0, 99.0, 0.0),
    ]
    assert scale.growth(samples, "lbmesh", "all") == pytest.approx(1.1)
    assert scale.growth(samples, "haproxy", "all") is None


def test_when_a_reload_was_taken_stands_in_the_log() -> None:
    refused = '{"time": "2026-01-01T00:00:00.000000Z", "event": "reload", "change": "refused"}'
    taken = '{"time": "1970-01-01T00:00:07.250000Z", "event": "reload", "subject": "config", "change": "taken"}'
    assert scale.taken_at(["not JSON", refused, taken]) == 7.25
    with pytest.raises(RuntimeError, match="not taken"):
        scale.taken_at([refused])
