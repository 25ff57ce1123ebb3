"""Asking a front: an answer is life, anything else is none, and nothing ever waits."""

import errno
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from lbmesh.failover.words import Probe
from lbmesh.model.address import Address
from lbmesh.sentinel.front_probe import FrontProbes
from lbmesh.sentinel.limits import PROBES_MAX
from tests.support.balancers import (
    balancer,
    break_mid_head,
    close_without_answer,
    frozen,
    plain_reply,
    refusing,
    silent,
)


class Prober:
    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.ended: list[tuple[int, bool, str]] = []
        self.probes = FrontProbes(self.selector, lambda *how: self.ended.append(how))

    def ask(self, address: str, timeout_s: float = 10.0) -> tuple[bool, str]:
        host, port = address.split(":")
        self.probes.start(Probe(7, Address(host, int(port)), timeout_s))
        until_s = time.monotonic() + 20.0
        while not self.ended and time.monotonic() < until_s:
            for key, _ in self.selector.select(0.02):
                key.data()
            self.probes.expire(time.monotonic())
        ((number, alive, how),) = self.ended
        assert number == 7
        assert not self.selector.get_map()
        assert self.probes.next_deadline() == float("inf")
        return alive, how


@pytest.fixture
def prober() -> Iterator[Prober]:
    made = Prober()
    yield made
    made.probes.close()
    made.selector.close()


@pytest.mark.parametrize("status", [200, 404, 503])
def test_any_answer_is_life(prober: Prober, status: int) -> None:
    with balancer(plain_reply(status, "fine")) as front:
        assert prober.ask(front.address) == (True, "answers")


def test_refusal_is_none(prober: Prober) -> None:
    with refusing() as address:
        assert prober.ask(address) == (False, "refuses connections")


@contextmanager
def _frozen() -> Iterator[str]:
    with frozen() as front:
        yield front.address


@pytest.mark.parametrize("kind", [silent, _frozen])
def test_silence_is_none(prober: Prober, kind: object) -> None:
    with kind() as address:  # type: ignore[operator]
        assert prober.ask(address, timeout_s=0.05) == (False, "does not answer")


def test_a_closed_connection_is_none(prober: Prober) -> None:
    with balancer(close_without_answer) as front:
        assert prober.ask(front.address) == (False, "closes the connection")


def test_half_a_head_is_life(prober: Prober) -> None:
    with balancer(break_mid_head) as front:
        assert prober.ask(front.address)[0]


def test_an_alert_of_tls_is_life(prober: Prober) -> None:
    def alert(connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")
        return False

    with balancer(alert) as front:
        assert prober.ask(front.address) == (True, "answers")


def test_what_is_neither_http_nor_tls_is_none(prober: Prober) -> None:
    def greet(connection: socket.socket, _line: str, _body: bytes) -> bool:
        connection.sendall(b"220 mail.test ESMTP\r\n")
        return False

    with balancer(greet) as front:
        assert prober.ask(front.address) == (False, "speaks no HTTP")


def test_no_more_are_asked_at_a_time_than_the_bound(prober: Prober) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        front = Address(*listener.getsockname())
        for number in range(PROBES_MAX + 1):
            prober.probes.start(Probe(number, front, 10.0))
    assert prober.ended == [(PROBES_MAX, True, "was not asked: too many are")]


@pytest.mark.parametrize(
    ("number", "why"), [(errno.ENODEV, "no such device"), (socket.EAI_NONAME, "cannot assign requested address")]
)
def test_an_address_that_connecting_raises_at_is_none(
    prober: Prober, monkeypatch: pytest.MonkeyPatch, number: int, why: str
) -> None:
    """A name that does not resolve has a number below zero, which is none of the system's."""
    monkeypatch.setattr(socket.socket, "connect_ex", _raising(OSError(number, "")))
    assert prober.ask("10.0.0.1:80") == (False, f"cannot be reached: {why}")


def test_a_front_that_no_socket_is_for_was_not_asked(prober: Prober, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", _raising(OSError(errno.EAFNOSUPPORT, "")))
    prober.probes.start(Probe(7, Address("2001:db8::1", 80), 10.0))
    assert prober.ended == [(7, True, "was not asked: address family not supported by protocol")]
    assert prober.probes.next_deadline() == float("inf")


def _raising(error: OSError) -> Callable[..., NoReturn]:
    def fail(*_args: object) -> NoReturn:
        raise error

    return fail
