"""The whole loop: requests that fail at a replica, the node's figures of them, an ejection, and the way back."""

import signal
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from lbmesh.control.link import ReplicaTelemetry, Telemetry
from tests.support.callers_http import SteadyCaller
from tests.support.forwarders import a_view, running_forwarder
from tests.support.nodes import Node, running_mesh
from tests.support.origins import OriginConnection, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

pytestmark = pytest.mark.alone

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class App:
    """A replica whose probes succeed while `bad` of each hundred of its requests are answered with 500."""

    def __init__(self, bad: int) -> None:
        self.bad = bad
        self.healthy = True
        self.requests = count()
        self.answered = 0
        self._lock = threading.Lock()

    def behave(self, connection: OriginConnection) -> None:
        while head := connection.read_head():
            if head.startswith(b"GET /healthz"):
                connection.answer(status=b"200 OK" if self.healthy else b"503 Ill")
                continue
            with self._lock:
                number = next(self.requests)
                self.answered += 1
            # 37 has no divisor in common with 100: failures come evenly, not in a row.
            failing = number * 37 % 100 < self.bad
            connection.answer(status=b"500 Oh No" if failing else b"200 OK")


@contextmanager
def serving(directory: Path, apps: Sequence[App]) -> Iterator[tuple[Node, list[str]]]:
    """A node alone in front of these, under load, and their addresses."""
    with running_origin(apps[0].behave) as one, running_origin(apps[1].behave) as other:
        addresses = [str(one.address), str(other.address)]
        replicas = [(one.address, "zone-a"), (other.address, "zone-a")]
        with (
            running_mesh(directory, replicas, size=1) as (node,),
            SteadyCaller(node.address),
            SteadyCaller(node.address),
        ):
            yield node, addresses


def replica(node: Node, address: str) -> dict[str, Any]:
    """What the node says of it."""
    found: dict[str, Any]
    (found,) = (one for service in node.state()["services"] for one in service["replicas"] if one["address"] == address)
    return found


def test_a_replica_that_fails_a_third_is_avoided_and_its_sibling_serves(tmp_path: Path) -> None:
    apps = App(30), App(1)
    with serving(tmp_path, apps) as (node, (bad, good)):
        wait_for(lambda: replica(node, bad)["ejected_for_s"] is not None, "the ejection")
        said = replica(node, bad)
        assert said["availability"] == "unknown"
        assert "requests failed in" in said["reason"]
        assert 0 < said["ejected_for_s"] <= 36
        assert replica(node, good)["availability"] == "up"
        wait_for(
            lambda: [one["view"] for one in node.state()["forwarders"]] == [node.state()["node"]["view"]], "the View"
        )
        before = apps[1].answered
        seen = apps[0].answered
        wait_for(lambda: apps[1].answered > before + 200, "the sibling to serve")
        assert apps[0].answered <= seen + 2, "requests under way may still end"


@pytest.mark.parametrize("bad", [1, 100])
def test_replicas_that_fail_alike_both_stay(tmp_path: Path, bad: int) -> None:
    apps = App(bad), App(bad)
    with serving(tmp_path, apps) as (node, addresses):
        seconds = {int(monotonic())}
        while len(seconds) < 9 or min(app.answered for app in apps) < 1000:
            seconds.add(int(monotonic()))
            wait_for(lambda: node.state()["services"], "an answer")
        assert [replica(node, one)["ejected_for_s"] for one in addresses] == [None, None]
        assert not [line for line in node.log_lines("replica") if line.get("change") == "ejected"]


def test_a_replica_that_comes_back_gets_a_share_that_rises(tmp_path: Path) -> None:
    """Over a minute, set by a reload, so that the beginning lasts long enough on a busy machine, too."""
    apps = App(0), App(0)
    with serving(tmp_path, apps) as (node, (back, _)):
        node.change_config("replicas = [", 'slow_start = "60s"\nreplicas = [')
        assert node.process
        node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: (node.state()["reload"] or {}).get("ok"), "the reload")
        assert replica(node, back)["warmth"] == 1.0
        apps[0].healthy = False
        wait_for(lambda: replica(node, back)["availability"] == "down", "its death")
        apps[0].healthy = True
        wait_for(lambda: replica(node, back)["availability"] == "up", "its return")
        first, second = (app.answered for app in apps)
        wait_for(lambda: apps[0].answered + apps[1].answered > first + second + 400, "some hundred requests")
        gained = apps[0].answered - first, apps[1].answered - second
        assert 0.01 < gained[0] / sum(gained) < 0.25
        assert 0.1 <= replica(node, back)["warmth"] < 1.0


def test_what_speaks_against_a_replica(tmp_path: Path) -> None:
    """Server errors of its own do, and clients that gave up on it; statuses about the request do not."""
    statuses = [b"200 OK", b"404 No", b"500 Oh No", b"501 What", b"503 Busy", b"505 Which", b"502 Not Me", b"504 Late"]
    waiting = threading.Event()

    def behave(connection: OriginConnection) -> None:
        for status in statuses:
            connection.read_head()
            connection.answer(status=status)
        connection.read_head()
        waiting.set()
        connection.read_to_end()

    with running_origin(behave) as origin, running_forwarder(tmp_path, a_view([origin.address])) as forwarder:
        client = RawClient(forwarder.connect())
        for status in statuses:
            assert client.exchange(GET).status == int(status[:3])
        client.socket.sendall(GET)
        assert waiting.wait(20)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        figures = wait_for(lambda: ended(forwarder.next_telemetry(), len(statuses) + 1), "the end of all")
        assert (figures.responses_5xx, figures.failures, figures.errors) == (6, 0, 5)


def ended(telemetry: Telemetry, requests: int) -> ReplicaTelemetry | None:
    return next((one for one in telemetry.replicas if (one.requests, one.in_flight) == (requests, 0)), None)
