"""Fronts that BIRD announces, with a whole node, a real BIRD and a router in namespaces: withdrawn before anything
closes, and by the kernel when nobody is left to withdraw them. Those of several nodes are in tests/lab.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bgp_world import FRONT, NEEDED, OTHER_FRONT, Routed, balancers, routed
from tests.support.places import PlacedNode, fetch
from tests.support.wait import wait_for

pytestmark = NEEDED


@pytest.fixture
def node_alone(tmp_path: Path) -> Iterator[tuple[Routed, PlacedNode]]:
    # With a hold time that no test waits for: what takes a route away here is BFD, or a withdrawal.
    with routed(1, tmp_path, hold_s=240) as world, balancers(world, tmp_path) as (node,):
        yield world, node


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_node_that_is_killed_or_frozen_loses_its_route_though_bird_lives(
    node_alone: tuple[Routed, PlacedNode], number: int
) -> None:
    world, node = node_alone
    bird_pid = world.birds[0].process
    if number == signal.SIGKILL:
        node.kill()
    else:
        node.signal(number)
    world.wait_route()
    assert bird_pid is not None
    assert bird_pid.poll() is None
    # No session comes up again without the lease, however often BIRD tries.
    time.sleep(2.5)
    assert world.next_hops() == []
    if number == signal.SIGSTOP:
        node.signal(signal.SIGCONT)
    else:
        node.start()
    world.wait_route(1)
    node.wait_front(FRONT, "held")


def test_the_last_node_withdraws_before_it_closes(node_alone: tuple[Routed, PlacedNode]) -> None:
    world, node = node_alone
    assert node.process is not None
    node.process.send_signal(signal.SIGTERM)
    world.wait_route()
    assert fetch(world.client, node.place.address) == "1"
    node.process.wait(30)


def test_what_somebody_changes_by_hand_is_repaired(node_alone: tuple[Routed, PlacedNode]) -> None:
    world, node = node_alone
    bird = world.birds[0]
    bird.ask("disable front")
    world.wait_route()
    world.wait_route(1)
    node.place.run("ip", "address", "del", f"{FRONT}/32", "dev", "lo")
    wait_for(lambda: FRONT in node.place.run("ip", "address", "show", "lo"), "the address")
    node.place.run("nft", "flush", "ruleset")
    wait_for(lambda: "3784 timeout" in node.place.run("nft", "list", "ruleset"), "the lease")
    bird.ask("enable front_takeover")
    bird.kill()
    world.wait_route()
    bird.start()
    world.wait_route(1)
    wait_for(lambda: node.front(FRONT)["problem"] == "", "no problem any more")
    assert fetch(world.client, FRONT) == "1"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('protocol = "fronts", socket = "{socket}"', 'BIRD has no protocol "fronts": write protocol static fronts'),
        ('protocol = "uplink", socket = "{socket}"', '"uplink" in BIRD is of kind BGP, not static'),
        ('protocol = "front", socket = "{socket}.none"', "systemctl start bird"),
    ],
)
def test_what_is_missing_is_said_and_the_node_serves_on(tmp_path: Path, options: str, said: str) -> None:
    with routed(1, tmp_path) as world:
        named = options.format(socket=world.birds[0].socket)
        with balancers(world, tmp_path, held=False, options=named) as (node,):
            wait_for(lambda: said in node.front(FRONT).get("problem", ""), f"words with {said}")
            assert fetch(world.client, node.place.address) == "1"
            world.wait_route()


def test_a_router_without_bfd_is_said_while_the_front_is_held(tmp_path: Path) -> None:
    with routed(1, tmp_path, bfd_ms=0) as world, balancers(world, tmp_path) as (node,):
        wait_for(lambda: "no BFD with uplink (10.0.1.1)" in node.front(FRONT)["problem"], "words")
        assert node.front(FRONT)["state"] == "held"


@pytest.mark.parametrize("left", ["no front", "another front"])
def test_what_a_crash_left_announced_is_withdrawn_when_its_front_is_not_in_the_settings_any_more(
    node_alone: tuple[Routed, PlacedNode], left: str
) -> None:
    world, node = node_alone
    bird = world.birds[0]
    node.kill()
    world.wait_route()
    table = node.config[node.config.index("[[front]]") : node.config.index("[admin]")]
    other = f"""[[front]]
address = "{OTHER_FRONT}"
zone = "zone-1"
driver = "bgp"
options = {{ protocol = "front_b", socket = "{bird.socket}" }}
"""
    node.config = node.config.replace(table, "" if left == "no front" else other)
    assert " up " in bird.ask("show protocols front")
    with world.never_routed():
        node.start()
        wait_for(lambda: " down " in bird.ask("show protocols front"), "the front's protocol off")
        if left == "no front":
            wait_for(lambda: "lbmesh_bgp" not in node.place.run("nft", "list", "tables"), "BIRD on its own")
            wait_for(lambda: "Established" in bird.ask("show protocols uplink"), "BIRD's session")
        else:
            node.wait_front(OTHER_FRONT, "held")
            wait_for(lambda: world.next_hops(f"{OTHER_FRONT}/32") == [1], "the other front's route")
    assert FRONT not in node.place.run("ip", "address", "show", "lo")
    assert "withdrew what a former run announced" in node.log_text()


def test_what_a_backup_lacks_is_in_its_status_until_it_is_there(tmp_path: Path) -> None:
    with routed(2, tmp_path) as world, balancers(world, tmp_path) as (_, backup):
        bird = world.birds[1]
        bird.kill()
        wait_for(lambda: "systemctl start bird" in backup.front(FRONT).get("problem", ""), "a word about BIRD")
        assert backup.front(FRONT)["state"] == "idle"
        whole = bird.config
        bird.config = whole.replace("protocol static front_takeover", "protocol static front_renamed")
        bird.start()
        wait_for(lambda: 'no protocol "front_takeover"' in backup.front(FRONT)["problem"], "a word about the protocol")
        bird.kill()
        bird.config = whole
        bird.start()
        wait_for(lambda: backup.front(FRONT)["problem"] == "", "no problem any more")
