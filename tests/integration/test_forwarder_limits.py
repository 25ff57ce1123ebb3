"""A service's limits in a real forwarder: who goes on, who waits, who is turned away, and that no place is lost."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lbmesh.forward.concurrency import FIRST_LIMIT, SAMPLES_MIN
from lbmesh.model.address import Address
from lbmesh.model.restraint import AdaptiveConcurrency, ServiceLimits
from lbmesh.model.traffic import Timeouts, TrafficPolicy
from lbmesh.model.view import View
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.gates import Gate, with_traffic
from tests.support.origins import Origin, running_origin, silent_address
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

LONG_S = 20.0


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


def limited(origins: list[Origin], limits: ServiceLimits, *, number: int = 1) -> View:
    return with_traffic(a_view([origin.address for origin in origins], number=number), TrafficPolicy(limits=limits))


def ask(
    stack: ExitStack, forwarder: ForwarderProcess, path: bytes, method: bytes = b"GET", fields: bytes = b""
) -> RawClient:
    """A new connection that has sent one request."""
    client = RawClient(stack.enter_context(forwarder.connect()))
    client.socket.sendall(b"%b %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (method, path, fields))
    return client


def asked(gate: Gate, count: int) -> list[bytes]:
    """The paths of the requests that reached the origin, once there are so many."""
    wait_for(lambda: len(gate.heads) >= count, f"{count} requests at the origin")
    return [head.split(b" ")[1] for head in gate.heads]


def pending(forwarder: ForwarderProcess, count: int) -> None:
    """Until so many requests wait in the forwarder."""
    wait_for(
        lambda: [each.pending for each in forwarder.latest_telemetry().services] == [count], f"{count} requests waiting"
    )


def test_requests_beyond_the_limit_wait_for_a_place(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    with running_origin(gate) as origin, ExitStack() as stack:
        forwarder.send_view(limited([origin], ServiceLimits(active=2, pending_timeout_s=LONG_S)))
        clients = [ask(stack, forwarder, b"/%d" % number) for number in range(5)]
        asked(gate, 2)
        pending(forwarder, 3)
        assert len(asked(gate, 2)) == 2
        gate.open_for_all()
        assert [client.response().status for client in clients] == [200] * 5
        assert origin.connections <= 2
        pending(forwarder, 0)
        assert forwarder.latest_telemetry().services[0].active == 0


def test_the_log_says_which_service_had_no_place(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    with running_origin(gate) as origin, ExitStack() as stack:
        forwarder.send_view(limited([origin], ServiceLimits(active=1, pending=0)))
        first = ask(stack, forwarder, b"/first")
        asked(gate, 1)
        assert ask(stack, forwarder, b"/second").response().status == 503
        gate.open_for_all()
        assert first.response().status == 200
        refused = wait_for(lambda: [line for line in forwarder.log_lines() if line["reason"]], "its line")
    assert [(line["reason"], line["service"], "replica" in line) for line in refused] == [("queue_full", "app", False)]


def test_a_place_that_is_freed_goes_to_who_waits(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    with running_origin(gate) as origin, ExitStack() as stack:
        forwarder.send_view(limited([origin], ServiceLimits(active=1, pending_timeout_s=LONG_S)))
        first = ask(stack, forwarder, b"/first")
        asked(gate, 1)
        waiting = ask(stack, forwarder, b"/waiting")
        pending(forwarder, 1)
        first.socket.sendall(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
        gate.open()
        assert asked(gate, 2)[1] == b"/waiting"
        gate.open_for_all()
        assert [one.response().status for one in (waiting, first, first)] == [200] * 3


def test_a_full_queue_turns_the_next_away_at_once(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    with running_origin(gate) as origin, ExitStack() as stack:
        forwarder.send_view(limited([origin], ServiceLimits(active=1, pending=1, pending_timeout_s=LONG_S)))
        first = ask(stack, forwarder, b"/first")
        asked(gate, 1)
        second = ask(stack, forwarder, b"/second")
        pending(forwarder, 1)
        refused = RawClient(stack.enter_context(forwarder.connect()))
        response = refused.exchange(b"GET /third HTTP/1.1\r\nHost: a\r\n\r\n")
        assert response.status == 503
        assert response.fields[b"retry-after"] == b"1"
        assert b"connection" not in response.fields
        gate.open_for_all()
        assert [first.response().status, second.response().status] == [200, 200]
        assert refused.exchange(b"GET /fourth HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
        reasons = {line["path"]: line["reason"] for line in wait_for(lambda: _lines(forwarder, 4), "four lines")}
        assert reasons == {"/first": "", "/second": "", "/third": "queue_full", "/fourth": ""}


def test_nobody_waits_longer_than_the_timeout(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    with running_origin(gate) as origin, ExitStack() as stack:
        forwarder.send_view(limited([origin], ServiceLimits(active=1, pending_timeout_s=0.1)))
        first = ask(stack, forwarder, b"/first")
        asked(gate, 1)
        second = ask(stack, forwarder, b"/second")
        response = second.response()
        assert (response.status, b"queue_timeout" in response.body) == (503, True)
        gate.open_for_all()
        assert first.response().status == 200
        assert second.exchange(b"GET /third HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
        line = next(line for line in wait_for(lambda: _lines(forwarder, 3), "lines") if line["path"] == "/second")
        assert (line["reason"], line["attempts"]) == ("queue_timeout", 0)


def test_who_leaves_the_queue_is_not_sent_on(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    with running_origin(gate) as origin, ExitStack() as stack:
        forwarder.send_view(limited([origin], ServiceLimits(active=1, pending=2, pending_timeout_s=LONG_S)))
        first = ask(stack, forwarder, b"/first")
        asked(gate, 1)
        left = ask(stack, forwarder, b"/left")
        pending(forwarder, 1)
        left.close()
        pending(forwarder, 0)
        last = ask(stack, forwarder, b"/last")
        pending(forwarder, 1)
        gate.open_for_all()
        assert [first.response().status, last.response().status] == [200, 200]
        assert asked(gate, 2) == [b"/first", b"/last"]


def test_a_replica_gets_no_more_connections_than_it_may(forwarder: ForwarderProcess) -> None:
    gates = Gate(b"one"), Gate(b"other")
    with ExitStack() as stack:
        origins = [stack.enter_context(running_origin(gate)) for gate in gates]
        for gate in gates:
            stack.callback(gate.open_for_all)
        forwarder.send_view(limited(origins, ServiceLimits(replica_connections=2, pending_timeout_s=LONG_S)))
        clients = [ask(stack, forwarder, b"/%d" % number) for number in range(7)]
        pending(forwarder, 3)
        wait_for(lambda: [len(gate.heads) for gate in gates] == [2, 2], "two requests at each")
        gates[0].open()
        wait_for(lambda: len(gates[0].heads) == 3, "a third request at the replica that had a place")
        assert len(gates[1].heads) == 2
        for gate in gates:
            gate.open_for_all()
        assert [client.response().status for client in clients] == [200] * 7
        assert [origin.connections for origin in origins] == [2, 2]


def test_a_replica_that_takes_no_connection_holds_up_few_requests(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    gate.open_for_all()
    limits = ServiceLimits(connecting=2, pending_timeout_s=LONG_S)
    with running_origin(gate) as origin, silent_address() as silent, ExitStack() as stack:
        policy = TrafficPolicy(limits=limits, retries=0, timeouts=Timeouts(connect_s=LONG_S))
        forwarder.send_view(with_traffic(a_view([silent, origin.address]), policy))
        for number in range(40):
            ask(stack, forwarder, b"/%d" % number)
        wait_for(lambda: len(gate.heads) >= 38, "all but two requests at the other replica")
        wait_for(lambda: in_flight(forwarder, origin.address) == 0, "the answers of the other replica")
        assert 1 <= in_flight(forwarder, silent) <= 2


def in_flight(forwarder: ForwarderProcess, address: Address) -> int:
    """Attempts under way at one replica."""
    return sum(one.in_flight for one in forwarder.latest_telemetry().replicas if one.replica.address == address)


def test_a_reload_that_raises_the_limit_lets_in_who_waits(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    with running_origin(gate) as origin, ExitStack() as stack:
        forwarder.send_view(limited([origin], ServiceLimits(active=1, pending_timeout_s=LONG_S)))
        clients = [ask(stack, forwarder, b"/%d" % number) for number in range(3)]
        pending(forwarder, 2)
        forwarder.send_view(limited([origin], ServiceLimits(active=3), number=2))
        asked(gate, 3)
        gate.open_for_all()
        assert [client.response().status for client in clients] == [200] * 3


def test_who_waits_when_the_service_is_gone_is_told(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    with running_origin(gate) as origin, ExitStack() as stack:
        forwarder.send_view(limited([origin], ServiceLimits(active=1, pending_timeout_s=LONG_S)))
        first = ask(stack, forwarder, b"/first")
        asked(gate, 1)
        second = ask(stack, forwarder, b"/second")
        pending(forwarder, 1)
        forwarder.send_view(with_traffic(a_view([], number=2), TrafficPolicy(limits=ServiceLimits(active=9))))
        response = second.response()
        assert (response.status, b"no_replica" in response.body) == (503, True)
        gate.open_for_all()
        assert first.response().status == 200


def test_an_upload_that_waits_is_sent_whole(forwarder: ForwarderProcess) -> None:
    body = b"x" * 1_000_000
    gate = Gate(upload_bytes=len(body))
    with running_origin(gate) as origin, ExitStack() as stack:
        forwarder.send_view(limited([origin], ServiceLimits(active=1, pending_timeout_s=LONG_S)))
        first = ask(stack, forwarder, b"/first")
        asked(gate, 1)
        upload = ask(stack, forwarder, b"/upload", b"PUT", b"Content-Length: %d\r\n" % len(body))
        pending(forwarder, 1)
        sending = threading.Thread(target=upload.socket.sendall, args=(body,))
        sending.start()
        gate.open_for_all()
        assert first.response().status == 200
        assert upload.response().status == 200
        sending.join(LONG_S)
        assert gate.bodies == [body]


def test_adaptive_concurrency_obeys_what_it_learns(forwarder: ForwarderProcess) -> None:
    gate = Gate()
    gate.open_for_all()
    with running_origin(gate) as origin, ExitStack() as stack:
        policy = TrafficPolicy(concurrency=AdaptiveConcurrency())
        forwarder.send_view(with_traffic(a_view([origin.address]), policy))
        client = RawClient(stack.enter_context(forwarder.connect()))

        def limit_after_one_more() -> int:
            assert client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
            return forwarder.latest_telemetry().services[0].active_max

        assert limit_after_one_more() == FIRST_LIMIT
        for _ in range(SAMPLES_MIN):
            client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: limit_after_one_more() == FIRST_LIMIT // 2, "a look at the baseline")
        forwarder.send_view(limited([origin], ServiceLimits(active=77), number=2))
        wait_for(lambda: limit_after_one_more() == 77, "the fixed limit")


def _lines(forwarder: ForwarderProcess, count: int) -> list[dict[str, object]] | None:
    lines = forwarder.log_lines()
    return lines if len(lines) >= count else None
