"""A node's traffic: measured from its forwarders' figures, told in rows, and read from others'."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.control.ingress_meter import FORGOTTEN_S, IngressMeter
from lbmesh.control.ingress_rows import (
    GAP_PER_MEMBER_S,
    KEYS,
    ROW_BYTES_MAX,
    IngressVoice,
    figure_of,
    level_of,
    parse_rows,
)
from lbmesh.control.link import ReplicaTelemetry, RequestTelemetry, Telemetry
from lbmesh.gossip.limits import VALUE_BYTES_MAX
from lbmesh.routing.locality import Ingress
from tests.support.planes import replica_id

HERE, THERE = replica_id(1), replica_id(2)
ZONES = {HERE: "zone-a", THERE: "zone-b"}


def figures(count: int, in_flight: int = 0, *, worker: int = 0, pid: int = 7, is_inventory: bool = False) -> Telemetry:
    """A forwarder that has answered `count` requests for "shop", with so many attempts under way at each replica."""
    rows = (
        RequestTelemetry("shop", "GET", 200, "", count - count // 4, 0.0, ()),
        RequestTelemetry("shop", "GET", 502, "", count // 4, 0.0, ()),
        RequestTelemetry("", "GET", 404, "no_route", count, 0.0, ()),
    )
    replicas = tuple(ReplicaTelemetry(one, count, 0, 0, in_flight, 0.1) for one in (HERE, THERE))
    return Telemetry(worker, pid, None, 0, 0, 0, 0, rows, replicas, is_inventory=is_inventory)


def measured(meter: IngressMeter, seconds: int, rate: int, *, now: float = 100.0, **how: int) -> float:
    """Let a forwarder answer `rate` requests a second for so long; the time then."""
    for second in range(seconds):
        meter.take(figures(1000 + second * rate, **how, is_inventory=second == 0), ZONES, now + second)
    return now + seconds - 1


def test_a_rate_is_averaged_and_what_was_counted_before_the_link_stood_is_none() -> None:
    meter = IngressMeter()
    assert meter.figures(100.0) is None
    meter.take(figures(1000, is_inventory=True), ZONES, 100.0)
    assert meter.figures(100.0) is None
    now = measured(meter, 40, 200, in_flight=6)
    found = meter.figures(now)
    assert found is not None
    assert set(found) == {"shop"}
    assert found["shop"].requests_per_s == pytest.approx(200, rel=0.02)
    assert dict(found["shop"].in_flight) == pytest.approx({"zone-a": 6, "zone-b": 6}, rel=0.02)


def test_workers_add_up_and_who_is_silent_is_forgotten() -> None:
    meter = IngressMeter()
    for worker in (0, 1):
        now = measured(meter, 40, 50, worker=worker, pid=worker)
    found = meter.figures(now)
    assert found is not None
    assert found["shop"].requests_per_s == pytest.approx(100, rel=0.02)
    assert meter.figures(now + FORGOTTEN_S + 1) is None


def test_counters_that_begin_anew_are_no_negative_traffic() -> None:
    meter = IngressMeter()
    now = measured(meter, 10, 100)
    meter.take(figures(8), ZONES, now + 1)
    found = meter.figures(now + 1)
    assert found is not None
    assert found["shop"].requests_per_s > 0


def test_a_report_in_several_messages_is_one_second() -> None:
    meter = IngressMeter()
    measured(meter, 2, 100)
    for part in range(3):
        meter.take(figures(1200), ZONES, 102.0 + part / 1000)
    found = meter.figures(102.1)
    assert found is not None
    assert found["shop"].requests_per_s < 100


@given(st.floats(0, 1e12))
def test_levels_are_fifths(figure: float) -> None:
    kept = figure_of(round(level_of(figure)))
    assert kept == pytest.approx(figure, rel=0.1) or figure < 0.3 or figure > 1e18


def rows_of(said: dict[str, Ingress], members: int = 3) -> tuple[bytes, ...]:
    rows = IngressVoice().speak(said, members, 0.0)
    assert rows is not None
    return rows


def test_what_is_told_is_understood() -> None:
    said = {
        "shop": Ingress(120.0, {"zone-a": 3.0, "zone-b": 0.1}),
        "next": Ingress(0.0, {"zone-b": 40.0}),
        "idle": Ingress(0.0),
    }
    found = parse_rows(rows_of(said))
    assert found is not None
    assert set(found) == {"shop", "next"}
    assert found["shop"].requests_per_s == pytest.approx(120, rel=0.1)
    assert found["next"].in_flight == {"zone-b": pytest.approx(40, rel=0.1)}
    assert found["shop"].in_flight.keys() == {"zone-a"}, "what is nothing is left out"


def test_a_node_without_traffic_says_so_once() -> None:
    voice = IngressVoice()
    assert voice.speak({}, 3, 0.0) == (b"{}",)
    assert voice.speak({}, 3, 100.0) is None
    assert parse_rows([b"{}"]) == {}
    assert parse_rows([]) is None


def test_only_what_moved_is_told_and_seldom() -> None:
    voice = IngressVoice()
    assert voice.speak({"shop": Ingress(100.0)}, 100, 0.0) is not None
    assert voice.speak({"shop": Ingress(200.0)}, 100, GAP_PER_MEMBER_S * 100 - 0.1) is None, "too soon"
    assert voice.speak({"shop": Ingress(115.0)}, 100, 50.0) is None, "too little"
    rows = voice.speak({"shop": Ingress(200.0)}, 100, 51.0)
    assert rows is not None
    assert voice.speak({"shop": Ingress(200.0)}, 100, 200.0) is None
    assert voice.speak({}, 100, 300.0) == (b"{}",), "no traffic is news, too"


@given(
    st.dictionaries(
        st.text("abcé-", min_size=1, max_size=63),
        st.builds(Ingress, st.floats(0, 1e9), st.dictionaries(st.sampled_from(["a", "b" * 63]), st.floats(0, 1e9))),
        max_size=200,
    )
)
def test_rows_stay_within_their_bounds_and_tell_of_the_busiest(said: dict[str, Ingress]) -> None:
    rows = rows_of(said)
    assert 1 <= len(rows) <= len(KEYS)
    assert all(len(row) <= ROW_BYTES_MAX <= VALUE_BYTES_MAX for row in rows)
    found = parse_rows(rows)
    assert found is not None
    busiest = {
        name: max(level_of(each) for each in (one.requests_per_s, *one.in_flight.values()))
        for name, one in said.items()
    }
    left_out = [round(level) for name, level in busiest.items() if name not in found]
    if found and left_out:
        assert min(round(busiest[name]) for name in found) >= max(left_out)


@pytest.mark.parametrize(
    "value",
    [
        b"", b"[]", b"7", b'{"a": 1}', b'{"a": [1]}', b'{"a": [1, 2, 3]}', b'{"a": [true, {}]}', b'{"a": [1.5, {}]}',
        b'{"a": ["x", {}]}', b'{"a": [1, {"b": "c"}]}', b'{"a": [1, []]}', b'{"a": [1, 1]}',
        b"\xff", b"[" * 5000, json.dumps({str(n): [1, {}] for n in range(300)}).encode(),
    ],
)  # fmt: skip
def test_a_malformed_row_says_nothing(value: bytes) -> None:
    assert parse_rows([value]) is None


@given(st.integers(-(2**70), 2**70))
def test_a_level_beyond_all_bounds_is_a_figure_still(level: int) -> None:
    found = parse_rows([json.dumps({"a": [level, {"b": level}]}).encode()])
    assert found is not None
    assert 0 <= found["a"].requests_per_s == found["a"].in_flight["b"] < 1e19
