"""The cheap ends for bodies, against each other and against ends that lose bytes."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.bench.bulk import KINDS, Bodies, Connection, answer_all, move, move_all, serve


@pytest.fixture
def port() -> Iterator[int]:
    with contextlib.closing(Bodies()) as bodies, socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening, bodies))
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("kind", KINDS)
def test_bodies_come_through_whole_one_after_the_other(port: int, kind: str) -> None:
    took_s, passed = move_all(port, kind, mib=2, connections=2, times=3)
    assert passed == 2 * 2 * 3 << 20
    assert took_s > 0


def test_an_end_of_a_chunked_body_is_seen_wherever_the_reads_fall() -> None:
    ours, theirs = socket.socketpair()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with ours, theirs:
        connection = Connection(ours, read_bytes=3)
        theirs.sendall(b"\r\n2\r\nxx\r\n0\r\n\r\n")
        assert connection.drain(head, b"1\r\ny") == 4 + 14


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", RuntimeError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", RuntimeError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\nabc", EOFError),
    ],
)
def test_a_body_that_does_not_come_through_is_an_error(answer: bytes, error: type[Exception]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
        with client, server, contextlib.closing(Bodies()) as bodies:
            server.sendall(answer)
            server.shutdown(socket.SHUT_WR)
            with pytest.raises(error):
                move(Connection(client), bodies, KINDS[0], 1)


def test_the_origin_ends_with_its_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
        client.close()
        with contextlib.closing(Bodies()) as bodies:
            answer_all(Connection(server), bodies)
        assert server.fileno() == -1
