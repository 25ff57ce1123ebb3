"""A real sentinel and real child processes, which only speak the protocol."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbmesh.sentinel.decisions import ExitCode
from lbmesh.sentinel.limits import HUNG_S, START_FAILURES_MAX
from tests.support.sentinel import FakeNode, fake_node, group_members
from tests.support.wait import wait_for


@pytest.fixture
def node(tmp_path: Path) -> Iterator[FakeNode]:
    """A ready node with two forwarders."""
    with fake_node(tmp_path, workers=2) as running:
        running.wait_for_log("node ready")
        yield running


def answering_pid(port: int) -> int:
    """Which forwarder takes a connection now."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        return int(connection.makefile().read())


def test_a_killed_agent_is_reaped_before_the_next_generation_starts_and_is_linked_anew(node: FakeNode) -> None:
    (first,) = node.journal("agent", "started")
    os.kill(first["pid"], signal.SIGKILL)
    second = node.wait_for_journal("agent", "started", 2)[1]
    assert (first["options"]["generation"], second["options"]["generation"]) == (1, 2)
    assert first["options"]["boot_epoch"] == second["options"]["boot_epoch"]
    relinked = node.wait_for_journal("forwarder", "linked", 4)[2:]
    assert {line["generation"] for line in relinked} == {2}
    assert {line["greeting"] for line in relinked} == {f"agent {second['pid']} to {worker}" for worker in (0, 1)}
    events = [(line["event"], line.get("pid")) for line in node.log() if line.get("child") == "agent"]
    assert events.index(("child ended", first["pid"])) < events.index(("child started", second["pid"]))
    assert len(node.journal("forwarder", "started")) == 2


def test_a_killed_forwarder_is_replaced_on_the_same_listener(tmp_path: Path) -> None:
    with fake_node(tmp_path) as node:
        node.wait_for_log("node ready")
        port = node.listener_port()
        before = answering_pid(port)
        os.kill(before, signal.SIGKILL)
        # The socket stays open in the sentinel: a connection made meanwhile waits for the new forwarder.
        after = answering_pid(port)
        assert after != before
        linked = node.wait_for_journal("agent", "linked", 2)
        assert [line["forwarder_pid"] for line in linked] == [before, after]
        assert len(node.journal("agent", "started")) == 1


def test_no_child_outlives_a_killed_sentinel(node: FakeNode) -> None:
    assert len(group_members(node.process.pid)) == 4
    node.process.kill()
    node.process.wait(30)
    wait_for(lambda: not group_members(node.process.pid), "end of the children")


def test_a_term_signal_leaves_then_drains_then_ends_the_agent(node: FakeNode) -> None:
    node.wait_for_notification("READY=1")
    assert node.end() == ExitCode.DRAINED
    told = [line for line in node.journal() if line["event"] not in ("started", "settings", "linked")]
    for pid in {line["pid"] for line in told if line["role"] == "forwarder"}:
        assert [line["event"] for line in told if line["pid"] == pid] == ["lame duck", "drain"]
    assert [line["event"] for line in told if line["role"] == "agent"] == ["leave", "channel closed"]
    assert [line["event"] for line in told if line["event"] in ("leave", "drain", "channel closed")] == [
        "leave",
        "drain",
        "drain",
        "channel closed",
    ]
    assert {line["timeout_s"] for line in node.journal("forwarder", "drain")} == {5.0}
    assert "STOPPING=1" in node.notifications()
    assert node.log("killing child") == []
    assert group_members(node.process.pid) == []


def test_a_forwarder_that_does_not_drain_is_killed_and_the_exit_code_says_so(tmp_path: Path) -> None:
    with fake_node(tmp_path, drain_timeout_s=0.2, environment={"FAKE_DEAF": "drain"}) as node:
        node.wait_for_log("node ready")
        assert node.end() == ExitCode.NOT_DRAINED
        assert [line["reason"] for line in node.log("killing child")] == ["did not drain in time"]
        assert node.journal("agent", "channel closed")


