"""Requests that wait for a replica when the View says that it is down: moved where that is safe, else left in peace."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lbmesh.model.health import Availability
from lbmesh.model.view import View, ViewVersion
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.gates import Gate
from tests.support.origins import WAIT_S, Origin, OriginConnection, running_origin, silent_address
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def only(view: View, number: int, up: int) -> View:
    """The View after one in which only one of the replicas is not down."""
    replicas = tuple(
        replace(one, availability=Availability.UP if index == up else Availability.DOWN)
        for index, one in enumerate(view.services[0].replicas)
    )
    return replace(view, version=ViewVersion(1, number), services=(replace(view.services[0], replicas=replicas),))


def ask(stack: ExitStack, forwarder: ForwarderProcess, request: bytes) -> RawClient:
    client = RawClient(stack.enter_context(forwarder.connect()))
    client.socket.sendall(request)
    return client


def arrived(gate: Gate, count: int) -> None:
    wait_for(lambda: len(gate.heads) >= count, f"{count} requests at the origin")


def two(stack: ExitStack, hung: Gate, sound: Gate) -> list[Origin]:
    sound.open_for_all()
    return [stack.enter_context(running_origin(gate)) for gate in (hung, sound)]


@pytest.mark.parametrize("count", [1, 40])
def test_requests_at_a_replica_that_went_down_are_moved(forwarder: ForwarderProcess, count: int) -> None:
    hung, sound = Gate(b"hung"), Gate(b"sound")
    with ExitStack() as stack:
        both = a_view([origin.address for origin in two(stack, hung, sound)])
        stack.callback(hung.open_for_all)
        forwarder.send_view(only(both, 1, up=0))
        clients = [ask(stack, forwarder, b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n) for n in range(count)]
        arrived(hung, count)
        forwarder.send_view(only(both, 2, up=1))
        assert [client.response().body for client in clients] == [b"sound"] * count
        lines = wait_for(lambda: lines if len(lines := forwarder.log_lines()) == count else None, "the log")
        assert {(line["status"], line["reason"], line["attempts"]) for line in lines} == {(200, "", 2)}
        wait_for(lambda: forwarder.latest_telemetry().services[0].moved == count, "the count")
        assert not any(replica.failures for replica in forwarder.latest_telemetry().replicas)


def test_what_must_not_be_repeated_stays(forwarder: ForwarderProcess) -> None:
    hung, sound = Gate(b"hung"), Gate(b"sound")
    with ExitStack() as stack:
        both = a_view([origin.address for origin in two(stack, hung, sound)])
        stack.callback(hung.open_for_all)
        forwarder.send_view(only(both, 1, up=0))
        posted = ask(stack, forwarder, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        arrived(hung, 1)
        forwarder.send_view(only(both, 2, up=1))
        hung.open()
        assert posted.response().body == b"hung"
        assert sound.heads == []


def test_what_was_not_sent_yet_is_moved_whatever_it_is(forwarder: ForwarderProcess) -> None:
    sound = Gate(b"sound")
    sound.open_for_all()
    with ExitStack() as stack:
        silent, origin = stack.enter_context(silent_address()), stack.enter_context(running_origin(sound))
        both = a_view([silent, origin.address])
        view = only(both, 1, up=0)
        traffic = replace(
            view.services[0].traffic, timeouts=replace(view.services[0].traffic.timeouts, connect_s=WAIT_S)
        )
        forwarder.send_view(replace(view, services=(replace(view.services[0], traffic=traffic),)))
        posted = ask(stack, forwarder, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        wait_for(lambda: any(each.in_flight for each in forwarder.latest_telemetry().replicas), "the attempt")
        forwarder.send_view(only(both, 2, up=1))
        assert posted.response().body == b"sound"


def test_an_answer_under_way_goes_on(forwarder: ForwarderProcess) -> None:
    go_on = threading.Event()

    def half(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
        assert go_on.wait(WAIT_S)
        connection.send(b"half")

    sound = Gate(b"sound")
    with ExitStack() as stack:
        origins = [stack.enter_context(running_origin(behaviour)) for behaviour in (half, sound)]
        both = a_view([origin.address for origin in origins])
        forwarder.send_view(only(both, 1, up=0))
        client = ask(stack, forwarder, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.socket.recv(1)
        forwarder.send_view(only(both, 2, up=1))
        go_on.set()
        received = b""
        while not received.endswith(b"halfhalf"):
            received += client.socket.recv(4096)
        assert sound.heads == []


def test_without_another_replica_the_request_waits_on(forwarder: ForwarderProcess) -> None:
    hung = Gate(b"late")
    with ExitStack() as stack:
        view = a_view([stack.enter_context(running_origin(hung)).address])
        forwarder.send_view(view)
        client = ask(stack, forwarder, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        arrived(hung, 1)
        forwarder.send_view(only(view, 2, up=9))
        hung.open()
        assert client.response().body == b"late"
