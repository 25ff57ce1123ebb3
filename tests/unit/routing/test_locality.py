"""The residual rule: keep what the zone can carry, spill the rest."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica
from lbmesh.model.view import ReplicaView
from lbmesh.routing.locality import (
    PEER_RATIO_MAX,
    REMOTE_MIN,
    Ingress,
    capacity_by_zone,
    mesh_traffic,
    zone_shares,
)

LOCAL_SHARE_MAX = 1 - REMOTE_MIN


def local_share(zone: str, members: Mapping[str, int], replicas: Sequence[ReplicaView]) -> float:
    """The own zone's share where nothing of anybody's traffic is known."""
    peers = [(each, None) for each, count in members.items() for _ in range(count - (each == zone))]
    demand = mesh_traffic(zone, None, peers).demand
    return zone_shares(zone, demand, capacity_by_zone(replicas)).get(zone, 0.0)


UP, UNKNOWN, DOWN = Availability.UP, Availability.UNKNOWN, Availability.DOWN


def replica(zone: str, availability: Availability = UP, weight: int = 1) -> ReplicaView:
    return ReplicaView(Replica(Address("10.0.0.1", 80), f"zone-{zone}", weight), availability)


def share(zones: str, members: dict[str, int]) -> float:
    """zone-a's share, with an up replica for each letter of `zones`."""
    return local_share("zone-a", members, [replica(zone) for zone in zones])


EVEN = {"zone-a": 1, "zone-b": 1, "zone-c": 1}


@pytest.mark.parametrize(
    ("zones", "members", "expected"),
    [
        ("abc", EVEN, LOCAL_SHARE_MAX),
        ("aab", EVEN, LOCAL_SHARE_MAX),
        ("abbccc", EVEN, 0.5),
        ("abb", {"zone-a": 2, "zone-b": 1}, 0.5),
        ("a", EVEN, 1.0),
        ("aa", EVEN, 1.0),
        ("bc", EVEN, 0.0),
        ("", EVEN, 0.0),
        ("ab", {}, 0.5),
    ],
)
def test_shares(zones: str, members: dict[str, int], expected: float) -> None:
    assert share(zones, members) == pytest.approx(expected)


def test_weights_count_as_capacity() -> None:
    replicas = [replica("a", weight=1), replica("b", weight=3)]
    assert local_share("zone-a", {"zone-a": 1, "zone-b": 1}, replicas) == pytest.approx(0.5)


def test_a_zone_whose_replicas_are_down_sends_everything_away() -> None:
    assert local_share("zone-a", EVEN, [replica("a", DOWN), replica("a", UNKNOWN), replica("b")]) == 0.0


def test_the_unknown_count_when_none_is_up() -> None:
    assert local_share("zone-a", EVEN, [replica("a", UNKNOWN), replica("b", DOWN)]) == 1.0


@given(
    st.lists(st.builds(replica, st.sampled_from("abc"), st.sampled_from(Availability), st.integers(1, 100))),
    st.dictionaries(st.sampled_from(["zone-a", "zone-b", "zone-c"]), st.integers(0, 50)),
)
def test_a_share_is_a_fraction_and_leaves_some_for_remote_pools(
    replicas: list[ReplicaView], members: dict[str, int]
) -> None:
    fraction = local_share("zone-a", members, replicas)
    assert fraction == 1.0 or 0.0 <= fraction <= LOCAL_SHARE_MAX


ZONES = ("zone-a", "zone-b", "zone-c", "zone-d")
amounts = st.floats(0, 1000).map(lambda amount: round(amount, 3))
worlds = st.lists(st.tuples(amounts, amounts), min_size=2, max_size=4).filter(
    lambda world: sum(demand for demand, _ in world) > 1 and sum(capacity for _, capacity in world) > 1
)


def flows(demand: dict[str, float], capacity: dict[str, float]) -> dict[tuple[str, str], float]:
    """What goes from the balancers of each zone to the replicas of each."""
    return {
        (source, to): demand[source] * part
        for source in demand
        for to, part in zone_shares(source, demand, {zone: each for zone, each in capacity.items() if each}).items()
    }


@given(worlds)
def test_all_that_is_asked_for_goes_somewhere(world: list[tuple[float, float]]) -> None:
    demand = {zone: asked for zone, (asked, _) in zip(ZONES, world, strict=False)}
    capacity = {zone: can for zone, (_, can) in zip(ZONES, world, strict=False) if can}
    for zone in demand:
        shares = zone_shares(zone, demand, capacity)
        assert sum(shares.values()) == pytest.approx(1.0)
        assert all(share >= 0 for share in shares.values())
        assert set(shares) <= set(capacity)


