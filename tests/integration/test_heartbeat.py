"""The fast heartbeat between three real nodes: who is gone, who is not, and who is back."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lbmesh.failover.datagram import DATAGRAM_BYTES
from tests.support.nodes import Node, running_mesh
from tests.support.origins import answering, running_origin
from tests.support.wait import wait_for

pytestmark = pytest.mark.alone


class Mesh:
    """Three nodes that hear each other and take nobody for gone. What they said until then does not count."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        names = [node.name for node in nodes]
        for node in nodes:
            node.wait_all_alive(names)
            wait_for(lambda node=node: hears_all(node, 2), f"heartbeats at {node.name}")  # type: ignore[misc]
            wait_for(lambda node=node: not any(gone(node, one) for one in names), "nobody gone")  # type: ignore[misc]
        self.nodes = nodes
        self._before = {(node.name, event): len(all_words(node, event)) for node in nodes for event in ("gone", "back")}

    def words(self, node: Node, event: str) -> list[dict[str, Any]]:
        """What this node has said since of somebody who is "gone" or "back"."""
        return all_words(node, event)[self._before[node.name, event] :]


@contextmanager
def three_nodes(directory: Path) -> Iterator[tuple[Node, ...]]:
    with running_origin(answering()) as origin, running_mesh(directory, [(origin.address, "zone-a")]) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, ...]]:
    with three_nodes(tmp_path_factory.mktemp("mesh")) as running:
        yield running


@pytest.fixture
def mesh(nodes: tuple[Node, ...]) -> Mesh:
    """The same nodes for test after test, which ends whatever it does to them."""
    return Mesh(nodes)


def heartbeat(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = node.state().get("heartbeat", {})
    return found


def hears_all(node: Node, partners: int) -> bool:
    state = heartbeat(node)
    return len(state.get("partners", ())) == partners and state["counters"].get("datagrams_in", 0) > 100


def gone(node: Node, name: str) -> Any:
    """Why this node takes another for gone; None when it does not."""
    return next((one["gone"] for one in node.state().get("members", ()) if one["name"] == name), None)


def all_words(node: Node, event: str) -> list[dict[str, Any]]:
    return node.log_lines(f"a partner is {event}")


def test_a_killed_node_is_gone_at_both_others_and_back_when_it_returns(mesh: Mesh) -> None:
    first, *others = mesh.nodes
    first.signal_all(signal.SIGKILL)
    assert first.process is not None
    first.process.wait(30)
    for node in others:
        ((line),) = wait_for(lambda node=node: mesh.words(node, "gone"), f"gone at {node.name}")  # type: ignore[misc]
        assert line["partner"] == first.name
        assert line["reason"] == "2 of 2 live backups heard nothing for 0.1 s"
        node.wait_member(first.name, "down")
    first.start()
    for node in others:
        node.wait_all_alive([each.name for each in mesh.nodes])
        wait_for(lambda node=node: len(heartbeat(node)["partners"]) == 2, "partners again")  # type: ignore[misc]
        assert gone(node, first.name) is None
    wait_for(lambda: hears_all(first, 2), "heartbeats at the restarted node")
    assert not mesh.words(first, "gone")


def test_a_frozen_node_is_gone_then_back_and_takes_nobody_for_gone(mesh: Mesh) -> None:
    first, *others = mesh.nodes
    first.signal_all(signal.SIGSTOP)
    for node in others:
        wait_for(lambda node=node: mesh.words(node, "gone"), f"gone at {node.name}")  # type: ignore[misc]
    first.signal_all(signal.SIGCONT)
    for node in others:
        wait_for(lambda node=node: mesh.words(node, "back"), f"back at {node.name}")  # type: ignore[misc]
        wait_for(lambda node=node: gone(node, first.name) is None, "no mark left")  # type: ignore[misc]
    assert not mesh.words(first, "gone")


def test_frozen_forwarders_make_a_node_gone(mesh: Mesh) -> None:
    first, *others = mesh.nodes
    os.kill(first.child_pid("forwarder-0"), signal.SIGSTOP)
    for node in others:
        wait_for(lambda node=node: mesh.words(node, "gone"), f"gone at {node.name}")  # type: ignore[misc]
        assert mesh.words(node, "gone")[0]["partner"] == first.name
        assert mesh.words(node, "gone")[0]["reason"] == "it says that its forwarders hang: 1 of 1"
    os.kill(first.child_pid("forwarder-0"), signal.SIGCONT)
    for node in others:
        wait_for(lambda node=node: mesh.words(node, "back"), f"back at {node.name}")  # type: ignore[misc]


def test_a_frozen_agent_makes_no_node_gone_though_gossip_mourns_it(mesh: Mesh) -> None:
    first, *others = mesh.nodes
    agent = first.child_pid("agent")
    os.kill(agent, signal.SIGSTOP)
    for node in others:
        node.wait_member(first.name, "down")
    os.kill(agent, signal.SIGCONT)
    for node in mesh.nodes:
        node.wait_all_alive([each.name for each in mesh.nodes])
        assert not mesh.words(node, "gone")


def test_a_new_agent_changes_nothing_and_knows_who_is_gone(mesh: Mesh) -> None:
    first, second, third = mesh.nodes
    generation = second.state()["node"]["generation"]
    os.kill(second.child_pid("agent"), signal.SIGKILL)
    wait_for(lambda: second.state().get("node", {}).get("generation") == generation + 1, "another agent")
    wait_for(lambda: len(heartbeat(second).get("partners", ())) == 2, "its table")
    assert not mesh.words(first, "gone") + mesh.words(third, "gone")
    os.kill(first.child_pid("forwarder-0"), signal.SIGSTOP)
    wait_for(lambda: gone(second, first.name), "gone at the one with a new agent")
    assert "forwarders hang" in gone(second, first.name)["reason"]
    os.kill(first.child_pid("forwarder-0"), signal.SIGCONT)


def test_garbage_at_the_heartbeats_port_changes_nothing_and_is_counted(tmp_path: Path) -> None:
    """At a mesh of its own: of lines about garbage there is one a minute."""
    sizes = (0, 1, DATAGRAM_BYTES - 1, DATAGRAM_BYTES, DATAGRAM_BYTES + 1, 9000)
    with three_nodes(tmp_path) as nodes, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        mesh, first = Mesh(nodes), nodes[0]
        before = heartbeat(first)["partners"]
        host, port = first.log_lines("node starts")[0]["heartbeat"].removeprefix("udp ").split(":")

        for size in sizes:
            for _ in range(40):
                sender.sendto(bytes([1]) * size, (host, int(port)))

        def is_counted() -> bool:
            """One size in six is right."""
            counters = heartbeat(first)["counters"]
            wanted = {"rejected_unknown_session": 40, "rejected_length": 5 * 40}
            return all(counters.get(name, 0) >= count for name, count in wanted.items())

        wait_for(is_counted, "counters")
        assert heartbeat(first)["partners"] == before
        wait_for(lambda: first.log_lines("datagrams at the heartbeat's port changed nothing"), "one line in the log")
        assert len(first.log_lines("datagrams at the heartbeat's port changed nothing")) == 1
        assert b"lbmesh_heartbeats_rejected_total" in first.get("/metrics")[1]
        for node in nodes:
            assert not mesh.words(node, "gone")
