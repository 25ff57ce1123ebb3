"""Whole nodes, as operators run them: reloads, deaths of their parts, leaving."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import h11
import pytest

from lbmesh.agent.limits import NICENESS
from lbmesh.model.address import Address
from tests.support.callers_http import SteadyCaller
from tests.support.nodes import Node, running_mesh
from tests.support.origins import Origin, OriginConnection, answering, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def origins() -> Iterator[tuple[Origin, ...]]:
    with ExitStack() as stack:
        yield tuple(stack.enter_context(running_origin(answering(b"%d" % number))) for number in range(2))


@pytest.fixture
def node(tmp_path: Path, origins: tuple[Origin, ...]) -> Iterator[Node]:
    replicas = [(origin.address, "zone-a") for origin in origins]
    with running_mesh(tmp_path, replicas, size=1, workers=2) as (only,):
        yield only


def enough(caller: SteadyCaller, more: int = 200) -> None:
    """Let the caller make so many more requests."""
    target = caller.outcomes.total() + more
    wait_for(lambda: caller.outcomes.total() >= target, f"{more} more requests")


def test_the_death_of_the_agent_fails_no_request(node: Node) -> None:
    with SteadyCaller(node.address) as caller:
        enough(caller)
        for _ in range(2):
            killed = node.child_pid("agent")
            generation = node.state()["node"]["generation"]
            os.kill(killed, signal.SIGKILL)
            enough(caller)
            wait_for(partial(_follows, node, killed, generation), "another agent and its View")
            node.wait_ready()
        enough(caller)
    assert set(caller.outcomes) == {"200"}
    assert set(node.availability().values()) == {"up"}


def test_requests_come_before_the_agents_work(node: Node) -> None:
    niceness = {name: os.getpriority(os.PRIO_PROCESS, node.child_pid(name)) for name in ("agent", "forwarder-0")}
    assert niceness["agent"] == niceness["forwarder-0"] + NICENESS


def test_the_death_of_a_forwarder_costs_its_own_connections_only(node: Node) -> None:
    clients = [RawClient(_connect(node.address)) for _ in range(40)]
    for client in clients:
        assert client.exchange(GET).status == 200
    wait_for(lambda: sum(node.connections().values()) == len(clients), "telemetry of all connections")
    held = node.connections()
    worker = min(held, key=lambda each: held[each])
    victim = node.child_pid(f"forwarder-{worker}")
    os.kill(victim, signal.SIGKILL)
    survived = 0
    for client in clients:
        try:
            survived += client.exchange(GET).status == 200
        except (OSError, h11.RemoteProtocolError):
            continue
        finally:
            client.close()
    assert survived == len(clients) - held[worker]
    wait_for(lambda: node.child_pid(f"forwarder-{worker}") != victim, "another forwarder")
    with SteadyCaller(node.address) as caller:
        enough(caller)
    assert set(caller.outcomes) == {"200"}


def test_a_reload_loses_no_request(node: Node, origins: tuple[Origin, ...]) -> None:
    assert node.process is not None
    with running_origin(answering(b"new")) as newcomer, SteadyCaller(node.address) as caller:
        enough(caller)
        node.replicas = [(newcomer.address, "zone-a")]
        node.write_config()
        node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: node.availability() == {str(newcomer.address): "up"}, "the new replica")
        enough(caller)
        node.replicas = [(origins[0].address, "zone-a"), (newcomer.address, "zone-b")]
        node.write_config()
        node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(node.availability()) == 2, "the second reload")
        enough(caller)
    assert set(caller.outcomes) == {"200"}


def test_a_broken_configuration_is_refused_and_the_old_one_stands(node: Node) -> None:
    assert node.process is not None
    before = node.availability()
    node.write_config(extra='[[service]]\nname = "broken"\nreplicas = [{ adress = "10.0.0.1:80" }]\n')
    with SteadyCaller(node.address) as caller:
        node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: node.state()["reload"], "the outcome of the reload")
        enough(caller)
    state = node.state()["reload"]
    assert not state["ok"]
    assert any(str(node.config) in error and "address" in error for error in state["errors"])
    assert node.availability() == before
    assert set(caller.outcomes) == {"200"}


def test_a_reload_that_needs_a_restart_is_refused_whole(node: Node) -> None:
    assert node.process is not None
    before = node.availability()
    node.workers = 1
    node.replicas.pop()
    node.write_config()
    node.process.send_signal(signal.SIGHUP)
    wait_for(lambda: node.state()["reload"], "the outcome of the reload")
    state = node.state()["reload"]
    assert not state["ok"]
    assert any("workers" in error and "restart" in error for error in state["errors"])
    assert node.availability() == before


def test_leaving_finishes_what_is_under_way(tmp_path: Path) -> None:
    with running_origin(answering()) as origin, running_mesh(tmp_path, [(origin.address, "zone-a")], size=1) as (node,):
        client = RawClient(_connect(node.address))
        assert client.exchange(GET).status == 200
        assert node.end() == 0
        assert client.at_end()
        client.close()
        assert node.log_lines("child ended")
        assert not [line for line in node.log_lines("child ended") if "killed" in line["ended"]]


def test_a_signal_to_the_whole_group_finishes_what_is_under_way(tmp_path: Path) -> None:
    """As timeout(1), shells and foremen send it: to the node's first process, then to all of its group."""
    asked, may_answer = threading.Event(), threading.Event()

    def slow(connection: OriginConnection) -> None:
        while head := connection.read_head():
            if b"GET /slow" in head:
                asked.set()
                assert may_answer.wait(20.0)
            connection.answer()

    with running_origin(slow) as origin, running_mesh(tmp_path, [(origin.address, "zone-a")], size=1) as (node,):
        client = RawClient(_connect(node.address))
        client.socket.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        assert asked.wait(20.0)
        assert node.process is not None
        node.process.send_signal(signal.SIGTERM)
        node.signal_all(signal.SIGTERM)
        wait_for(lambda: node.log_lines("leaving"), "the start of leaving")
        may_answer.set()
        assert client.response().status == 200
        assert client.at_end()
        client.close()
        assert node.process.wait(30) == 0
        assert {line["ended"] for line in node.log_lines("child ended")} == {"exited with status 0"}


def _follows(node: Node, killed: int, generation: int) -> bool:
    """True once another agent is there and has published."""
    now: int = node.state().get("node", {}).get("generation", 0)
    return node.child_pid("agent") != killed and now > generation


def _connect(address: Address) -> socket.socket:
    connection = socket.create_connection((address.host, address.port))
    connection.settimeout(20.0)
    return connection
