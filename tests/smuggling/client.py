"""Sends a case's bytes on a connection of its own, and reads all answers to the end."""

import json
import random
import re
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import NamedTuple

import h11

from lbmesh.model.address import Address
from tests.smuggling.cases import Case, marked

CLIENTS = 6
_MARKER = re.compile(r"\bm[0-9a-f]{5}\b")

PATIENCE_S = 30.0
"""How long a connection may bring nothing; what takes longer hangs."""


class Answer(NamedTuple):
    """One final response. `from_application`: the origin's application made it. `markers`: all that stand in what it
    says of the request.
    """

    status: int
    request_id: str
    markers: frozenset[str]
    from_application: bool


class Received(NamedTuple):
    """What one connection brought. `fault`: what no reader could take for whole responses, or a hang."""

    case: Case
    marker: str
    answers: tuple[Answer, ...]
    fault: str


def send_all(cases: Sequence[Case], address: Address, *, choice: random.Random | None = None) -> list[Received]:
    """Every case, several at a time. With `choice` the bytes go out in pieces, drawn by it."""
    seeds = [None if choice is None else choice.randrange(1 << 30) for _ in cases]
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(lambda index: _send(cases[index], index, address, seeds[index]), range(len(cases))))


def _send(case: Case, number: int, address: Address, seed: int | None) -> Received:
    wire, marker = marked(case, number)
    received = b""
    fault = ""
    with socket.create_connection((address.host, address.port)) as connection:
        connection.settimeout(PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):
            for piece in _pieces(wire, seed):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionError:
            pass
        except TimeoutError:
            fault = "no end in sight"
    answers, rest = read_answers(received)
    return Received(case, marker, answers, fault or rest)


def _pieces(wire: bytes, seed: int | None) -> list[bytes]:
    """The bytes whole, or cut in up to five places."""
    if seed is None:
        return [wire]
    choice = random.Random(seed)
    cuts = [0, *sorted(choice.randrange(len(wire) + 1) for _ in range(choice.randint(0, 5))), len(wire)]
    return [wire[start:end] for start, end in pairwise(cuts)]


def read_answers(data: bytes) -> tuple[tuple[Answer, ...], str]:
    """Whole responses to requests other than HEAD, and what is wrong with the bytes, or ""."""
    answers: list[Answer] = []
    while data:
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=b"GET", target=b"/", headers=[(b"Host", b"a")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(data)
        reader.receive_data(b"")
        try:
            answer = _read_answer(reader)
        except h11.RemoteProtocolError as error:
            return tuple(answers), f"{error}: {data[:300]!r}"
        answers.append(answer)
        data = bytes(reader.trailing_data[0])
    return tuple(answers), ""


def _read_answer(reader: h11.Connection) -> Answer:
    head: h11.Response | None = None
    body = b""
    while True:
        event = reader.next_event()
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            break
    assert head is not None
    fields = dict(head.headers)
    if fields.get(b"content-type", b"").startswith(b"text/") or head.status_code != 200:
        return Answer(head.status_code, fields.get(b"x-request-id", b"").decode(), frozenset(), from_application=False)
    markers = frozenset(_MARKER.findall(body.decode()))
    return Answer(head.status_code, json.loads(body)["request_id"], markers, from_application=True)
