"""What people do with httpx, and trip over, through the client: keys, proxies, redirects, hooks, old origins, POSTs."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trio

from lbmesh.client import AsyncMeshTransport, MeshTransport, Policy
from tests.support.balancers import balancer, close_without_answer, frozen, plain_reply, refusing
from tests.support.callers import FLAVOURS, STEADY, URL, call

KEY = {"Idempotency-Key": "order-7"}
CLIENT_DOCUMENT = Path(__file__).parents[2] / "docs/CLIENT.md"


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_post_with_a_key_is_sent_again_with_the_same_key_after_a_break(flavour: str, method: str) -> None:
    with balancer(close_without_answer) as broken, balancer() as alive:
        (got,) = call(flavour, [broken.address, alive.address], method, content=b"order", headers=KEY)
    assert (got.status, got.report.attempts) == (200, 2)
    assert broken.bodies == alive.bodies == [b"order"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_post_with_a_key_is_never_under_way_twice(flavour: str) -> None:
    policy = Policy(spread=False, hedge_delay_s=0.05)
    with frozen() as stuck, balancer() as alive, pytest.raises(httpx.ReadTimeout):
        call(
            flavour,
            [stuck.address, alive.address],
            "POST",
            headers=KEY,
            policy=policy,
            timeout=httpx.Timeout(5, read=0.3),
        )
    assert alive.seen == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_key_means_nothing_where_it_is_switched_off(flavour: str) -> None:
    policy = Policy(spread=False, idempotency_field=None)
    with balancer(close_without_answer) as broken, balancer() as alive, pytest.raises(httpx.RemoteProtocolError):
        call(flavour, [broken.address, alive.address], "POST", headers=KEY, policy=policy)
    assert alive.seen == []


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_post_does_not_trust_a_connection_whose_balancer_has_long_said_nothing(flavour: str) -> None:
    """It is dialled anew, for nothing is lost by finding out then that the balancer is dead."""
    trusting, wary = STEADY, Policy(spread=False, hedge_quantile=None, unproven_s=0.0)
    for policy, connections in ((trusting, 1), (wary, 2)):
        with balancer() as alive:
            call(flavour, [alive.address], "GET", "POST", policy=policy)
            assert (len(alive.seen), alive.accepted) == (2, connections)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_kept_connection_that_was_closed_meanwhile_costs_a_post_nothing(flavour: str) -> None:
    def answer_and_close(connection: socket.socket, line: str, body: bytes) -> bool:
        plain_reply(200, "fine")(connection, line, body)
        connection.shutdown(socket.SHUT_RDWR)
        closed.release()
        return False

    closed = threading.Semaphore(0)
    with balancer(answer_and_close) as alive:
        if flavour == "sync":
            with httpx.Client(transport=MeshTransport([alive.address])) as client:
                for _ in range(3):
                    assert client.post(URL).status_code == 200
                    assert closed.acquire(timeout=10)
        else:

            async def main() -> None:
                async with httpx.AsyncClient(transport=AsyncMeshTransport([alive.address])) as client:
                    for _ in range(3):
                        assert (await client.post(URL)).status_code == 200
                        assert closed.acquire(timeout=10)

            trio.run(main) if flavour == "trio" else asyncio.run(main())
        assert alive.accepted == 3


def http_1_0(connection: socket.socket, _line: str, _body: bytes) -> bool:
    """No length: the body ends with the connection."""
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold but well")
    return False


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_http_1_0_origin_is_served_with_a_connection_for_each_request(flavour: str) -> None:
    with balancer(http_1_0) as old:
        got = call(flavour, [old.address], "GET", "GET")
        assert [each.text for each in got] == ["old but well"] * 2
        assert old.accepted == 2


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_proxies_of_the_environment_are_not_used(flavour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as proxy, balancer() as alive:
        for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, f"http://{proxy}")
        (got,) = call(flavour, [alive.address], "GET")
    assert got.status == 200


def moved(connection: socket.socket, line: str, body: bytes) -> bool:
    """/basket is elsewhere."""
    if "/basket" not in line:
        return plain_reply(200, "here")(connection, line, body)
    connection.sendall(
        b"HTTP/1.1 303 See Other\r\nLocation: http://other.example.com/found\r\nContent-Length: 0\r\n\r\n"
    )
    return True


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_redirects_go_to_the_balancers_too(flavour: str) -> None:
    with refusing() as dead, balancer(moved) as alive:
        (got,) = call(flavour, [dead, alive.address], "GET", follow_redirects=True)
    assert got.text == "here"
    assert alive.seen == ["GET /basket HTTP/1.1", "GET /found HTTP/1.1"]


def test_event_hooks_see_one_request_and_one_answer_however_many_attempts() -> None:
    seen: list[str] = []
    hooks: dict[str, list[Callable[..., object]]] = {
        "request": [lambda request: seen.append(request.method)],
        "response": [lambda response: seen.append(str(response.status_code))],
    }
    with balancer(close_without_answer) as broken, balancer() as alive:
        transport = MeshTransport([broken.address, alive.address], policy=STEADY)
        with httpx.Client(transport=transport, event_hooks=hooks) as client:
            assert client.get(URL).extensions["lbmesh"].attempts == 2
    assert seen == ["GET", "200"]


def _examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", CLIENT_DOCUMENT.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("example", _examples())
def test_the_documents_examples_run(example: str) -> None:
    """With the balancers' addresses exchanged for a live one, and the awaits in a function."""
    with balancer() as alive:
        port = alive.address.rpartition(":")[2]
        code = re.sub(r"10\.0\.[0-9]\.10:80\b", alive.address, example)
        code = re.sub(r"shop\.mesh\.example\.com:80\b", f"localhost:{port}", code)
        code = re.sub(r'"zone-b": \["[^"]*"\]', '"zone-b": ["127.0.0.1:9"]', code)
        space: dict[str, object] = {}
        if "await " in code or "async with" in code:
            lines = "".join(f"    {line}\n" for line in code.splitlines())
            exec(compile(f"async def main():\n{lines}", "CLIENT.md", "exec"), space)
            trio.run(space["main"])  # type: ignore[arg-type]
        else:
            exec(compile(code, "CLIENT.md", "exec"), space)


