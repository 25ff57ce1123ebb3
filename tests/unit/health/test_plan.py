"""Who probes: few, everywhere, and stable when members come and go."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.limits import LOOKERS_PER_ZONE, PROBERS_PER_REPLICA
from lbmesh.health.plan import JITTER, Role, comes_before, duty, first_probe_s, next_probe_s, probers
from lbmesh.model.address import Address
from lbmesh.model.service import ReplicaId

REPLICA = ReplicaId("shop", Address("10.0.0.1", 80))
meshes = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4),
    st.sampled_from(["zone-a", "zone-b", "zone-c", "zone-d"]),
    max_size=30,
)


@given(meshes)
def test_a_fixed_number_and_one_in_every_zone(zones: dict[str, str]) -> None:
    chosen = probers(REPLICA, zones)
    assert {zones[member] for member in chosen} == set(zones.values())
    assert len(chosen) == min(len(zones), max(PROBERS_PER_REPLICA, len(set(zones.values()))))


@given(meshes, st.data())
def test_a_member_that_probes_nothing_is_not_missed(zones: dict[str, str], data: st.DataObject) -> None:
    chosen = probers(REPLICA, zones)
    idle = sorted(zones.keys() - chosen)
    if idle:
        gone = data.draw(st.sampled_from(idle))
        assert probers(REPLICA, {name: zone for name, zone in zones.items() if name != gone}) == chosen


@given(meshes.filter(bool))
def test_everybody_knows_the_duties_of_all(zones: dict[str, str]) -> None:
    duties = {member: duty(member, REPLICA, zones) for member in zones}
    assert {member for member, one in duties.items() if one.role is Role.PROBER} == probers(REPLICA, zones)
    for zone in set(zones.values()):
        here = [one for member, one in duties.items() if zones[member] == zone]
        looking = [one for one in here if one.role is not Role.BYSTANDER]
        assert min(LOOKERS_PER_ZONE, len(here)) <= len(looking) <= LOOKERS_PER_ZONE


@given(meshes.filter(bool))
def test_bystanders_together_probe_no_more_than_lookers_may(zones: dict[str, str]) -> None:
    duties = [duty(member, REPLICA, zones) for member in zones]
    rate = sum(1 / one.pace for one in duties if one.role is Role.BYSTANDER)
    assert rate <= LOOKERS_PER_ZONE * len(set(zones.values())) + 1e-9


@given(meshes.filter(bool))
def test_in_a_silence_the_number_who_look_at_most_doubles_with_each_interval(zones: dict[str, str]) -> None:
    duties = {member: duty(member, REPLICA, zones) for member in zones}
    first = PROBERS_PER_REPLICA + LOOKERS_PER_ZONE * len(set(zones.values()))
    for intervals in range(10):
        looking = sum(one.patience <= intervals for one in duties.values())
        assert looking <= first * 2**intervals
    assert max(one.patience for one in duties.values()) <= 6
    bystanders = [member for member, one in duties.items() if one.role is Role.BYSTANDER]
    for one in bystanders:
        assert all(
            duties[one].patience <= duties[other].patience for other in bystanders if comes_before(one, other, REPLICA)
        )


def test_the_work_is_spread() -> None:
    zones = {f"lb-{index}": f"zone-{index % 3}" for index in range(9)}
    work = dict.fromkeys(zones, 0)
    for port in range(1, 901):
        for member in probers(ReplicaId("shop", Address("10.0.0.1", port)), zones):
            work[member] += 1
    assert sum(work.values()) == 900 * 3
    assert 200 < min(work.values()) <= max(work.values()) < 400


def test_probes_are_an_interval_apart_give_or_take_the_jitter() -> None:
    rng = random.Random(1)
    gaps = [next_probe_s(10.0, 2.0, rng) - 10.0 for _ in range(1000)]
    assert 2.0 * (1 - JITTER) <= min(gaps) < 1.82
    assert 2.18 < max(gaps) <= 2.0 * (1 + JITTER)


def test_first_probes_do_not_come_all_at_once() -> None:
    times = {first_probe_s("lb-a1", ReplicaId("shop", Address("10.0.0.1", port)), 2.0, 5.0) for port in range(1, 101)}
    assert len(times) == 100
    assert all(5.0 <= time <= 5.5 for time in times)
