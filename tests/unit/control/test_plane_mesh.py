"""Planes in a mesh: few probers, opinions that travel, each node's own eyes."""

import pytest

from lbmesh.control.inputs import EventKind, ProbeResult
from lbmesh.model.health import Availability
from lbmesh.model.member import MemberState
from lbmesh.model.service import HealthCheck, ReplicaId
from tests.support.planes import World, replica_id, shop

ZONES = ("zone-a", "zone-b", "zone-c")
OK, TIMEOUT = ProbeResult(True, "status 200"), ProbeResult(False, "no answer within 1s")


def mesh(nodes: int = 6, replicas: int = 3) -> tuple[World, set[tuple[str, ReplicaId]]]:
    """A mesh that has settled, and the set of (node, replica) whose probes fail: put "" for every node."""
    failing: set[tuple[str, ReplicaId]] = set()

    def answer(node: str, replica: ReplicaId) -> ProbeResult:
        return TIMEOUT if (node, replica) in failing or ("", replica) in failing else OK

    world = World(answer)
    for number in range(nodes):
        zone = ZONES[number % 3]
        world.add(f"lb-{zone[-1]}{number // 3}", zone, shop(replicas, HealthCheck(interval_s=1.0)))
    world.run(8.0)
    return world, failing


def test_everybody_knows_though_only_three_probe_each_replica() -> None:
    world, _ = mesh()
    assert {world.availability(node) for node in world.planes} == {"UUU"}
    for probes in world.probes.values():
        probes.clear()
    world.run(10.0)
    total = sum(map(len, world.probes.values()))
    assert 3 * 3 * 10 * 0.85 <= total <= 3 * 3 * 10 * 1.15


def test_a_dead_replica_is_down_everywhere_and_comes_back_everywhere() -> None:
    world, failing = mesh()
    failing.add(("", replica_id(2)))
    world.run(5.0)
    assert {world.availability(node) for node in world.planes} == {"UDU"}
    for probes in world.probes.values():
        probes.clear()
    world.run(8.0)
    assert {world.availability(node) for node in world.planes} == {"UDU"}
    assert sum(map(len, world.probes.values())) <= 9 * 8 * 1.3, "the idle go on probing"
    failing.clear()
    world.run(8.0)
    assert {world.availability(node) for node in world.planes} == {"UUU"}


def test_up_from_here_and_down_from_there_is_normal() -> None:
    world, failing = mesh()
    failing |= {(node, replica_id(1)) for node in world.planes if node.startswith("lb-b")}
    world.run(10.0)
    seen = {node: world.availability(node) for node in sorted(world.planes)}
    assert {seen[node] for node in seen if not node.startswith("lb-b")} == {"UUU"}
    assert all(seen[node] == "DUU" for node in seen if node.startswith("lb-b") and _has_own_word(world, node))


def _has_own_word(world: World, node: str) -> bool:
    return replica_id(1) in world.probes[node][-5:]


@pytest.mark.parametrize("nodes", [3, 6])
def test_one_node_that_sees_nothing_takes_nothing_from_the_others(nodes: int) -> None:
    world, failing = mesh(nodes)
    failing |= {("lb-a0", replica_id(number)) for number in (1, 2, 3)}
    for _ in range(20):
        world.run(0.5)
        assert {world.availability(node) for node in world.planes if node != "lb-a0"} == {"UUU"}


def test_the_opinions_of_the_dead_do_not_count() -> None:
    world, _ = mesh(3)
    state = {one.id: one for one in world.planes["lb-b0"].picture.replica_states()}[replica_id(1)]
    assert [word.observer for word in state.opinions] == ["lb-b0", "lb-a0", "lb-c0"]
    world.cut.add("lb-a0")
    world.run(6.0)
    members = {member.name: member.state for member in world.planes["lb-b0"].picture.state(world.now).members}
    assert members["lb-a0"] is MemberState.DOWN
    state = {one.id: one for one in world.planes["lb-b0"].picture.replica_states()}[replica_id(1)]
    assert [word.observer for word in state.opinions] == ["lb-b0", "lb-c0"]