def test_services_do_not_share_connections() -> None:
    """Each is one TLS name; over plain HTTP a balancer may route by it."""
    with balancer() as alive, httpx.Client(transport=MeshTransport([alive.address])) as client:
        for host in ("a.example.com", "b.example.com", "a.example.com"):
            assert client.get(f"http://{host}/").status_code == 200
        assert alive.accepted == 2


def test_a_hedges_loser_is_not_used_again() -> None:
    """It is in the middle of an answer that nobody reads."""
    first_reply = threading.Event()

    def late_once(connection: socket.socket, line: str, body: bytes) -> bool:
        if not first_reply.is_set():
            first_reply.wait(10)
            plain_reply(200, "too late")(connection, line, body)
            return True
        return plain_reply(200, "fine")(connection, line, body)

    policy = Policy(spread=False, hedge_delay_s=0.05, rest_s=0.001, rest_max_s=0.001)
    with (
        balancer(late_once) as slow,
        balancer() as quick,
        httpx.Client(transport=MeshTransport([slow.address, quick.address], policy=policy)) as client,
    ):
        assert client.get(URL).text == "fine"
        first_reply.set()
        for _ in range(5):
            time.sleep(0.01)  # its rest is over: each of these may be the one that tries it
            assert client.get(URL).text == "fine", "never the answer of the request before"


@pytest.mark.parametrize(
    ("url", "words"), [("/basket", '"/basket" has no scheme: write http://'), ("ftp://a/", '"ftp://" is not supported')]
)
def test_a_url_that_names_no_service_is_told(url: str, words: str) -> None:
    transport = MeshTransport(["127.0.0.1:9"])
    with httpx.Client(transport=transport) as client, pytest.raises(httpx.UnsupportedProtocol, match=words):
        client.get(url)
