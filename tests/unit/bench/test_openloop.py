"""When requests of the open-loop generator are due, and what becomes of each."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import mean

import pytest

from tests.bench.heads import browser_heads, same_heads
from tests.bench.openloop import BUCKET_S, Generator, Order, Outcome, answer_bytes, schedule, slowest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nConnection: close\r\n\r\nbusy"


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket, bytes], None]) -> Iterator[int]:
    """A server that has `answer` do with each head what it likes."""

    def serve(connected: socket.socket) -> None:
        with connected, contextlib.suppress(OSError):
            while data := connected.recv(65_536):
                answer(connected, data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        thread = threading.Thread(target=accept)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def outcome(port: int, *, close: bool = False, deadline_s: float = 5.0, connections_max: int = 32) -> Outcome:
    order = Order(
        port,
        rate=200,
        seconds=0.3,
        body_bytes=2,
        head="same",
        warmup_s=0.0,
        connections=2,
        connections_max=connections_max,
        close=close,
        deadline_s=deadline_s,
    )
    return Generator(order).run()


def test_the_schedule_is_the_rate_asked_for_and_the_same_for_the_same_seed() -> None:
    times = schedule(1000, 20, seed=1)
    assert times == schedule(1000, 20, seed=1) != schedule(1000, 20, seed=2)
    assert list(times) == sorted(times)
    assert times[-1] < 20
    assert abs(len(times) / 20 - 1000) < 50
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert abs(mean(gap > 0.001 for gap in gaps) - 0.368) < 0.03, "gaps of a Poisson process are exponential"


@pytest.mark.parametrize("close", [False, True])
def test_all_are_answered_by_a_server_that_answers(close: bool) -> None:
    with serving(lambda connected, _: connected.sendall(OK)) as port:
        found = outcome(port, close=close)
    assert found.due == found.good > 20
    assert (found.refused, found.late, found.broken) == (0, 0, 0)
    assert 0 < found.p50_us <= found.p99_us <= found.longest_us


def test_an_answer_in_pieces_is_one() -> None:
    def answer(connected: socket.socket, _: bytes) -> None:
        for position in range(0, len(OK), 7):
            connected.sendall(OK[position : position + 7])

    with serving(answer) as port:
        found = outcome(port)
    assert found.due == found.good


def test_another_status_is_no_good_answer() -> None:
    with serving(lambda connected, _: connected.sendall(BUSY)) as port:
        found = outcome(port)
    assert (found.good, found.refused) == (0, found.due)
    assert found.statuses == {"503": found.due}


def test_what_is_not_answered_in_time_is_late_and_its_connection_is_closed() -> None:
    with serving(lambda *_: None) as port:
        found = outcome(port, deadline_s=0.1)
    assert (found.good, found.late) == (0, found.due)
    assert found.connections > 2, "clients that wait do not hold up others"


def test_a_request_that_waits_for_a_connection_counts_the_wait() -> None:
    with serving(lambda *_: None) as port:
        found = outcome(port, deadline_s=0.1, connections_max=2)
    assert found.connections == 2
    assert (found.good, found.late) == (0, found.due)


def test_a_connection_that_is_closed_is_broken() -> None:
    with serving(lambda connected, _: connected.shutdown(socket.SHUT_RDWR)) as port:
        found = outcome(port)
    assert (found.good, found.broken) == (0, found.due)


def test_a_server_that_is_not_there_breaks_all() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        found = outcome(bound.getsockname()[1], close=True)
    assert (found.good, found.broken) == (0, found.due)


@pytest.mark.parametrize(
    ("data", "length"),
    [(OK, len(OK)), (OK[:-1], len(OK)), (OK[:20], None), (BUSY, len(BUSY)), (b"HTTP/1.1 502 x\r\n\r\n", 18)],
)
def test_the_length_of_an_answer(data: bytes, length: int | None) -> None:
    assert answer_bytes(data, body_bytes=2) == length


def test_the_slowest_of_each_bucket() -> None:
    latencies = [(10.0, 0.001), (10.0 + BUCKET_S / 2, 0.003), (10.0 + 2.5 * BUCKET_S, 0.002)]
    assert slowest(latencies, 10.0) == [3000, 0, 2000]


def test_heads_are_whole_and_differ_where_they_should() -> None:
    (same,) = same_heads("bench")
    assert same == b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"
    assert same_heads("bench", close=True) == [b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"]
    heads = browser_heads("bench", count=100)
    assert len(set(heads)) == 100
    assert all(head.endswith(b"\r\n\r\n") and head.count(b"\r\n") == 13 for head in heads)
    assert all(b"\r\nConnection: close\r\n" in head for head in browser_heads("bench", close=True, count=10))
