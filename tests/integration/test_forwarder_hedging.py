"""Hedged requests through a real forwarder: the first answer wins, the other attempt leaves no trace but its count."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lbmesh.control.link import ServiceTelemetry
from lbmesh.model.restraint import Hedging, ServiceLimits
from lbmesh.model.traffic import Timeouts, TrafficPolicy
from lbmesh.model.view import View
from tests.support.forwarders import ForwarderProcess, a_view, running_forwarder
from tests.support.gates import with_traffic
from tests.support.origins import WAIT_S, Origin, OriginConnection, refused_address, running_origin
from tests.support.raw_client import RawClient
from tests.support.wait import wait_for

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
SOON = Hedging(after_s=0.5, percent=50)
"""Long enough that the first attempt arrives first, however busy the machine is."""


class Pair:
    """Two replicas that look at each other: what comes first, at whichever, is slow; what comes second is answered by
    the word of the test. `ended`: connections that the forwarder closed while they owed an answer.
    """

    def __init__(self) -> None:
        self.arrived: list[bytes] = []
        self.ended = 0
        self.first_may_answer = threading.Event()
        self.others_may_answer = threading.Event()

    def __call__(self, connection: OriginConnection) -> None:
        while head := connection.read_head():
            self.arrived.append(head)
            is_first = len(self.arrived) == 1
            may_answer = self.first_may_answer if is_first else self.others_may_answer
            assert may_answer.wait(WAIT_S)
            try:
                connection.answer(b"first" if is_first else b"other")
                left = connection.read_head() if is_first else b"-"
            except OSError:
                left = b""
            if is_first or not left:
                self.ended += not left
                return


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


@contextmanager
def a_pair() -> Iterator[tuple[Pair, list[Origin]]]:
    pair = Pair()
    with ExitStack() as stack:
        origins = [stack.enter_context(running_origin(pair)) for _ in range(2)]
        stack.callback(pair.others_may_answer.set)
        stack.callback(pair.first_may_answer.set)
        yield pair, origins


def hedged(origins: list[Origin], hedging: Hedging | None = SOON) -> View:
    return with_traffic(a_view([origin.address for origin in origins]), TrafficPolicy(hedging=hedging))


def ask(stack: ExitStack, forwarder: ForwarderProcess, request: bytes) -> RawClient:
    client = RawClient(stack.enter_context(forwarder.connect()))
    client.socket.sendall(request)
    return client


def figures(forwarder: ForwarderProcess, hedges: int) -> ServiceTelemetry:
    """The service's figures at rest, with so many hedges."""
    return wait_for(
        lambda: next(
            (one for one in forwarder.latest_telemetry().services if not one.active and one.hedges == hedges), None
        ),
        f"{hedges} hedges",
    )


def test_the_second_attempt_answers_for_a_slow_first(forwarder: ForwarderProcess) -> None:
    with a_pair() as (pair, origins), ExitStack() as stack:
        pair.others_may_answer.set()
        forwarder.send_view(hedged(origins))
        client = ask(stack, forwarder, GET)
        assert client.response().body == b"other"
        assert figures(forwarder, 1).hedges_won == 1
        replicas = forwarder.latest_telemetry().replicas
        assert [(one.failures, one.in_flight, one.requests) for one in replicas] == [(0, 0, 1), (0, 0, 1)]
        pair.first_may_answer.set()
        wait_for(lambda: pair.ended == 1, "the loser's connection to be closed")
        assert client.exchange(GET).body == b"other"
        assert [line["attempts"] for line in forwarder.log_lines()][:1] == [2]


def test_the_first_attempt_may_still_win(forwarder: ForwarderProcess) -> None:
    with a_pair() as (pair, origins), ExitStack() as stack:
        forwarder.send_view(hedged(origins))
        client = ask(stack, forwarder, GET)
        wait_for(lambda: len(pair.arrived) == 2, "the hedge")
        pair.first_may_answer.set()
        assert client.response().body == b"first"
        one = figures(forwarder, 1)
        assert (one.hedges, one.hedges_won) == (1, 0)
        assert not any(replica.in_flight or replica.failures for replica in forwarder.latest_telemetry().replicas)


@pytest.mark.parametrize(("request_bytes", "hedging"), [(POST, SOON), (GET, None)], ids=["a POST", "switched off"])
def test_what_is_not_to_be_hedged_is_sent_once(
    forwarder: ForwarderProcess, request_bytes: bytes, hedging: Hedging | None
) -> None:
    with a_pair() as (pair, origins), ExitStack() as stack:
        pair.others_may_answer.set()
        forwarder.send_view(hedged(origins, hedging))
        slow = ask(stack, forwarder, request_bytes)
        wait_for(lambda: pair.arrived, "the first attempt")
        for _ in range(20):
            assert ask(stack, forwarder, POST).response().body == b"other"
        pair.first_may_answer.set()
        assert slow.response().body == b"first"
        assert len(pair.arrived) == 21


