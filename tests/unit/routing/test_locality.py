"""The residual rule: keep what the zone can carry, spill the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica
from lbmesh.model.view import ReplicaView
from lbmesh.routing.locality import LOCAL_SHARE_MAX, local_share

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
