import math
from dataclasses import replace

import pytest

from tests.bench.gossip.plan import FULL, Samples
from tests.bench.gossip.report import report, spread
from tests.bench.gossip.samples import Crash, Fault, Rest
from tests.bench.gossip.systems.lbmesh import Lbmesh

CRASH = Crash(3, "lbmesh", (0.5, 0.75), unseen=0, false_failures=0, healed_s=2.0, spread_s=0.25)
REST = Rest(30, "lbmesh", 30.0, 0, (1000.0, 3000.0), (10.0, 30.0), {"node": (0.05, 0.06), "agent": (0.02, 0.029)})
FAULT = Fault(10, "lbmesh", "3 of 10 cut off", 30.0, 0, 1, 21, 0.5, seen_s=0.875, condemned=2, condemnable=21)


def text(samples: Samples) -> str:
    return report(samples, FULL, [Lbmesh()], "a machine", {})


def samples() -> Samples:
    return Samples([CRASH], [REST], [FAULT], disturbed=[0.01, 0.03], delays_s=[0.001])


def test_a_spread_is_by_nearest_rank() -> None:
    found = spread([float(value) for value in range(200)])
    assert (found.median, found.low, found.high, found.p99) == (99.5, 0.0, 199.0, 197.0)
    assert spread([3.0]).p99 == 3.0


def test_every_sample_is_in_a_table() -> None:
    said = text(samples())
    assert "| 3 | lbmesh | 1 | 0.50 (0.50–0.50) | 0.75 (0.75–0.75) | 0 | 0 | 2.00 (2.00–2.00) |" in said
    assert "| 30 | lbmesh | 2,000 | 3,000 | 20.0 | 30.0 |" in said
    assert "| 30 | lbmesh | agent | 2.45% | 2.90% |" in said
    assert "| 10 | 3 of 10 cut off, 30 s | lbmesh | 0 | 1 | 21 | 0.50 |" in said
    assert "after 0.88 s; the smaller declared 2 of 21" in said
    assert "Others had 2% of all cores in the median measurement, at most 3%." in said


@pytest.mark.parametrize(("seen_s", "verdict"), [((0.5, 1.0), "met"), ((0.5, 1.01), "missed")])
def test_the_mark_of_a_crash_is_the_last_survivor_s(seen_s: tuple[float, ...], verdict: str) -> None:
    one = replace(samples(), crashes=[replace(CRASH, seen_s=seen_s)])
    assert f"of 1, {verdict}" in text(one).replace("*", "")


def test_one_slow_kill_of_ten_misses_the_mark() -> None:
    slow = replace(CRASH, seen_s=(0.5, 1.6))
    assert "3 members 0.75 s and 1.60 s of 10, **missed**" in text(replace(samples(), crashes=[CRASH] * 9 + [slow]))


def test_a_crash_that_a_survivor_never_saw_is_never_seen_by_all() -> None:
    unseen = replace(CRASH, seen_s=(0.5,), unseen=1)
    assert math.isinf(unseen.last_s)
    assert "0.50 (0.50–0.50) | never (never–never) | 1 |" in text(replace(samples(), crashes=[unseen]))


@pytest.mark.parametrize(("shares", "verdict"), [((0.01, 0.029), "met"), ((0.01, 0.031), "missed")])
def test_the_mark_of_cpu_is_the_worst_agent_s(shares: tuple[float, ...], verdict: str) -> None:
    one = replace(samples(), rests=[replace(REST, cpu={"node": shares, "agent": shares})])
    assert verdict in text(one).replace("*", "").partition("Mark, an idle agent")[2]


def test_members_that_lost_a_process_at_rest_are_named() -> None:
    assert "Left out" not in text(samples())
    assert "**Left out**: 2 of 30 members of lbmesh" in text(replace(samples(), rests=[replace(REST, restless=2)]))


def test_only_a_mesh_of_the_mark_s_size_is_held_to_it() -> None:
    assert "Mark, an idle agent" not in text(replace(samples(), rests=[replace(REST, nodes=10)]))
