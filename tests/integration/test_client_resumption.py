"""Bodies that break off or fall silent, through the client in threads, on trio and on asyncio."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from lbmesh.client import Policy
from tests.support.balancers import RESET, Balancer, Reply, balancer, plain_reply
from tests.support.callers import FLAVOURS, call

pytestmark = pytest.mark.parametrize("flavour", FLAVOURS)
BODY = bytes(range(256)) * 800
HALF = len(BODY) // 2
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n%b\r\n"
KEY = {"Idempotency-Key": "order-7"}
STALL = Policy(spread=False, hedge_quantile=None, stall_s=0.05)


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(body: bytes = BODY, fields: bytes = b"") -> Reply:
    """All of a body, chunked."""

    def reply(connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.sendall(CHUNKED % fields + chunk(body) + b"0\r\n\r\n")
        return True

    return reply


def cut(*, reset: bool = False, fields: bytes = b"") -> Reply:
    """Half of the body, then the end of the connection."""

    def reply(connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.sendall(CHUNKED % fields + chunk(BODY[:HALF]))
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return False

    return reply


@contextmanager
def stalling(then: bytes) -> Iterator[tuple[Balancer, threading.Event]]:
    """Half of the body, then silence until the event is set, then this."""
    go_on = threading.Event()

    def reply(connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.sendall(CHUNKED % b"" + chunk(BODY[:HALF]))
        go_on.wait(10)
        connection.sendall(then)
        return bool(then)

    with balancer(reply) as running:
        try:
            yield running, go_on
        finally:
            go_on.set()


@pytest.mark.parametrize("reset", [False, True])
def test_a_body_that_breaks_off_goes_on_from_another_balancer(flavour: str, reset: bool) -> None:
    with balancer(cut(reset=reset)) as broken, balancer(whole()) as alive:
        (got,) = call(flavour, [broken.address, alive.address], "GET")
    assert (got.body, str(got.report.balancer), got.report.attempts) == (BODY, alive.address, 2)
    assert "into the body" in got.report.failures[-1].what


def test_a_body_may_break_off_more_than_once(flavour: str) -> None:
    with balancer(cut()) as one, balancer(cut(reset=True)) as other, balancer(whole()) as alive:
        (got,) = call(flavour, [one.address, other.address, alive.address], "GET")
    assert (got.body, got.report.attempts) == (BODY, 3)


def test_the_same_balancer_may_go_on_when_there_is_no_other(flavour: str) -> None:
    replies = iter([cut(), whole()])
    with balancer(lambda *asked: next(replies)(*asked)) as only:
        (got,) = call(flavour, [only.address], "GET")
    assert (got.body, got.report.attempts) == (BODY, 2)


def test_another_body_is_an_error_and_never_mixed_in(flavour: str) -> None:
    other = b"X" + BODY[1:]
    with balancer(cut()) as broken, balancer(whole(other)) as alive:
        with pytest.raises(httpx.RemoteProtocolError, match=broken.address):
            call(flavour, [broken.address, alive.address], "GET")
        assert len(alive.seen) == 1


def test_the_body_of_a_post_is_never_asked_for_again(flavour: str) -> None:
    with balancer(cut()) as broken, balancer(whole()) as alive:
        with pytest.raises(httpx.RemoteProtocolError, match=broken.address):
            call(flavour, [broken.address, alive.address], "POST", content=b"order")
        assert alive.seen == []


def test_attempts_to_go_on_are_bounded(flavour: str) -> None:
    with balancer(cut()) as one, balancer(cut()) as other:
        with pytest.raises(httpx.RemoteProtocolError):
            call(flavour, [one.address, other.address], "GET")
        assert len(one.seen) + len(other.seen) <= Policy().attempts_max


def test_a_silent_body_goes_on_from_another_balancer(flavour: str) -> None:
    with stalling(b"") as (stuck, _), balancer(whole()) as alive:
        (got,) = call(flavour, [stuck.address, alive.address], "GET", policy=STALL, timeout=5.0)
    assert (got.body, str(got.report.balancer), got.report.attempts) == (BODY, alive.address, 2)


def test_a_post_with_a_key_that_falls_silent_is_not_under_way_twice(flavour: str) -> None:
    with stalling(b"") as (stuck, _), balancer(whole()) as alive:
        with pytest.raises(httpx.ReadTimeout):
            call(
                flavour,
                [stuck.address, alive.address],
                "POST",
                content=b"order",
                headers=KEY,
                policy=STALL,
                timeout=0.3,
            )
        assert alive.seen == []


def test_a_slow_body_goes_on_where_no_other_can_take_over(flavour: str) -> None:
    with stalling(chunk(BODY[HALF:]) + b"0\r\n\r\n") as (slow, go_on):

        def other(connection: socket.socket, line: str, body: bytes) -> bool:
            sent = plain_reply(404, "not here")(connection, line, body)
            go_on.set()
            return sent

        with balancer(other) as useless:
            (got,) = call(flavour, [slow.address, useless.address], "GET", policy=STALL)
            assert len(useless.seen) == 1
    assert (got.body, str(got.report.balancer)) == (BODY, slow.address)


def test_the_rest_alone_is_fetched_under_a_strong_validator(flavour: str) -> None:
    tagged = b'ETag: "v1"\r\nAccept-Ranges: bytes\r\n'

    def rest(connection: socket.socket, _line: str, _body: bytes) -> bool:
        head = f"HTTP/1.1 206 Part\r\nContent-Range: bytes {HALF}-{len(BODY) - 1}/{len(BODY)}\r\n"
        connection.sendall(head.encode() + tagged + b"Content-Length: %d\r\n\r\n" % HALF + BODY[HALF:])
        return True

    with balancer(cut(fields=tagged)) as broken, balancer(rest) as alive:
        (got,) = call(flavour, [broken.address, alive.address], "GET")
    assert got.body == BODY


@pytest.mark.parametrize("reset", [False, True])
def test_a_short_body_that_breaks_off_is_asked_for_again_whatever_it_says(flavour: str, reset: bool) -> None:
    def half(connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return False

    with balancer(half) as broken, balancer(plain_reply(200, "another")) as alive:
        (got,) = call(flavour, [broken.address, alive.address], "GET")
    assert (got.text, got.report.attempts) == ("another", 2)


def test_a_short_body_that_falls_silent_is_hedged(flavour: str) -> None:
    over = threading.Event()

    def half(connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        over.wait(10)
        return False

    with balancer(half) as stuck, balancer(plain_reply(200, "another")) as alive:
        (got,) = call(flavour, [stuck.address, alive.address], "GET")
        over.set()
    assert (got.text, got.report.attempts) == ("another", 2)