@given(worlds)
def test_no_zone_carries_more_than_its_part_while_another_has_room(world: list[tuple[float, float]]) -> None:
    """Beyond its part of all capacity comes at most what keeps pools known, from wherever there is traffic."""
    demand = {zone: asked for zone, (asked, _) in zip(ZONES, world, strict=False)}
    capacity = {zone: can for zone, (_, can) in zip(ZONES, world, strict=False)}
    carried = dict.fromkeys(demand, 0.0)
    for (_, to), flow in flows(demand, capacity).items():
        carried[to] += flow
    total, all_capacity = sum(demand.values()), sum(capacity.values())
    for zone in demand:
        assert carried[zone] <= total * capacity[zone] / all_capacity + REMOTE_MIN * total + 1e-6


@given(worlds, st.floats(1.0, 5.0))
def test_more_capacity_at_home_never_sends_more_away(world: list[tuple[float, float]], times: float) -> None:
    demand = {zone: asked for zone, (asked, _) in zip(ZONES, world, strict=False)}
    capacity = {zone: can for zone, (_, can) in zip(ZONES, world, strict=False) if can}
    more = {zone: can * times if zone == "zone-a" else can for zone, can in capacity.items()}
    before, after = (zone_shares("zone-a", demand, each).get("zone-a", 0.0) for each in (capacity, more))
    assert after >= before - 1e-9


@given(worlds, st.floats(1.0, 5.0))
def test_more_traffic_at_home_never_keeps_a_greater_part(world: list[tuple[float, float]], times: float) -> None:
    demand = {zone: asked + 1 for zone, (asked, _) in zip(ZONES, world, strict=False)}
    capacity = {zone: can for zone, (_, can) in zip(ZONES, world, strict=False) if can}
    more = {zone: asked * times if zone == "zone-a" else asked for zone, asked in demand.items()}
    before, after = (zone_shares("zone-a", each, capacity).get("zone-a", 0.0) for each in (demand, more))
    assert after <= before + 1e-9


def test_spill_goes_where_there_is_room() -> None:
    """zone-a has half of the traffic and a third of the capacity; zone-c is as full as it may be."""
    shares = zone_shares("zone-a", {"zone-a": 3, "zone-b": 1, "zone-c": 2}, {"zone-a": 1, "zone-b": 1, "zone-c": 1})
    assert shares["zone-a"] == pytest.approx(2 / 3)
    assert shares["zone-b"] == pytest.approx(1 / 3 - REMOTE_MIN / 2)
    assert shares["zone-c"] == pytest.approx(REMOTE_MIN / 2)


def test_a_spill_by_feedback_takes_from_home() -> None:
    even = {"zone-a": 1.0, "zone-b": 1.0}
    assert zone_shares("zone-a", even, even, 0.3)["zone-a"] == pytest.approx(0.7)
    assert zone_shares("zone-a", even, even, 0.001)["zone-a"] == LOCAL_SHARE_MAX


def ingress(requests_per_s: float, **in_flight: float) -> Ingress:
    """`in_flight`: by the last letter of the zone."""
    return Ingress(requests_per_s, {f"zone-{zone}": count for zone, count in in_flight.items()})


def test_measured_traffic_of_all_nodes_adds_up_by_zone() -> None:
    found = mesh_traffic(
        "zone-a", ingress(100, a=5, b=1), [("zone-a", ingress(50, a=1)), ("zone-b", ingress(20, b=2, a=1))]
    )
    assert found.demand == {"zone-a": 152, "zone-b": 21}
    assert found.in_flight == {"zone-a": 7, "zone-b": 3}


def test_who_says_nothing_is_taken_to_be_like_the_others() -> None:
    found = mesh_traffic("zone-a", ingress(100, a=2), [("zone-b", ingress(200, b=4, a=9)), ("zone-c", None)])
    assert (found.demand["zone-c"], found.in_flight["zone-c"]) == (151, 3)
    alone = mesh_traffic("zone-a", None, [("zone-a", None), ("zone-b", ingress(500, b=7))])
    assert alone.demand == {"zone-a": 2, "zone-b": 1}
    assert not any(alone.in_flight.values())


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.sampled_from(["zone-a", "zone-b"]), st.integers(1, 20))
def test_one_that_lies_moves_little_and_the_less_the_more_are_honest(
    rate: float, in_flight: float, zone: str, honest: int
) -> None:
    """Each zone has `honest` nodes of 100 requests a second and as much capacity; one more says whatever it likes."""
    peers = [(f"zone-{each}", ingress(100, **{each: 5})) for each in "abc" for _ in range(honest)][1:]
    capacity = {"zone-a": 1.0, "zone-b": 1.0, "zone-c": 1.0}
    found = mesh_traffic("zone-a", ingress(100, a=5), [*peers, (zone, ingress(rate, a=in_flight))])
    kept = zone_shares("zone-a", found.demand, capacity)["zone-a"]
    worst = min(LOCAL_SHARE_MAX, (3 * honest + PEER_RATIO_MAX) / (3 * (honest + PEER_RATIO_MAX)))
    assert kept >= worst - 0.02
    assert found.in_flight["zone-a"] <= 5 * (honest + PEER_RATIO_MAX) + 1
