"""A whole node, with its real agent and forwarders, through the deaths that the sentinel repairs."""

import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lbmesh.sentinel.decisions import ExitCode
from tests.support.nodes import Node, running_mesh
from tests.support.origins import answering, running_origin
from tests.support.sentinel import group_members
from tests.support.wait import wait_for


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A ready node with two forwarders and one replica."""
    with (
        running_origin(answering(b"hello")) as origin,
        running_mesh(tmp_path, [(origin.address, "zone-a")], size=1, workers=2) as (only,),
    ):
        yield only


def lines(node: Node, event: str, child: str) -> list[dict[str, Any]]:
    return [line for line in node.log_lines(event) if line["child"] == child]


def wait_for_child(node: Node, child: str, count: int) -> None:
    """Until it was ready so many times."""
    wait_for(lambda: len(lines(node, "child ready", child)) >= count, f"{child} ready {count} times")


def kill(node: Node, child: str) -> None:
    os.kill(node.child_pid(child), signal.SIGKILL)


def connect(node: Node) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(node.address.host, node.address.port, timeout=30)


def get(node: Node) -> int:
    """The status of one request on a connection of its own."""
    connection = connect(node)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def test_no_request_fails_while_the_agent_dies_and_comes_back(node: Node) -> None:
    statuses = [get(node)]
    for deaths in (1, 2):
        kill(node, "agent")
        while len(lines(node, "child ready", "agent")) <= deaths:
            statuses.append(get(node))
    assert set(statuses) == {200}
    assert [line["generation"] for line in lines(node, "child started", "agent")] == [1, 2, 3]


def test_a_connection_survives_the_agents_death(node: Node) -> None:
    connection = connect(node)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    kept = connection.sock
    kill(node, "agent")
    wait_for_child(node, "agent", 2)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    assert connection.sock is kept
    connection.close()


def test_a_killed_forwarder_comes_back_and_serves(node: Node) -> None:
    for child in ("forwarder-0", "forwarder-1"):
        kill(node, child)
        wait_for_child(node, child, 2)
    assert get(node) == 200
    assert len(lines(node, "child started", "agent")) == 1


def test_a_broken_configuration_is_refused_and_does_not_keep_an_agent_from_coming_back(node: Node) -> None:
    assert node.process is not None
    good = node.config.read_text()
    node.config.write_text(good + "nonsense\n")
    node.process.send_signal(signal.SIGHUP)
    (refused,) = wait_for(lambda: node.log_lines("reload refused, the old configuration stands"), "the refusal")
    assert refused["errors"][0].startswith(f"{node.config}:{good.count(chr(10)) + 1}: ")
    kill(node, "agent")
    wait_for_child(node, "agent", 2)
    assert get(node) == 200
    node.config.write_text(good)
    node.reload()


def test_nothing_outlives_a_killed_sentinel(node: Node) -> None:
    assert node.process is not None
    sentinel = node.process
    assert len(group_members(sentinel.pid)) == 4
    sentinel.kill()
    sentinel.wait(30)
    wait_for(lambda: not group_members(sentinel.pid), "end of the children")


def test_a_drained_node_ends_clean(node: Node) -> None:
    assert node.process is not None
    assert get(node) == 200
    assert node.end() == ExitCode.DRAINED
    assert node.log_lines("killing child") == []
    assert group_members(node.process.pid) == []
