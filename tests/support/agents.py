"""A real agent process, with the test in the place of its sentinel and its forwarders."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lbmesh.config.handover import settings_to_memory
from lbmesh.config.load import load_settings
from lbmesh.config.settings import Settings
from lbmesh.control.link import LinkMessage, encode_message
from lbmesh.control.processes import ControlMessage, ForwarderLink, decode_control, encode_control
from lbmesh.control.view_codec import ViewDecoder, encode_view
from lbmesh.model.address import Address
from lbmesh.model.view import View
from lbmesh.observe.ticks import TickBoard

WAIT_S = 20.0
HOST = "127.0.0.1"
NO_STATE_DIR = Path("/nonexistent/lbmesh")
"""An agent whose state directory is not there remembers nothing, and runs."""


def config(
    replicas: Sequence[Address],
    *,
    name: str = "lb-a1",
    zone: str = "zone-a",
    more: str = "",
    state_dir: Path = NO_STATE_DIR,
    health: str = '{ path = "/healthz", interval = "200ms", timeout = "150ms" }',
) -> str:
    """A configuration with one service, "shop", of these replicas. `more`: further tables."""
    lines = ", ".join(f'{{ address = "{address}", zone = "{zone}" }}' for address in replicas)
    return f"""
[node]
name = "{name}"
zone = "{zone}"
state_dir = "{state_dir}"
[forwarder]
workers = 1
[[listener]]
bind = "127.0.0.1:1"
[[service]]
name = "shop"
hosts = ["*"]
paths = ["/"]
health = {health}
replicas = [{lines}]
[admin]
bind = "127.0.0.1:2"
{more}
"""


class TestForwarder:
    """The test's end of one link."""

    __test__ = False

    def __init__(self, stream: socket.socket, worker: int, pid: int) -> None:
        stream.settimeout(WAIT_S)
        self.stream = stream
        self.worker = worker
        self.pid = pid
        self._decoder = ViewDecoder()
        self._unread = b""

    def say(self, *messages: LinkMessage) -> None:
        """Send messages."""
        self.stream.sendall(b"".join(map(encode_message, messages)))

    def send_view(self, view: View) -> None:
        """Send the View one serves from, as a forwarder does upon a new link."""
        self.stream.sendall(b"".join(encode_view(view)))

    def next_view(self) -> View:
        """The next View that the agent sends. Raises EOFError when it closes the link."""
        while True:
            while b"\n" in self._unread:
                line, _, self._unread = self._unread.partition(b"\n")
                if view := self._decoder.feed(line):
                    return view
            data = self.stream.recv(65536)
            if not data:
                raise EOFError("the agent closed the link")
            self._unread += data

    def view_with(self, *availabilities: str) -> View:
        """Views until one has its only service's replicas like this."""
        while True:
            view = self.next_view()
            if tuple(str(one.availability) for one in view.services[0].replicas) == availabilities:
                return view


class AgentProcess:
    """One agent under the test's control. `admin`: where it answers."""

    def __init__(self, directory: Path, text: str, generation: int, udp: socket.socket | None) -> None:
        self.config_file = directory / "lbmesh.toml"
        self.config_file.write_text(text)
        listening = socket.create_server((HOST, 0))
        self.admin = Address(HOST, listening.getsockname()[1])
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(WAIT_S)
        self.board = TickBoard.create()
        self.log_file = directory / f"agent-{generation}.log"
        settings = load_settings(self.config_file)
        assert isinstance(settings, Settings), settings
        settings_fd = settings_to_memory(settings)
        descriptors = [theirs.fileno(), self.board.file_descriptor, listening.fileno(), settings_fd]
        command = [
            *(sys.executable, "-m", "lbmesh", "internal-agent", "-c", str(self.config_file)),
            *("--generation", str(generation), "--boot-epoch", "1"),
            *("--control-fd", str(descriptors[0]), "--ticks-fd", str(descriptors[1])),
            *("--admin-fd", str(descriptors[2]), "--settings-fd", str(settings_fd)),
        ]
        if udp is not None:
            descriptors.append(udp.fileno())
            command += ["--gossip-fd", str(udp.fileno())]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, pass_fds=descriptors, stderr=log)
        theirs.close()
        listening.close()
        os.close(settings_fd)
        self._links: list[socket.socket] = []

    def link(self, worker: int = 0, pid: int = 4711) -> TestForwarder:
        """Be a new forwarder."""
        ours, theirs = socket.socketpair()
        socket.send_fds(self._control, [encode_control(ForwarderLink(worker, pid))], [theirs.fileno()])
        theirs.close()
        self._links.append(ours)
        return TestForwarder(ours, worker, pid)

    def order(self, message: ControlMessage) -> None:
        """Say something as the sentinel."""
        self._control.send(encode_control(message))

    def answer(self) -> ControlMessage:
        """What it says to the sentinel next."""
        return decode_control(self._control.recv(65536))

    def get(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Ask the admin server: status and body."""
        connection = http.client.HTTPConnection(self.admin.host, self.admin.port, timeout=WAIT_S)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def state(self) -> dict[str, Any]:
        """/v1/state."""
        status, text = self.get("/v1/state")
        assert status == 200, text
        found: dict[str, Any] = json.loads(text)
        return found

    def log(self) -> str:
        """What it has logged."""
        return self.log_file.read_text()

    def close_control(self) -> None:
        """What the sentinel's death looks like."""
        self._control.close()

    def end(self) -> None:
        """Kill it and reap it."""
        self.process.kill()
        self.process.wait(WAIT_S)
        self._control.close()
        self.board.close()
        for link in self._links:
            link.close()


@contextmanager
def running_agent(
    directory: Path, text: str, *, generation: int = 1, udp: socket.socket | None = None
) -> Iterator[AgentProcess]:
    """An agent that ends with the block."""
    directory.mkdir(exist_ok=True)
    agent = AgentProcess(directory, text, generation, udp)
    try:
        yield agent
    finally:
        agent.end()


def udp_socket() -> socket.socket:
    """A bound socket for gossip; the kernel chooses the port."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((HOST, 0))
    return bound


def key_file(directory: Path) -> Path:
    """A gossip key that only its owner may read."""
    path = directory / "gossip.key"
    path.write_text("ab" * 32 + "\n")
    os.chmod(path, 0o600)
    return path