def test_a_member_that_joins_late_learns_from_its_peers() -> None:
    world, failing = mesh(3)
    failing.add(("", replica_id(2)))
    world.run(5.0)
    world.add("lb-a9", "zone-a", shop(3, HealthCheck(interval_s=1.0)))
    world.run(3.0)
    assert world.availability("lb-a9") == "UDU"


def test_local_share_follows_the_zones() -> None:
    world, failing = mesh(3)
    (service,) = world.views["lb-a0"][-1].services
    assert service.share("zone-a") == pytest.approx(0.98)
    failing.add(("", replica_id(1)))
    world.run(6.0)
    (service,) = world.views["lb-a0"][-1].services
    assert service.replicas[0].availability is Availability.DOWN
    assert service.share("zone-a") == 0.0


def test_leaving_says_goodbye() -> None:
    world, _ = mesh(3)
    world.take("lb-c0", world.planes["lb-c0"].leave(world.now))
    world.run(1.0)
    members = {member.name: member.state for member in world.planes["lb-a0"].picture.state(world.now).members}
    assert members["lb-c0"] is MemberState.LEFT
    assert world.planes["lb-a0"].hosts().keys() == {"lb-a0", "lb-b0"}


def test_a_node_whose_seed_is_silent_says_so_as_trouble() -> None:
    world = World()
    world.add("lb-a0", "zone-a", shop())
    world.cut.add("lb-a0")
    world.add("lb-b0", "zone-b", shop())
    world.run(20.0)
    (event,) = (event for event in world.events["lb-b0"] if event.kind is EventKind.SEEDS_SILENT)
    assert event.is_trouble
    assert "no seed of 10.1.0.1:7946 has answered" in event.change
    assert EventKind.SEEDS_SILENT not in {event.kind for event in world.events["lb-a0"]}, "it is its only seed"


def test_an_explanation_says_who_said_what_and_which_rule_decided() -> None:
    world, failing = mesh()
    failing.add(("", replica_id(2)))
    world.run(6.0)
    found = {node: plane.picture.explain_replica(world.now, replica_id(2)) for node, plane in world.planes.items()}
    rules = {node: one.rule for node, one in found.items() if one}
    assert rules.keys() == found.keys()
    assert set(rules.values()) <= {"own_evidence", "same_zone_majority", "other_zones"}
    assert list(rules.values()).count("own_evidence") >= 3
    for one in found.values():
        assert one
        assert (one.subject, one.state) == ("shop/10.0.0.2:80", "down")
        assert len(one.said) >= 3
        assert all(said.what == "down: no answer within 1s" and said.counts for said in one.said)
        assert (one.history[0].before, one.history[0].after) in (("up", "down"), ("unknown", "down"))
        assert one.history[0].age_s == one.for_s


def test_what_is_not_checked_or_not_known_is_explained_so() -> None:
    world = World()
    plane = world.add("lb-a0", "zone-a", shop(1, None), meshed=False)
    found = plane.picture.explain_replica(world.now, replica_id(1))
    assert found
    assert (found.state, found.rule) == ("up", "not_checked")
    assert plane.picture.explain_replica(world.now, replica_id(2)) is None


def test_rows_are_written_only_when_a_word_changes() -> None:
    world, failing = mesh()
    before = {node: _own_rows(world, node) for node in world.planes}
    world.run(30.0)
    assert {node: _own_rows(world, node) for node in world.planes} == before, "received once, and never again"
    failing.add(("", replica_id(2)))
    world.run(6.0)
    assert {node: _own_rows(world, node) for node in world.planes} != before


def _own_rows(world: World, node: str) -> set[tuple[str, ReplicaId, float]]:
    return {
        (word.observer, state.id, word.at_s)
        for state in world.planes[node].picture.replica_states()
        for word in state.opinions
        if word.observer != node
    }
