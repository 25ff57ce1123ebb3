"""The fast heartbeat between three real nodes: who is gone, who is not, and who is back."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lbmesh.failover.datagram import DATAGRAM_BYTES
from tests.support.nodes import Node, running_mesh
from tests.support.origins import answering, running_origin
from tests.support.wait import wait_for

pytestmark = pytest.mark.alone


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[tuple[Node, ...]]:
    with ExitStack() as stack:
        origin = stack.enter_context(running_origin(answering()))
        nodes = stack.enter_context(running_mesh(tmp_path, [(origin.address, "zone-a")]))
        for node in nodes:
            wait_for(lambda node=node: hears_all(node, 2), f"heartbeats at {node.name}")  # type: ignore[misc]
        yield nodes


def heartbeat(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = node.state().get("heartbeat", {})
    return found


def hears_all(node: Node, partners: int) -> bool:
    state = heartbeat(node)
    return len(state.get("partners", ())) == partners and state["counters"].get("datagrams_in", 0) > 100


def gone(node: Node, name: str) -> Any:
    """Why this node takes another for gone; None when it does not."""
    return next((one["gone"] for one in node.state().get("members", ()) if one["name"] == name), None)


def words(node: Node, event: str) -> list[dict[str, Any]]:
    return node.log_lines(f"a partner is {event}")


def test_a_killed_node_is_gone_at_both_others_and_back_when_it_returns(mesh: tuple[Node, ...]) -> None:
    first, *others = mesh
    first.signal_all(signal.SIGKILL)
    assert first.process is not None
    first.process.wait(30)
    for node in others:
        ((line),) = wait_for(lambda node=node: words(node, "gone"), f"gone at {node.name}")  # type: ignore[misc]
        assert line["partner"] == first.name
        assert line["reason"] == "2 of 2 live backups heard nothing for 0.1 s"
        node.wait_member(first.name, "down")
    first.start()
    for node in others:
        node.wait_all_alive([each.name for each in mesh])
        wait_for(lambda node=node: len(heartbeat(node)["partners"]) == 2, "partners again")  # type: ignore[misc]
        assert gone(node, first.name) is None
    wait_for(lambda: hears_all(first, 2), "heartbeats at the restarted node")
    assert not words(first, "gone")


def test_a_frozen_node_is_gone_then_back_and_takes_nobody_for_gone(mesh: tuple[Node, ...]) -> None:
    first, *others = mesh
    first.signal_all(signal.SIGSTOP)
    for node in others:
        wait_for(lambda node=node: words(node, "gone"), f"gone at {node.name}")  # type: ignore[misc]
    first.signal_all(signal.SIGCONT)
    for node in others:
        wait_for(lambda node=node: words(node, "back"), f"back at {node.name}")  # type: ignore[misc]
        wait_for(lambda node=node: gone(node, first.name) is None, "no mark left")  # type: ignore[misc]
    assert not words(first, "gone")


def test_frozen_forwarders_make_a_node_gone(mesh: tuple[Node, ...]) -> None:
    first, *others = mesh
    os.kill(first.child_pid("forwarder-0"), signal.SIGSTOP)
    for node in others:
        wait_for(lambda node=node: words(node, "gone"), f"gone at {node.name}")  # type: ignore[misc]
        assert words(node, "gone")[0]["partner"] == first.name
        assert words(node, "gone")[0]["reason"] == "it says that its forwarders hang: 1 of 1"
    os.kill(first.child_pid("forwarder-0"), signal.SIGCONT)
    for node in others:
        wait_for(lambda node=node: words(node, "back"), f"back at {node.name}")  # type: ignore[misc]


def test_a_frozen_agent_makes_no_node_gone_though_gossip_mourns_it(mesh: tuple[Node, ...]) -> None:
    first, *others = mesh
    agent = first.child_pid("agent")
    os.kill(agent, signal.SIGSTOP)
    for node in others:
        node.wait_member(first.name, "down")
    os.kill(agent, signal.SIGCONT)
    for node in mesh:
        node.wait_all_alive([each.name for each in mesh])
        assert not words(node, "gone")


def test_a_new_agent_changes_nothing_and_knows_who_is_gone(mesh: tuple[Node, ...]) -> None:
    first, second, third = mesh
    os.kill(second.child_pid("agent"), signal.SIGKILL)
    wait_for(lambda: second.state().get("node", {}).get("generation") == 2, "another agent")
    wait_for(lambda: len(heartbeat(second).get("partners", ())) == 2, "its table")
    assert not words(first, "gone") + words(third, "gone")
    os.kill(first.child_pid("forwarder-0"), signal.SIGSTOP)
    wait_for(lambda: gone(second, first.name), "gone at the one with a new agent")
    assert "forwarders hang" in gone(second, first.name)["reason"]
    os.kill(first.child_pid("forwarder-0"), signal.SIGCONT)


def test_garbage_at_the_heartbeats_port_changes_nothing_and_is_counted(mesh: tuple[Node, ...]) -> None:
    first = mesh[0]
    before = heartbeat(first)["partners"]
    host, port = first.log_lines("node starts")[0]["heartbeat"].removeprefix("udp ").split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for size in (0, 1, DATAGRAM_BYTES - 1, DATAGRAM_BYTES, DATAGRAM_BYTES + 1, 9000):
            for _ in range(40):
                sender.sendto(bytes([1]) * size, (host, int(port)))
    wait_for(lambda: heartbeat(first)["counters"].get("rejected_unknown_session", 0) >= 40, "counters")
    counters = heartbeat(first)["counters"]
    assert counters["rejected_length"] >= 5 * 40
    assert heartbeat(first)["partners"] == before
    wait_for(lambda: first.log_lines("datagrams at the heartbeat's port changed nothing"), "one line in the log")
    assert len(first.log_lines("datagrams at the heartbeat's port changed nothing")) == 1
    assert b"lbmesh_heartbeats_rejected_total" in first.get("/metrics")[1]
    for node in mesh:
        assert not words(node, "gone")
