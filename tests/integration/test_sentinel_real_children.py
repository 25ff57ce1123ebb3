"""A whole node, with its real agent and forwarders, through the deaths that the sentinel repairs."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lbmesh.sentinel.decisions import ExitCode
from tests.support.sentinel import group_members, json_lines, kill_group
from tests.support.wait import wait_for

ACTIVATE = str(Path(__file__).parents[1] / "support" / "activate.py")
CONFIGURATION = """\
[node]
zone = "zone-a"
state_dir = "{directory}"
drain_timeout = "5s"
[forwarder]
workers = 2
[[listener]]
bind = "127.0.0.1:{port}"
[[service]]
name = "shop"
hosts = ["*"]
replicas = [{{ address = "127.0.0.1:{origin_port}", zone = "zone-a" }}]
[log]
access = "off"
"""


class Origin(BaseHTTPRequestHandler):
    """A replica that says hello."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Nothing: it is not what is tested."""


class RealNode:
    """A running `lbmesh run`, seen from outside."""

    def __init__(self, process: "subprocess.Popen[bytes]", directory: Path, port: int) -> None:
        self.process = process
        self.port = port
        self.configuration = directory / "lbmesh.toml"
        self._log = directory / "log"

    def log(self, event: str, child: str = "") -> list[dict[str, Any]]:
        lines = json_lines(self._log)
        return [line for line in lines if line["event"] == event and child in ("", line.get("child"))]

    def wait_for_log(self, event: str, child: str = "", count: int = 1) -> list[dict[str, Any]]:
        return wait_for(
            lambda: len(self.log(event, child)) >= count and self.log(event, child),
            f"{count} × {event} {child}",
        )

    def kill(self, child: str) -> None:
        """SIGKILL a child's present process."""
        os.kill(self.log("child started", child)[-1]["pid"], signal.SIGKILL)

    def get(self) -> int:
        """The status of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()


@contextmanager
def origin() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RealNode]:
    """A ready node with two forwarders and one replica. Its listener is passed to it, so the port is its own."""
    with origin() as origin_port, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        configuration = tmp_path / "lbmesh.toml"
        configuration.write_text(CONFIGURATION.format(directory=tmp_path, port=port, origin_port=origin_port))
        program = [sys.executable, "-P", "-m", "lbmesh", "run", "-c", str(configuration)]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, ACTIVATE, str(listener.fileno()), *program],
                stderr=log,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
            try:
                running = RealNode(process, tmp_path, port)
                running.wait_for_log("node ready")
                yield running
            finally:
                kill_group(process.pid)
                process.wait(30)


def test_no_request_fails_while_the_agent_dies_and_comes_back(node: RealNode) -> None:
    statuses = [node.get()]
    for deaths in (1, 2):
        node.kill("agent")
        while len(node.log("child ready", "agent")) <= deaths:
            statuses.append(node.get())
    assert set(statuses) == {200}
    assert [line["generation"] for line in node.log("child started", "agent")] == [1, 2, 3]


def test_a_connection_survives_the_agents_death(node: RealNode) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    kept = connection.sock
    node.kill("agent")
    node.wait_for_log("child ready", "agent", 2)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    assert connection.sock is kept
    connection.close()


def test_a_killed_forwarder_comes_back_and_serves(node: RealNode) -> None:
    node.kill("forwarder-0")
    node.wait_for_log("child ready", "forwarder-0", 2)
    node.kill("forwarder-1")
    node.wait_for_log("child ready", "forwarder-1", 2)
    assert node.get() == 200
    assert len(node.log("child started", "agent")) == 1


def test_a_broken_configuration_is_refused_and_does_not_keep_an_agent_from_coming_back(node: RealNode) -> None:
    good = node.configuration.read_text()
    node.configuration.write_text(good + "nonsense\n")
    node.process.send_signal(signal.SIGHUP)
    (refused,) = node.wait_for_log("reload refused, the old configuration stands")
    assert refused["errors"][0].startswith(f"{node.configuration}:{good.count(chr(10)) + 1}: ")
    node.kill("agent")
    node.wait_for_log("child ready", "agent", 2)
    assert node.get() == 200
    node.configuration.write_text(good)
    node.process.send_signal(signal.SIGHUP)
    node.wait_for_log("reloaded")


def test_nothing_outlives_a_killed_sentinel(node: RealNode) -> None:
    assert len(group_members(node.process.pid)) == 4
    node.process.kill()
    node.process.wait(30)
    wait_for(lambda: not group_members(node.process.pid), "end of the children")


def test_a_drained_node_ends_clean(node: RealNode) -> None:
    assert node.get() == 200
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(30) == ExitCode.DRAINED
    assert node.log("killing child") == []
    assert group_members(node.process.pid) == []
