"""A real forwarder process, with the test in the place of its sentinel and its agent."""

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from lbmesh.control.link import LinkMessage, Telemetry, Viewed, decode_message
from lbmesh.control.processes import AgentLink, Drain, LameDuck, Ready, decode_control, encode_control
from lbmesh.control.view_codec import encode_view
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ProvenancePolicy, ProxyVersion
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.service import Replica
from lbmesh.model.tls import ServiceTls
from lbmesh.model.traffic import Timeouts, TrafficPolicy
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion
from lbmesh.observe.ticks import TickBoard
from tests.support.json_lines import json_lines

WAIT_S = 20.0


def a_view(
    replicas: Sequence[Address],
    *,
    number: int = 1,
    generation: int = 1,
    timeouts: Timeouts = Timeouts(),
    retries: int = 2,
    limits: ForwarderLimits = ForwarderLimits(),
    availability: Availability = Availability.UP,
    provenance: ProvenancePolicy = ProvenancePolicy(),
    listener: ListenerPolicy = ListenerPolicy(),
    proxy_protocol: ProxyVersion | None = None,
    connect: bool = False,
    abort_on_close: bool = False,
    tls: ServiceTls | None = None,
) -> View:
    """A View with one service, "app", for every host and path."""
    return View(
        version=ViewVersion(generation, number),
        node="lb-test",
        zone="zone-a",
        routes=(Route(("*",), ("/",), (WeightedService("app"),)),),
        services=(
            ServiceView(
                "app",
                tuple(ReplicaView(Replica(address, "zone-a"), availability) for address in replicas),
                TrafficPolicy(
                    timeouts=timeouts,
                    retries=retries,
                    proxy_protocol=proxy_protocol,
                    connect=connect,
                    abort_on_close=abort_on_close,
                ),
                tls=tls,
            ),
        ),
        limits=limits,
        listeners=(listener,),
        provenance=provenance,
    )


def merged(before: Telemetry | None, newest: Telemetry) -> Telemetry:
    """The newest figures, with the rows that have not changed since."""
    if before is None:
        return newest
    requests = {(row.service, row.method, row.status, row.reason): row for row in (*before.requests, *newest.requests)}
    replicas = {row.replica: row for row in (*before.replicas, *newest.replicas)}
    services = {row.service: row for row in (*before.services, *newest.services)}
    return structs.replace(
        newest,
        requests=tuple(requests.values()),
        replicas=tuple(replicas.values()),
        services=tuple(services.values()),
    )


class ForwarderProcess:
    """One forwarder under the test's control. `address`: where it serves."""

    def __init__(self, access_log: Path) -> None:
        self.access_log = access_log
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = Address("127.0.0.1", listening.getsockname()[1])
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(WAIT_S)
        board = TickBoard.create()
        descriptors = (theirs.fileno(), board.file_descriptor, listening.fileno())
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "lbmesh",
                "internal-forwarder",
                "--worker",
                "0",
                "--control-fd",
                str(descriptors[0]),
                "--ticks-fd",
                str(descriptors[1]),
                "--listen-fd",
                str(descriptors[2]),
                "--access-log",
                str(access_log),
                "--log-level",
                "info",
            ],
            pass_fds=descriptors,
        )
        theirs.close()
        board.close()
        listening.close()
        self._link: socket.socket | None = None
        self._unread = b""
        self.new_link(1)

    def new_link(self, generation: int) -> None:
        """Be a new agent."""
        if self._link is not None:
            self._link.close()
        self._unread = b""
        self._figures: Telemetry | None = None
        ours, theirs = socket.socketpair()
        ours.settimeout(WAIT_S)
        socket.send_fds(self._control, [encode_control(AgentLink(generation))], [theirs.fileno()])
        theirs.close()
        self._link = ours

    def send_view(self, view: View, *, wait: bool = True) -> None:
        """Publish a View and wait until it is served from."""
        assert self._link is not None
        self._link.sendall(b"".join(encode_view(view)))
        while wait:
            message = self.next_message()
            if isinstance(message, Viewed) and message.version == view.version:
                return

    def send_raw(self, data: bytes) -> None:
        """Write anything on the link."""
        assert self._link is not None
        self._link.sendall(data)

    def close_control(self) -> None:
        """What the sentinel's death looks like."""
        self._control.close()

    def next_message(self) -> LinkMessage | None:
        """The forwarder's next line on the link; None for a line of a View."""
        assert self._link is not None
        while b"\n" not in self._unread:
            data = self._link.recv(65536)
            if not data:
                raise EOFError("the forwarder closed the link")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        message = decode_message(line)
        if isinstance(message, Telemetry):
            self._figures = merged(self._figures, message)
        return message

    def read_link_to_end(self) -> None:
        """Raises EOFError when the forwarder closes the link."""
        while True:
            self.next_message()

    def next_telemetry(self) -> Telemetry:
        """The oldest figures that were not read yet, with the rows of all that came before them on the link; waits when
        there are none.
        """
        while not isinstance(self.next_message(), Telemetry):
            pass
        assert self._figures is not None
        return self._figures

    def latest_telemetry(self) -> Telemetry:
        """The newest figures, with the rows of all that came before them on the link. Waits when there are none."""
        self.next_telemetry()
        while self._has_unread():
            self.next_message()
        assert self._figures is not None
        return self._figures

    def _has_unread(self) -> bool:
        assert self._link is not None
        return b"\n" in self._unread or bool(select.select([self._link], [], [], 0)[0])

    def wait_ready(self) -> None:
        """Until it says that it serves."""
        packet = self._control.recv(65536)
        assert isinstance(decode_control(packet), Ready), packet

    def become_lame_duck(self) -> None:
        """Told that the node leaves."""
        self._control.send(encode_control(LameDuck()))

    def drain(self, timeout_s: float) -> None:
        """Ask it to finish."""
        self._control.send(encode_control(Drain(timeout_s)))

    def connect(self) -> socket.socket:
        """A client's connection to it."""
        connection = socket.create_connection((self.address.host, self.address.port))
        connection.settimeout(WAIT_S)
        return connection

    def log_lines(self) -> list[dict[str, object]]:
        """The access log so far."""
        return json_lines(self.access_log)

    def end(self) -> None:
        """Kill it and reap it."""
        self.process.kill()
        self.process.wait(WAIT_S)
        self._control.close()
        if self._link is not None:
            self._link.close()


@contextmanager
def running_forwarder(directory: Path, view: View | None = None) -> Iterator[ForwarderProcess]:
    """A forwarder that serves from `view`, ended with the block."""
    forwarder = ForwarderProcess(directory / f"access-{os.getpid()}.log")
    try:
        if view is not None:
            forwarder.send_view(view)
            forwarder.wait_ready()
        yield forwarder
    finally:
        forwarder.end()