NOT_REPEATABLE = {
    "a method that is not idempotent": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "a body that is not all here": b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    "another protocol": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
}


@pytest.mark.parametrize("kind", NOT_REPEATABLE)
def test_what_may_not_be_sent_twice_is_not_when_its_time_has_come(forwarder: ForwarderProcess, kind: str) -> None:
    """A GET that came later is hedged: then the time of the request before it has passed, too."""
    with a_pair() as (pair, origins), ExitStack() as stack:
        forwarder.send_view(hedged(origins))
        ask(stack, forwarder, NOT_REPEATABLE[kind])
        wait_for(lambda: pair.arrived, "the first request")
        ask(stack, forwarder, b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_for(lambda: sum(b"/later" in head for head in pair.arrived) == 2, "the hedge of the second")
        pair.first_may_answer.set()
        pair.others_may_answer.set()
        assert figures(forwarder, 1).hedges == 1


def test_a_service_that_is_slow_as_a_whole_is_hardly_hedged(forwarder: ForwarderProcess) -> None:
    with a_pair() as (pair, origins), ExitStack() as stack:
        forwarder.send_view(hedged(origins, Hedging(after_s=0.5, percent=1)))
        clients = [ask(stack, forwarder, GET) for _ in range(30)]
        wait_for(lambda: len(pair.arrived) == 31, "thirty requests and a hedge")
        pair.first_may_answer.set()
        pair.others_may_answer.set()
        assert {client.response().status for client in clients} == {200}
        assert figures(forwarder, 1).hedges == 1
        assert len(pair.arrived) == 31


def test_a_client_that_leaves_ends_both_attempts(forwarder: ForwarderProcess) -> None:
    with a_pair() as (pair, origins), ExitStack() as stack:
        forwarder.send_view(hedged(origins))
        client = ask(stack, forwarder, GET)
        wait_for(lambda: len(pair.arrived) == 2, "the hedge")
        client.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
        client.close()
        assert figures(forwarder, 1).hedges_won == 0
        assert not any(replica.in_flight or replica.failures for replica in forwarder.latest_telemetry().replicas)


def test_a_hedge_that_fails_is_the_other_replicas_failure_and_not_the_requests(forwarder: ForwarderProcess) -> None:
    go_on = threading.Event()

    def slow(connection: OriginConnection) -> None:
        connection.read_head()
        assert go_on.wait(WAIT_S)
        connection.answer(b"slow")

    refused = refused_address()
    with running_origin(slow) as origin, ExitStack() as stack:
        stack.callback(go_on.set)
        view = a_view([origin.address, refused])
        forwarder.send_view(with_traffic(view, TrafficPolicy(hedging=SOON, limits=ServiceLimits())))
        client = ask(stack, forwarder, GET)
        failed = wait_for(
            lambda: [one for one in forwarder.latest_telemetry().replicas if one.failures], "the failure of one"
        )
        assert [one.replica.address for one in failed] == [refused]
        go_on.set()
        assert client.response().body == b"slow"


def test_a_first_attempt_that_fails_leaves_the_request_to_its_hedge(forwarder: ForwarderProcess) -> None:
    with a_pair() as (pair, origins), ExitStack() as stack:
        policy = TrafficPolicy(hedging=SOON, retries=0, timeouts=Timeouts(response_s=2.0))
        forwarder.send_view(with_traffic(a_view([origin.address for origin in origins]), policy))
        client = ask(stack, forwarder, GET)
        wait_for(lambda: sum(one.failures for one in forwarder.latest_telemetry().replicas) == 1, "the timeout")
        pair.others_may_answer.set()
        assert client.response().body == b"other"


def test_the_percentile_is_learnt_from_the_service_itself(forwarder: ForwarderProcess) -> None:
    with a_pair() as (pair, origins), ExitStack() as stack:
        pair.first_may_answer.set()
        pair.others_may_answer.set()
        forwarder.send_view(hedged(origins, Hedging(percent=50)))
        client = ask(stack, forwarder, GET)
        client.response()

        def a_slow_one_is_hedged() -> bool:
            client.exchange(GET)
            pair.others_may_answer.clear()
            slow = threading.Timer(0.2, pair.others_may_answer.set)
            slow.start()
            client.exchange(GET)
            slow.join()
            return any(one.hedges for one in forwarder.next_telemetry().services)

        for _ in range(150):
            client.exchange(GET)
        wait_for(a_slow_one_is_hedged, "a hedge")
