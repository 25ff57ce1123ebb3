"""The client against balancers that refuse, swallow, freeze or break off: threads, trio and asyncio alike."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from lbmesh.client import Policy
from lbmesh.client.pace import PACES
from tests.support.balancers import (
    RESET,
    Reply,
    balancer,
    break_mid_head,
    close_without_answer,
    frozen,
    plain_reply,
    refusing,
    silent,
)
from tests.support.callers import FLAVOURS, call

pytestmark = pytest.mark.parametrize("flavour", FLAVOURS)
EVERY_METHOD = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH")


def test_a_refusing_balancer_is_passed_over_for_any_method(flavour: str) -> None:
    with refusing() as dead, balancer() as alive:
        for method in EVERY_METHOD:
            (got,) = call(flavour, [dead, alive.address], method)
            assert (got.status, str(got.report.balancer), got.report.attempts) == (200, alive.address, 1)
            assert [failure.what for failure in got.report.failures] == ["refused the connection"]
    assert len(alive.seen) == len(EVERY_METHOD)


def test_a_silent_balancer_is_passed_over_for_any_method(flavour: str) -> None:
    with silent() as dead, balancer() as alive:
        for method in EVERY_METHOD:
            (got,) = call(flavour, [dead, alive.address], method)
            assert (got.status, str(got.report.balancer)) == (200, alive.address)
    assert len(alive.seen) == len(EVERY_METHOD)


def test_a_silent_and_a_refusing_balancer_are_passed_over_together(flavour: str) -> None:
    with silent() as swallowing, refusing() as dead, balancer() as alive:
        (got,) = call(flavour, [swallowing, dead, alive.address], "POST", content=b"order")
    assert str(got.report.balancer) == alive.address
    assert alive.bodies == [b"order"]


def test_a_frozen_balancer_is_hedged(flavour: str) -> None:
    with frozen() as stuck, balancer() as alive:
        got = call(flavour, [stuck.address, alive.address], "GET", "GET", content=b"same body")
        assert [str(each.report.balancer) for each in got] == [alive.address] * 2
        assert [each.report.attempts for each in got] == [2, 1], "the second must remember"
        assert alive.bodies == [b"same body"] * 2
        sent = stuck.thaw()
        assert sent.startswith(b"GET /basket HTTP/1.1\r\nHost: shop.example.com\r\n"), "the loser is closed"


def test_a_frozen_balancer_does_not_hold_up_the_first_request_of_all(flavour: str) -> None:
    """Nothing is measured, yet it waits for no more than the connect has shown to be enough."""
    policy = Policy(spread=False, hedge_delay_s=60.0)
    with frozen() as stuck, balancer() as alive:
        url = f"http://{flavour}.first.example.com/"
        (got,) = call(flavour, [stuck.address, alive.address], "GET", policy=policy, url=url)
    assert (str(got.report.balancer), got.report.attempts) == (alive.address, 2)


def test_a_service_that_is_slow_by_nature_is_asked_twice_once_and_new_transports_know_that(flavour: str) -> None:
    hedged = threading.Event()

    def slow_once(connection: socket.socket, line: str, body: bytes) -> bool:
        hedged.wait(10)
        return plain_reply(200, "slow")(connection, line, body)

    def arrived(_connection: socket.socket, _line: str, _body: bytes) -> bool:
        hedged.set()
        over.wait(10)
        return False

    over = threading.Event()
    policy = Policy(spread=False, hedge_delay_s=60.0, hedge_min_s=0.5)
    with balancer(slow_once) as slow, balancer(arrived) as other:
        url = f"http://{flavour}.slow.example.com/"
        got = [call(flavour, [slow.address, other.address], "GET", policy=policy, url=url)[0] for _ in range(3)]
        over.set()
    assert [each.report.attempts for each in got] == [2, 1, 1]
    assert PACES.of((b"http", f"{flavour}.slow.example.com".encode(), None), policy).delay_s(0.0) > 1.0  # type: ignore[operator]


def test_two_frozen_balancers_are_hedged(flavour: str) -> None:
    with frozen() as first, frozen() as second, balancer() as alive:
        (got,) = call(flavour, [first.address, second.address, alive.address], "GET")
    assert (str(got.report.balancer), got.report.attempts) == (alive.address, 3)


def test_a_large_body_into_a_frozen_balancer_is_hedged(flavour: str) -> None:
    body = bytes(8 << 20)  # more than the socket buffers of both ends take
    with frozen() as stuck, balancer() as alive:
        (got,) = call(flavour, [stuck.address, alive.address], "PUT", content=body)
    assert str(got.report.balancer) == alive.address
    assert alive.bodies == [body]


def test_a_slow_answer_beats_a_hedge_that_is_slower_still(flavour: str) -> None:
    hedged = threading.Event()
    over = threading.Event()

    def after_the_hedge(connection: socket.socket, line: str, body: bytes) -> bool:
        hedged.wait(10)
        return plain_reply(200, "first")(connection, line, body)

    def never(_connection: socket.socket, _line: str, _body: bytes) -> bool:
        hedged.set()
        over.wait(10)
        return False

    with balancer(after_the_hedge) as slow, balancer(never) as slower:
        (got,) = call(flavour, [slow.address, slower.address], "GET")
        over.set()
    assert (got.text, got.report.attempts) == ("first", 2)


@pytest.mark.parametrize("reply", [break_mid_head, close_without_answer])
def test_a_broken_answer_is_repeated_elsewhere(flavour: str, reply: Reply) -> None:
    with balancer(reply) as broken, balancer() as alive:
        (got,) = call(flavour, [broken.address, alive.address], "DELETE")
    assert (str(got.report.balancer), got.report.attempts) == (alive.address, 2)
    assert len(broken.seen) == len(alive.seen) == 1


@pytest.mark.parametrize("reply", [break_mid_head, close_without_answer])
def test_a_post_that_may_have_arrived_is_never_repeated(flavour: str, reply: Reply) -> None:
    with balancer(reply) as broken, balancer() as alive, pytest.raises(httpx.TransportError, match=broken.address):
        call(flavour, [broken.address, alive.address], "POST", content=b"order")
    assert (broken.bodies, alive.bodies) == ([b"order"], [])


def test_a_post_into_a_frozen_balancer_times_out_once(flavour: str) -> None:
    with frozen() as stuck, balancer() as alive, pytest.raises(httpx.ReadTimeout, match="did not answer in time"):
        call(flavour, [stuck.address, alive.address], "POST", timeout=httpx.Timeout(5, read=0.5))
    assert alive.seen == []


def test_a_body_that_cannot_be_read_again_is_sent_once(flavour: str) -> None:
    def once() -> Iterator[bytes]:
        yield b"once"

    async def once_async() -> AsyncIterator[bytes]:
        yield b"once"

    body = once() if flavour == "sync" else once_async()
    with balancer(close_without_answer) as broken, balancer() as alive, pytest.raises(httpx.RemoteProtocolError):
        call(flavour, [broken.address, alive.address], "PUT", content=body, headers={"Content-Length": "4"})
    assert alive.seen == []


def test_when_all_refuse_the_error_names_each(flavour: str) -> None:
    with refusing() as one, refusing() as other, pytest.raises(httpx.ConnectError) as caught:
        call(flavour, [one, other], "GET")
    for address in (one, other):
        assert f"{address} refused the connection" in str(caught.value)


def test_when_all_are_silent_the_connect_timeout_holds(flavour: str) -> None:
    with silent() as one, silent() as other, pytest.raises(httpx.ConnectTimeout) as caught:
        call(flavour, [one, other], "GET", timeout=httpx.Timeout(5, connect=0.3))
    for address in (one, other):
        assert f"{address} did not take the connection in time" in str(caught.value)


def test_when_all_are_frozen_the_read_timeout_holds(flavour: str) -> None:
    with frozen() as one, frozen() as other, pytest.raises(httpx.ReadTimeout) as caught:
        call(flavour, [one.address, other.address], "GET", timeout=httpx.Timeout(5, read=0.5))
    for stuck in (one, other):
        assert f"{stuck.address} did not answer in time" in str(caught.value)


def test_another_balancer_answers_for_one_that_cannot_serve(flavour: str) -> None:
    with balancer(plain_reply(503, "cut off")) as cut_off, balancer() as alive:
        first, second = call(flavour, [cut_off.address, alive.address], "GET", "GET")
    assert (first.status, first.report.attempts) == (200, 2)
    assert (second.status, second.report.attempts) == (200, 1), "the one that was outdone rests"


def test_the_last_answer_stands_when_all_say_the_same(flavour: str) -> None:
    with balancer(plain_reply(503, "one")) as one, balancer(plain_reply(502, "other")) as other:
        (got,) = call(flavour, [one.address, other.address], "GET")
    assert (got.status, got.text, got.report.attempts) == (502, "other", 2)


def test_an_answer_put_aside_stands_when_the_others_are_dead(flavour: str) -> None:
    with balancer(plain_reply(503, "no replica")) as cut_off, refusing() as dead:
        (got,) = call(flavour, [cut_off.address, dead], "GET")
    assert (got.status, got.text) == (503, "no replica")


def test_a_post_is_given_whatever_was_answered(flavour: str) -> None:
    with balancer(plain_reply(503, "no replica")) as cut_off, balancer() as alive:
        (got,) = call(flavour, [cut_off.address, alive.address], "POST")
    assert (got.status, alive.seen) == (503, [])


def test_retry_statuses_can_be_switched_off(flavour: str) -> None:
    policy = Policy(spread=False, hedge_quantile=None, retry_statuses=frozenset())
    with balancer(plain_reply(503, "no replica")) as cut_off, balancer() as alive:
        (got,) = call(flavour, [cut_off.address, alive.address], "GET", policy=policy)
    assert (got.status, alive.seen) == (503, [])


def test_connections_are_kept(flavour: str) -> None:
    with balancer() as alive:
        call(flavour, [alive.address], "GET", "POST", "HEAD", "GET")
        assert (len(alive.seen), alive.accepted) == (4, 1)


def test_a_kept_connection_that_was_reset_is_replaced(flavour: str) -> None:
    answered: list[str] = []

    def reset_the_second(connection: socket.socket, line: str, body: bytes) -> bool:
        answered.append(line)
        if len(answered) == 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return False
        return plain_reply(200, "fine")(connection, line, body)

    with balancer(reset_the_second) as alive:
        got = call(flavour, [alive.address], "GET", "GET")
    assert [(each.status, each.report.attempts) for each in got] == [(200, 1), (200, 2)]


def test_a_malformed_request_is_the_callers_error(flavour: str) -> None:
    with balancer() as alive, pytest.raises(httpx.LocalProtocolError):
        call(flavour, [alive.address], "GET", headers={"bad name": "x"})
    assert alive.seen == []
