"""Fronts that BIRD announces, with several whole nodes, real BIRDs and a router: announced by who holds them, and by
nobody else. Those of one node are in tests/integration.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbmesh.drivers.flows.limits import TUNNEL_PORT
from lbmesh.drivers.kernel.limits import LEASE_S
from tests.support.bgp_world import FRONT, NEEDED, Routed, balancers, routed, taken_port, wait_told
from tests.support.places import PlacedNode, fetch
from tests.support.segment_waiters import LATE_S
from tests.support.sightings import asking, waiting
from tests.support.wait import wait_for

pytestmark = NEEDED


@pytest.fixture
def trio_of_nodes(tmp_path: Path) -> Iterator[tuple[Routed, tuple[PlacedNode, ...]]]:
    with routed(3, tmp_path) as world, balancers(world, tmp_path) as nodes:
        yield world, nodes


@pytest.fixture
def node_alone(tmp_path: Path) -> Iterator[tuple[Routed, PlacedNode]]:
    # With a hold time that no test waits for: what takes a route away here is BFD, or a withdrawal.
    with routed(1, tmp_path, hold_s=240) as world, balancers(world, tmp_path) as (node,):
        yield world, node


def test_the_front_of_a_killed_node_is_announced_by_another_and_comes_home(
    trio_of_nodes: tuple[Routed, tuple[PlacedNode, ...]],
) -> None:
    world, nodes = trio_of_nodes
    assert fetch(world.client, FRONT) == "1"
    assert not any(node.place.run("ip", "-j", "address", "show", "lo").count(FRONT) for node in nodes[1:])
    nodes[0].kill()
    wait_for(lambda: fetch(world.client, FRONT) in ("2", "3"), "an answer of another")
    wait_for(lambda: world.next_hops() in ([2], [3]), "a route to the other alone")
    # What was killed is announced by nobody now, though its BIRD lives and has the protocol enabled.
    assert "up" in world.birds[0].ask("show protocols front")
    wait_for(lambda: "Established" not in world.birds[0].ask("show protocols uplink"), "the end of its session")
    with asking(world.client, FRONT) as seen:
        nodes[0].start()
        nodes[0].wait_front(FRONT, "held")
        world.wait_route(1)
        wait_for(lambda: [node.front(FRONT)["state"] for node in nodes[1:]] == ["idle", "idle"], "a single holder")
    assert [answer for *_, answer in seen.requests if not answer] == []
    assert fetch(world.client, FRONT) == "1"


def test_hanging_forwarders_lose_the_route_and_get_it_back(node_alone: tuple[Routed, PlacedNode]) -> None:
    world, node = node_alone
    (forwarder,) = node.children("forwarder-0")
    os.kill(forwarder, signal.SIGSTOP)
    world.wait_route()
    # The sentinel kills what hangs and starts another; the route is back when that one serves.
    world.wait_route(1)
    wait_for(lambda: fetch(world.client, FRONT) == "1", "an answer")


def test_a_node_that_leaves_withdraws_before_it_closes(trio_of_nodes: tuple[Routed, tuple[PlacedNode, ...]]) -> None:
    world, nodes = trio_of_nodes
    with asking(world.client, FRONT) as seen:
        time.sleep(0.3)
        nodes[0].end()
        wait_for(lambda: world.next_hops() in ([2], [3]), "a route to another alone")
        time.sleep(0.5)
    ends = [ended for _, ended, answer in seen.requests if answer == "1"]
    begins = [begun for begun, _, answer in seen.requests if answer in ("2", "3")]
    assert begins
    assert ends
    assert sum(not answer for *_, answer in seen.requests) <= 1
    # BIRD is left as it was found: off, and free to speak.
    assert "down" in world.birds[0].ask("show protocols front")
    assert "lbmesh" not in nodes[0].place.run("nft", "list", "ruleset")
    assert FRONT not in nodes[0].place.run("ip", "address")


def test_the_death_of_the_agent_interrupts_nobody(node_alone: tuple[Routed, PlacedNode]) -> None:
    world, node = node_alone
    with asking(world.client, FRONT) as seen:
        os.kill(node.children("agent")[-1], signal.SIGKILL)
        wait_for(lambda: node.log_text().count('"event": "child ready", "child": "agent"') == 2, "the next agent")
        node.wait_front(FRONT, "held")
        time.sleep(2 * LEASE_S)
    assert {answer for _, _, answer in seen.requests} == {"1"}


def test_what_another_node_holds_is_not_announced_by_hand(
    trio_of_nodes: tuple[Routed, tuple[PlacedNode, ...]],
) -> None:
    world, _ = trio_of_nodes
    world.birds[1].ask("enable front_takeover")
    wait_for(lambda: "down" in world.birds[1].ask("show protocols front_takeover"), "the protocol off again")
    world.wait_route(1)
    assert fetch(world.client, FRONT) == "1"


def test_a_bird_that_hangs_is_said_to_and_the_node_serves_on(tmp_path: Path) -> None:
    with routed(1, tmp_path, hold_s=240) as world, balancers(world, tmp_path) as (node,):
        world.birds[0].signal(signal.SIGSTOP)
        wait_for(lambda: "so it hangs: systemctl restart bird" in node.front(FRONT)["problem"], "words")
        world.wait_route()
        assert fetch(world.client, node.place.address) == "1"
        # It could not be told to withdraw, so that it may say nothing when it goes on.
        wait_for(
            lambda: (
                "timeout"
                not in node.place.run("nft", "list", "set", "inet", "lbmesh_bgp", "lease").replace("flags timeout", "")
            ),
            "the end of the lease",
        )
        world.birds[0].signal(signal.SIGCONT)
        wait_for(lambda: "down" in world.birds[0].ask("show protocols front"), "the protocol off")


def test_what_a_former_run_left_announced_is_withdrawn_first(tmp_path: Path) -> None:
    with routed(2, tmp_path, starts_announcing=True) as world:
        world.wait_route(1, 2)
        with balancers(world, tmp_path):
            assert "down" in world.birds[1].ask("show protocols front")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('protocol = "front", prefix = "203.0.113.0/24", socket = "{socket}"', "brings no route to 203.0.113.0/24"),
        ('protocol = "secret", socket = "{socket}"', "let the export of their channel accept"),
    ],
)
def test_a_route_that_no_router_gets_is_said(tmp_path: Path, options: str, said: str) -> None:
    with routed(1, tmp_path) as world:
        named = options.format(socket=world.birds[0].socket)
        with balancers(world, tmp_path, held=False, options=named) as (node,):
            wait_for(lambda: said in node.front(FRONT).get("problem", ""), f"words with {said}")
            world.wait_route()


def test_nobody_waits_for_a_frozen_node_and_who_asks_the_next_holder_is_answered(
    trio_of_nodes: tuple[Routed, tuple[PlacedNode, ...]],
) -> None:
    world, nodes = trio_of_nodes
    wait_told(nodes[0].place)
    with waiting(world.client, FRONT, 30, 10) as seen:
        nodes[0].signal(signal.SIGSTOP)
        wait_for(lambda: fetch(world.client, FRONT) in ("2", "3"), "an answer of another")
        moved_s = time.monotonic()
        time.sleep(2.0)
        ended_s = time.monotonic()
    assert [one for one in seen if one.ended_s is None and one.begun_s < ended_s - 2 * LATE_S] == []
    late = [one for one in seen if one.kind == "late" and moved_s < one.begun_s]
    assert {one.how for one in late if one.ended_s is not None} == {"answered"}
    assert {one.how for one in seen if one.kind == "waiting"} == {"reset"}


def test_who_waits_at_a_node_that_leaves_is_reset_by_the_next_holder(
    trio_of_nodes: tuple[Routed, tuple[PlacedNode, ...]],
) -> None:
    world, nodes = trio_of_nodes
    wait_told(nodes[0].place)
    with waiting(world.client, FRONT, 30, 0) as seen:
        nodes[0].end()
        wait_for(lambda: world.next_hops() in ([2], [3]), "a route to another alone")
        time.sleep(2.0)
    assert {one.how for one in seen if one.kind == "waiting"} == {"reset"}


def test_that_connections_are_not_known_is_said_for_as_long_as_it_is_so(tmp_path: Path) -> None:
    with routed(2, tmp_path) as world, contextlib.ExitStack() as until_freed:
        until_freed.enter_context(taken_port(world.nodes[1], TUNNEL_PORT))
        with balancers(world, tmp_path) as (_, backup):
            said = f"UDP port {TUNNEL_PORT} is another program's"
            wait_for(lambda: said in backup.front(FRONT)["problem"], f"words with {said}")
            until_freed.close()
            wait_for(lambda: backup.front(FRONT)["problem"] == "", "no problem any more")