def test_a_second_signal_ends_the_node_at_once(tmp_path: Path) -> None:
    with fake_node(tmp_path, drain_timeout_s=600.0, environment={"FAKE_DEAF": "drain"}) as node:
        node.wait_for_log("node ready")
        node.process.send_signal(signal.SIGTERM)
        node.wait_for_journal("forwarder", "deaf")
        assert node.end(signal.SIGINT) == 128 + signal.SIGINT
        assert group_members(node.process.pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_drains_as_well(node: FakeNode, number: signal.Signals) -> None:
    os.killpg(node.process.pid, number)
    assert node.process.wait(30) == ExitCode.DRAINED
    assert len(node.journal("forwarder", "drain")) == 2


def test_a_listener_is_closed_once_the_node_drains(tmp_path: Path) -> None:
    with fake_node(tmp_path) as node:
        node.wait_for_log("node ready")
        port = node.listener_port()
        assert node.end() == ExitCode.DRAINED
        with pytest.raises(ConnectionRefusedError):
            answering_pid(port)


def test_a_hung_child_is_killed_and_replaced(node: FakeNode) -> None:
    hung = node.journal("forwarder", "started")[0]["pid"]
    os.kill(hung, signal.SIGSTOP)
    (killed,) = node.wait_for_log("killing child")
    assert (killed["pid"], killed["reason"]) == (hung, "hangs")
    node.wait_for_journal("forwarder", "started", 3)
    assert len(node.journal("agent", "started")) == 1


def test_a_stopped_and_continued_node_loses_no_child(node: FakeNode) -> None:
    before = sorted(group_members(node.process.pid))
    os.killpg(node.process.pid, signal.SIGSTOP)
    time.sleep(HUNG_S + 0.5)
    os.killpg(node.process.pid, signal.SIGCONT)
    node.wait_for_log("the sentinel stood still")
    assert node.log("killing child") == []
    # The grace is over and the ticks are judged again when a child that hangs now is killed.
    agent = node.journal("agent", "started")[0]["pid"]
    os.kill(agent, signal.SIGSTOP)
    (killed,) = node.wait_for_log("killing child")
    assert killed["pid"] == agent
    assert set(before) - {agent} <= set(group_members(node.process.pid))


def test_a_child_that_dies_at_once_ends_the_start_with_a_clear_message(tmp_path: Path) -> None:
    with fake_node(tmp_path, environment={"FAKE_EXITS": "agent"}) as node:
        assert node.process.wait(30) == ExitCode.CHILD_CANNOT_START
        (line,) = node.log("giving up: a child cannot start")
        assert (line["child"], line["ended"]) == ("agent", "exited with status 7")
        assert "installation" in line["hint"]
        ended = [line for line in node.log("child ended") if line["child"] == "agent"]
        assert len(ended) == START_FAILURES_MAX
        assert group_members(node.process.pid) == []


def test_a_hangup_signal_reloads(node: FakeNode) -> None:
    node.wait_for_notification("READY=1")
    node.process.send_signal(signal.SIGHUP)
    node.wait_for_log("reloaded")
    notified = [line.partition("=")[0] for line in node.notifications() if not line.startswith("STATUS=")]
    assert notified == ["READY", "RELOADING", "MONOTONIC_USEC", "READY"]


def test_an_agent_starts_from_the_settings_in_force_not_from_the_file(tmp_path: Path) -> None:
    with fake_node(tmp_path, environment={"FAKE_RELOADED_ZONE": "zone-b"}) as node:
        node.wait_for_log("node ready")
        for kills in (1, 2):
            os.kill(node.journal("agent", "started")[-1]["pid"], signal.SIGKILL)
            node.wait_for_journal("agent", "settings", kills + 1)
            if kills == 1:
                node.wait_for_log("child ready", 3)
                node.process.send_signal(signal.SIGHUP)
                node.wait_for_log("reloaded")
        assert [line["zone"] for line in node.journal("agent", "settings")] == ["zone-a", "zone-a", "zone-b"]


def test_the_watchdog_is_fed(tmp_path: Path) -> None:
    with fake_node(tmp_path, environment={"WATCHDOG_USEC": "400000"}) as node:
        wait_for(lambda: node.notifications().count("WATCHDOG=1") >= 3, "three feedings")


def test_children_are_not_told_what_the_service_manager_told_the_sentinel(tmp_path: Path) -> None:
    with fake_node(tmp_path, environment={"WATCHDOG_USEC": "400000"}) as node:
        (agent,) = node.wait_for_journal("agent", "started")
        assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(agent["environment"])


def test_the_service_manager_may_pass_the_listeners(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed, socket.create_server(("127.0.0.1", 0)) as stranger:
        port = passed.getsockname()[1]
        stranger_port = stranger.getsockname()[1]
        listeners = (f"127.0.0.1:{port}",)
        with fake_node(tmp_path, listeners=listeners, inherited=(stranger, passed)) as node:
            node.wait_for_log("node ready")
            (warning,) = node.log("closed an inherited socket that no listener, admin, gossip or DNS address matches")
            assert warning["address"] == f"tcp 127.0.0.1:{stranger_port}"
            assert answering_pid(port) == node.journal("forwarder", "started")[0]["pid"]


def test_each_start_counts_up_the_boot_epoch(tmp_path: Path) -> None:
    for boot in (1, 2):
        with fake_node(tmp_path) as node:
            agent = node.wait_for_journal("agent", "started", boot)[-1]
            assert agent["options"]["boot_epoch"] == boot


def test_an_occupied_port_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        with fake_node(tmp_path, listeners=(f"127.0.0.1:{port}",)) as node:
            assert node.process.wait(30) == ExitCode.CANNOT_START
            (line,) = node.log("cannot start")
            assert line["problem"].startswith(f"listener 127.0.0.1:{port}: the port is in use")
