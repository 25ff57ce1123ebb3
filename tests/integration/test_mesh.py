"""Three real nodes in three zones: what one sees, all know."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.callers_http import SteadyCaller
from tests.support.nodes import Node, running_mesh
from tests.support.origins import Origin, answering, running_origin
from tests.support.wait import wait_for

ZONES = ("zone-a", "zone-b", "zone-c")


@pytest.fixture
def origins() -> Iterator[list[Origin]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_origin(answering())) for _ in ZONES]


@pytest.fixture
def mesh(tmp_path: Path, origins: list[Origin]) -> Iterator[tuple[Node, ...]]:
    replicas = [(origin.address, zone) for origin, zone in zip(origins, ZONES, strict=True)]
    with running_mesh(tmp_path, replicas) as nodes:
        yield nodes


def test_a_dead_node_is_seen_and_comes_back(mesh: tuple[Node, ...]) -> None:
    first, *others = mesh
    first.signal_all(signal.SIGKILL)
    assert first.process is not None
    first.process.wait(30)
    for node in others:
        node.wait_member(first.name, "down")
    first.start()
    for node in mesh:
        node.wait_all_alive([other.name for other in mesh])


def test_a_frozen_node_condemns_nobody_when_it_thaws(mesh: tuple[Node, ...]) -> None:
    first, *others = mesh
    first.signal_all(signal.SIGSTOP)
    for node in others:
        node.wait_member(first.name, "down")
    pids = {child: first.child_pid(child) for child in ("agent", "forwarder-0")}
    first.signal_all(signal.SIGCONT)
    for node in mesh:
        node.wait_all_alive([other.name for other in mesh])
    assert {child: first.child_pid(child) for child in pids} == pids
    assert not [line for line in first.log_lines("member") if "down" in str(line.get("change"))]


def test_a_node_that_leaves_is_not_mourned(mesh: tuple[Node, ...]) -> None:
    first, *others = mesh
    assert first.end() == 0
    for node in others:
        node.wait_member(first.name, "left")


@pytest.mark.alone
def test_a_dead_replica_is_known_everywhere_and_costs_no_request(mesh: tuple[Node, ...], origins: list[Origin]) -> None:
    with ExitStack() as stack:
        callers = [stack.enter_context(SteadyCaller(node.address)) for node in mesh]
        wait_for(lambda: all(caller.outcomes.total() > 100 for caller in callers), "traffic")
        dead = origins.pop(0)
        dead.close()
        for node in mesh:
            node.wait_availability(dead.address, "down")
    for caller in callers:
        assert set(caller.outcomes) == {"200"}


def test_garbage_on_the_gossip_port_changes_nothing(mesh: tuple[Node, ...]) -> None:
    target = mesh[0].gossip_address
    before = mesh[0].member_states()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for size in (0, 1, 16, 100, 1200, 9000):
            sender.sendto(bytes(range(256)) * (size // 256) + b"\x01" * (size % 256), (target.host, target.port))
    wait_for(lambda: b"lbmesh_gossip_datagrams" in mesh[0].get("/metrics")[1], "gossip counters")
    assert mesh[0].member_states() == before
