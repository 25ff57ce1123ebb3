"""Messages read as they come, however they are cut; h11 is the judge of what they mean."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh_chaos.load.messages import MalformedError, Message, MessageReader

BODIES = st.binary(max_size=300)
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    pieces = []
    for cut in cuts:
        pieces.append(data[:cut])
        data = data[cut:]
    return [piece for piece in (*pieces, data) if piece]


def _read(reader: MessageReader, data: bytes, cuts: list[int]) -> list[Message]:
    found = []
    for piece in _pieces(data, cuts):
        message = reader.feed(piece)
        while message is not None:
            found.append(message)
            message = reader.feed(b"")
    return found


def _response(body: bytes, *, chunked: bool) -> bytes:
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    server.next_event()
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    parts = [server.send(h11.Response(status_code=200, headers=[framing], reason=b"OK"))]
    parts += [server.send(h11.Data(data=body[at : at + 37])) for at in range(0, len(body), 37)]
    return b"".join(part or b"" for part in (*parts, server.send(h11.EndOfMessage())))


@given(bodies=st.lists(st.tuples(BODIES, st.booleans()), min_size=1, max_size=4), cuts=CUTS)
def test_answers_one_behind_the_other_are_what_h11_wrote(bodies: list[tuple[bytes, bool]], cuts: list[int]) -> None:
    data = b"".join(_response(body, chunked=chunked) for body, chunked in bodies)
    reader = MessageReader(responses=True)
    assert [message.body for message in _read(reader, data, cuts)] == [body for body, _ in bodies]
    assert reader.idle


@given(body=BODIES, cuts=CUTS)
def test_an_answer_without_a_length_ends_with_its_connection(body: bytes, cuts: list[int]) -> None:
    reader = MessageReader(responses=True)
    assert _read(reader, b"HTTP/1.0 200 OK\r\n\r\n" + body, cuts) == []
    message = reader.end()
    assert message is not None
    assert (message.body, message.closes) == (body, True)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshor",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
)
def test_an_answer_that_breaks_off_is_none(data: bytes) -> None:
    reader = MessageReader(responses=True)
    assert reader.feed(data) is None
    assert reader.end() is None
    assert not reader.idle


def test_an_interim_answer_is_passed_over() -> None:
    reader = MessageReader(responses=True)
    message = reader.feed(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + _response(b"body", chunked=False))
    assert message is not None
    assert (message.status, message.body) == (200, b"body")


@pytest.mark.parametrize(
    "data",
    [
        b"SMTP 220 hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
    ],
)
def test_what_is_no_http_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        MessageReader(responses=True).feed(data)


def test_a_request_says_its_target_and_whether_its_connection_ends() -> None:
    reader = MessageReader(responses=False)
    message = reader.feed(
        b"POST /small/a-1 HTTP/1.1\r\nX-Id:  a-1 \r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
    )
    assert message is not None
    assert (message.method, message.target, message.body, message.closes) == (b"POST", b"/small/a-1", b"hi", True)
    assert message.field("x-id") == "a-1"
    assert message.field("X-Other") == ""
