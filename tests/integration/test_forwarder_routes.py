"""Rules of routes through a real forwarder: what is answered here, what reaches the replica, what comes back."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forwarders import ForwarderProcess, running_forwarder
from tests.support.origins import Origin, OriginConnection, answering, refused_address, running_origin
from tests.support.raw_client import RawClient, Response
from tests.support.routed import routed_view
from tests.support.wait import wait_for


@pytest.fixture
def forwarder(tmp_path: Path) -> Iterator[ForwarderProcess]:
    with running_forwarder(tmp_path) as process:
        yield process


@pytest.fixture
def heads() -> list[bytes]:
    return []


@pytest.fixture
def app(heads: list[bytes]) -> Iterator[Origin]:
    with running_origin(answering(b"app", fields=b"Server: app\r\n", heads=heads)) as origin:
        yield origin


def get(forwarder: ForwarderProcess, target: str = "/", host: str = "a.example", fields: str = "") -> Response:
    with forwarder.connect() as connection:
        return RawClient(connection).exchange(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode())


def route(rules: str) -> str:
    return f'[[route]]\nservices = [{{ name = "app" }}]\n{rules}\n'


def start_line(head: bytes) -> str:
    return head.partition(b"\r\n")[0].decode()


def fields_of(head: bytes) -> dict[str, str]:
    lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


# Conditions


def test_a_canary_by_header_method_and_query(forwarder: ForwarderProcess, app: Origin) -> None:
    routes = route("") + "".join(
        f'[[route]]\nservices = [{{ name = "next" }}]\n{condition}\n'
        for condition in ('headers = { X-Beta = "1" }', 'methods = ["POST"]', "query = { beta = true }")
    )
    with running_origin(answering(b"next")) as canary:
        forwarder.send_view(routed_view(routes, {"app": app.address, "next": canary.address}))
        assert get(forwarder).body == b"app"
        assert get(forwarder, fields="x-beta:1\r\n").body == b"next"
        assert get(forwarder, fields="X-Beta: 2\r\n").body == b"app"
        assert get(forwarder, "/?beta").body == b"next"
        with forwarder.connect() as connection:
            client = RawClient(connection)
            for body, request in ((b"app", b"GET"), (b"next", b"POST"), (b"app", b"GET"), (b"app", b"GET")):
                assert client.exchange(request + b" / HTTP/1.1\r\nHost: a\r\n\r\n").body == body


# Answers of our own


def test_a_redirect_to_https_keeps_the_url(forwarder: ForwarderProcess, app: Origin) -> None:
    forwarder.send_view(routed_view(route('redirect = { scheme = "https" }'), {"app": app.address}))
    with forwarder.connect() as connection:
        client = RawClient(connection)
        for _ in range(2):
            response = client.exchange(b"GET /a%20b//c?d=[e] HTTP/1.1\r\nHost: Shop.example:8080\r\n\r\n")
            assert (response.status, response.body) == (308, b"")
            assert response.fields[b"location"] == b"https://shop.example/a%20b//c?d=%5Be%5D"
    assert app.connections == 0
    wait_for(lambda: len(forwarder.log_lines()) == 2, "two lines in the access log")
    line = forwarder.log_lines()[0]
    assert (line["status"], line["reason"], line["attempts"], line["detail"]) == (308, "", 0, "redirected by the route")


def test_a_page_with_a_body_left_unread_closes_the_connection(forwarder: ForwarderProcess, app: Origin) -> None:
    routes = '[[route]]\nrespond = { status = 410, file = "/gone.html", headers = { X-Gone = "yes" } }\n'
    forwarder.send_view(routed_view(routes, {"app": app.address}, pages={"/gone.html": "<p>gone é"}))
    with forwarder.connect() as connection:
        client = RawClient(connection)
        response = client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (response.status, response.body) == (410, "<p>gone é".encode())
        assert response.fields[b"content-type"] == b"text/html; charset=utf-8"
        assert response.fields[b"x-gone"] == b"yes"
        head = client.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (head.status, head.body, head.fields[b"content-length"]) == (410, b"", b"10")
        response = client.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789")
        assert response.status == 410
        response = client.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        assert (response.status, response.fields[b"connection"]) == (410, b"close")
        assert client.at_end()


def test_maintenance_is_switched_by_a_view_and_lets_the_operators_through(
    forwarder: ForwarderProcess, app: Origin
) -> None:
    services = {"app": app.address}
    forwarder.send_view(routed_view(route(""), services))
    with forwarder.connect() as connection:
        client = RawClient(connection)
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        assert client.exchange(request).status == 200
        forwarder.send_view(routed_view(route('maintenance = { retry_after = "10m" }'), services, number=2))
        response = client.exchange(request)
        assert (response.status, response.fields[b"retry-after"]) == (503, b"600")
        assert response.fields[b"cache-control"] == b"no-store"
        forwarder.send_view(routed_view(route('maintenance = { allow = ["127.0.0.0/8"] }'), services, number=3))
        assert client.exchange(request).status == 200
        forwarder.send_view(routed_view(route('maintenance = { allow = ["10.0.0.0/8"] }'), services, number=4))
        assert client.exchange(request).status == 503
        forwarder.send_view(routed_view(route(""), services, number=5))
        assert client.exchange(request).status == 200


ACCESS = {
    'allow = ["127.0.0.1"]': 200,
    'allow = ["10.0.0.0/8", "::/0"]': 403,
    'deny = ["127.0.0.0/8"]': 403,
    'deny = ["10.0.0.0/8"]': 200,
    'allow = ["127.0.0.0/8"]\ndeny = ["127.0.0.1"]': 403,
}


def test_clients_are_allowed_and_denied(forwarder: ForwarderProcess, app: Origin) -> None:
    for number, (rules, status) in enumerate(ACCESS.items(), 1):
        forwarder.send_view(routed_view(route(rules), {"app": app.address}, number=number))
        assert get(forwarder).status == status, rules


def test_a_rate_limit_by_header_outlives_a_view(forwarder: ForwarderProcess, app: Origin) -> None:
    limit = route('rate_limit = { requests = 2, per = "1h", by = { header = "X-Api-Key" } }')
    forwarder.send_view(routed_view(limit, {"app": app.address}))
    assert [get(forwarder, fields="X-Api-Key: a\r\n").status for _ in range(3)] == [200, 200, 429]
    assert get(forwarder, fields="X-Api-Key: b\r\n").status == 200
    forwarder.send_view(routed_view(limit + route('hosts = ["b"]'), {"app": app.address}, number=2))
    refused = get(forwarder, fields="X-Api-Key: a\r\n")
    assert refused.status == 429
    assert 1700 < int(refused.fields[b"retry-after"]) <= 1800
    assert refused.fields[b"ratelimit-policy"] == b'"route";q=2;w=3600'
    assert refused.fields[b"ratelimit"] == b'"route";r=0;t=' + refused.fields[b"retry-after"]
    assert get(forwarder, fields="X-Api-Key: b\r\n").status == 200
    wait_for(lambda: len(forwarder.log_lines()) == 6, "six lines in the access log")
    assert [line["reason"] for line in forwarder.log_lines()].count("rate_limited") == 2


# What the replica gets


def test_rewrites_and_edits_reach_the_replica_each_time(
    forwarder: ForwarderProcess, app: Origin, heads: list[bytes]
) -> None:
    routes = route(
        'paths = ["/api"]\nrewrite = { prefix = "/v2", host = "internal.example:8080" }\n'
        '[route.request_headers]\nset = { X-Real-IP = "{client_ip}", X-Kept = "{scheme}:{host}{path}" }\n'
        'add = { Accept = "b" }\nremove = ["Cookie", "User-Agent"]'
    )
    forwarder.send_view(routed_view(routes, {"app": app.address}))
    request = (
        b"POST /api/x%2Fy?q=1 HTTP/1.1\r\nHost: Shop.example\r\nUser-Agent: u\r\nAccept: a\r\nCookie: c=1\r\n"
        b"X-Real-IP: 6.6.6.6\r\nX-Kept: no\r\n"
    )
    with forwarder.connect() as connection:
        client = RawClient(connection)
        for rest in (b"\r\n", b"\r\n", b"Content-Length: 0\r\n\r\n"):
            assert client.exchange(request + rest).status == 200
        assert client.exchange(b"GET /api/other HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
    assert start_line(heads.pop()) == "GET /v2/other HTTP/1.1"
    assert len(heads) == 3
    for head in heads:
        assert start_line(head) == "POST /v2/x%2Fy?q=1 HTTP/1.1"
        fields = fields_of(head)
        assert fields["host"] == "internal.example:8080"
        assert fields["x-forwarded-host"] == "Shop.example"
        assert fields["x-real-ip"] == "127.0.0.1"
        assert fields["x-kept"] == "http:shop.example/api/x%2Fy"
        assert not {"cookie", "user-agent"} & set(fields)
        assert head.count(b"X-Real-IP") == head.count(b"Host: internal") == 1
        assert b"Accept: a\r\n" in head
        assert b"Accept: b\r\n" in head


SPELLINGS = {
    "/api": "/v2",
    "/api/": "/v2/",
    "/api/a//b": "/v2/a/b",
    "//api/x": "/v2/x",
    "/%61pi/x": "/v2/x",
    "/x/../api/y": "/v2/y",
    "/api/x/../../api/y?a=/../b": "/v2/y?a=/../b",
    "/api/%2e%2e/api/z": "/v2/z",
}


def test_no_spelling_of_a_path_steps_out_of_the_new_prefix(
    forwarder: ForwarderProcess, app: Origin, heads: list[bytes]
) -> None:
    forwarder.send_view(routed_view(route('paths = ["/api"]\nrewrite = { prefix = "/v2" }'), {"app": app.address}))
    for target in SPELLINGS:
        assert get(forwarder, target).status == 200
    assert [start_line(head) for head in heads] == [f"GET {sent} HTTP/1.1" for sent in SPELLINGS.values()]


def test_a_regex_that_takes_too_long_or_leads_out_fails_its_own_request_only(
    forwarder: ForwarderProcess, app: Origin, heads: list[bytes]
) -> None:
    slow = r"paths = ['/slow']" "\n" r"rewrite = { regex = '^/slow/(a|aa)+$', to = '/x' }"
    out = r"paths = ['/out']" "\n" r"rewrite = { regex = '^/out(.*)', to = '/files/\1' }"
    forwarder.send_view(routed_view(route(slow) + route(out), {"app": app.address}))
    assert get(forwarder, "/slow/" + "a" * 200 + "!").status == 500
    assert get(forwarder, "/out/a").status == 400
    assert get(forwarder, "/out../a").status == 404
    assert get(forwarder, "/slow/aa?q").status == 200
    assert [start_line(head) for head in heads] == ["GET /x?q HTTP/1.1"]


def test_a_body_beyond_the_limit_is_refused_before_it_passes_or_while_it_does(forwarder: ForwarderProcess) -> None:
    received: list[bytes] = []

    def take(connection: OriginConnection) -> None:
        received.append(connection.read_to_end())

    piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    with running_origin(take) as origin:
        forwarder.send_view(routed_view(route('max_body = "100KiB"'), {"app": origin.address}))
        with forwarder.connect() as connection:
            client = RawClient(connection)
            response = client.exchange(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 102401\r\n\r\n")
            assert (response.status, response.fields[b"connection"]) == (413, b"close")
        assert origin.connections == 0
        with forwarder.connect() as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            sender = threading.Thread(target=connection.sendall, args=(7 * piece,))
            sender.start()
            assert RawClient(connection).response(b"POST").status == 413
            sender.join()
        wait_for(lambda: received, "what the replica got")
    assert received[0].count(b"x") <= 100 * 1024


def test_the_framing_of_a_body_does_not_count_against_its_limit(forwarder: ForwarderProcess) -> None:
    def count(connection: OriginConnection) -> None:
        connection.read_head()
        connection.answer(b"%d" % connection.read_until(b"0\r\n\r\n").count(b"x"))

    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with running_origin(count) as origin:
        forwarder.send_view(routed_view(route('max_body = "1000B"'), {"app": origin.address}))
        with forwarder.connect() as connection:
            response = RawClient(connection).exchange(head + 1000 * b"1\r\nx\r\n" + b"0\r\n\r\n")
            assert (response.status, response.body) == (200, b"1000")
        with forwarder.connect() as connection:
            assert RawClient(connection).exchange(head + 1001 * b"1\r\nx\r\n").status == 413


# What the client gets


def test_response_fields_are_edited_on_every_answer_of_the_route(forwarder: ForwarderProcess, app: Origin) -> None:
    edits = (
        '[route.response_headers]\nset = { Strict-Transport-Security = "max-age=63072000", X-Id = "{request_id}" }\n'
        'add = { Vary = "Origin" }\nremove = ["Server"]'
    )
    routes = (
        route(f'paths = ["/app"]\n{edits}') + f'[[route]]\nservices = [{{ name = "none" }}]\nretries = 0\n{edits}\n'
    )
    forwarder.send_view(routed_view(routes, {"app": app.address, "none": refused_address()}))
    with forwarder.connect() as connection:
        client = RawClient(connection)
        ids = []
        for target, status in ((b"/app", 200), (b"/app", 200), (b"/", 503)):
            response = client.exchange(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            assert response.status == status
            assert response.fields[b"strict-transport-security"] == b"max-age=63072000"
            assert response.fields[b"vary"] == b"Origin"
            assert b"server" not in response.fields
            ids.append(response.fields[b"x-id"])
        assert len(set(ids)) == 3
    wait_for(lambda: len(forwarder.log_lines()) == 3, "three lines in the access log")
    assert [line["request_id"] for line in forwarder.log_lines()] == [each.decode() for each in ids]
    with forwarder.connect() as connection:
        connection.sendall(b"GET /app HTTP/1.0\r\nHost: a\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"\r\nStrict-Transport-Security: max-age=63072000\r\n" in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert b"Server" not in answer


# Splits, policies


def test_a_sticky_split_keeps_a_user_on_one_side(forwarder: ForwarderProcess, app: Origin) -> None:
    routes = '[[route]]\nservices = [{ name = "app" }, { name = "next" }]\nsplit_by = { cookie = "sid" }\n'
    with running_origin(answering(b"next")) as canary:
        forwarder.send_view(routed_view(routes, {"app": app.address, "next": canary.address}))
        sides = {}
        for user in range(16):
            answers = {get(forwarder, fields=f"Cookie: a=b; sid={user}; z=1\r\n").body for _ in range(3)}
            assert len(answers) == 1
            sides[user] = answers.pop()
        assert set(sides.values()) == {b"app", b"next"}


def test_timeouts_and_retries_of_a_route_go_before_the_service_s(forwarder: ForwarderProcess) -> None:
    def silent(connection: OriginConnection) -> None:
        while connection.read_head():
            continue

    routes = (
        route('paths = ["/quick"]\ntimeouts = { response = "100ms" }\nretries = 0')
        + route('paths = ["/whole"]\ntimeouts = { request = "150ms" }')
        + route('paths = ["/thrice"]\ntimeouts = { response = "50ms" }\nretries = 2')
    )
    with running_origin(silent) as origin:
        forwarder.send_view(
            routed_view(routes, {"app": origin.address}, service_keys='retries = 1\ntimeouts = { response = "1h" }')
        )
        for target, attempts, reason in (
            ("/quick", 1, "response_timeout"),
            ("/whole", 1, "request_timeout"),
            ("/thrice", 3, "response_timeout"),
        ):
            assert get(forwarder, target).status == 504
            wait_for(lambda: forwarder.log_lines()[-1:], "a line in the access log")
            wait_for(lambda target=target: forwarder.log_lines()[-1]["path"] == target, "its line")  # type: ignore[misc]
            line = forwarder.log_lines()[-1]
            assert (line["attempts"], line["reason"]) == (attempts, reason)


def test_the_time_for_a_whole_request_cuts_off_a_response_that_trickles(forwarder: ForwarderProcess) -> None:
    ended = threading.Event()

    def trickle(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not ended.wait(0.02):
            connection.send(b"x")

    with running_origin(trickle) as origin:
        forwarder.send_view(routed_view(route('timeouts = { request = "200ms" }'), {"app": origin.address}))
        with forwarder.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                OriginConnection(connection).read_to_end()
        ended.set()
    wait_for(forwarder.log_lines, "a line in the access log")
    assert forwarder.log_lines()[0]["reason"] == "request_timeout"


# Mirrors


def mirrored(forwarder: ForwarderProcess) -> dict[str, int]:
    return {row.outcome: row.count for row in forwarder.latest_telemetry().mirrored}


def test_a_mirror_gets_copies_and_its_answers_go_nowhere(
    forwarder: ForwarderProcess, app: Origin, heads: list[bytes]
) -> None:
    copies: list[bytes] = []

    def shadow(connection: OriginConnection) -> None:
        while head := connection.read_head():
            copies.append(head + (connection.read_exactly(4) if b"Content-Length" in head else b""))
            connection.answer(b"shadow" * 1000, status=b"500 Oh")

    routes = route('mirror = { service = "shadow", methods = "all" }\nrewrite = { prefix = "/v2" }')
    with running_origin(shadow) as origin:
        forwarder.send_view(routed_view(routes, {"app": app.address, "shadow": origin.address}))
        with forwarder.connect() as connection:
            client = RawClient(connection)
            for _ in range(3):
                assert client.exchange(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").body == b"app"
        wait_for(lambda: mirrored(forwarder) == {"answered": 3}, "three copies answered")
        pooled = origin.connections
        with forwarder.connect() as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        wait_for(lambda: len(copies) == 4, "the fourth copy")
        assert origin.connections == pooled
    for copy in copies[:3]:
        assert start_line(copy) == "GET /v2/x HTTP/1.1"
        assert b"\r\nX-Mirrored: 1\r\n" in copy
    assert fields_of(copies[0])["x-request-id"] == fields_of(heads[0])["x-request-id"]
    assert b"X-Mirrored" not in heads[0]
    assert copies[3].endswith(b"\r\n\r\nbody")


def test_a_mirror_that_is_down_or_hangs_costs_the_client_nothing(forwarder: ForwarderProcess, app: Origin) -> None:
    stuck = threading.Event()

    def hang(connection: OriginConnection) -> None:
        connection.read_head()
        stuck.wait(20.0)

    with running_origin(hang) as origin:
        routes = route('paths = ["/down"]\nmirror = { service = "down" }') + route('mirror = { service = "hangs" }')
        forwarder.send_view(
            routed_view(
                routes,
                {"app": app.address, "down": refused_address(), "hangs": origin.address},
                service_keys='timeouts = { response = "100ms" }',
            )
        )
        for target in ("/down", "/"):
            assert get(forwarder, target).body == b"app"
        wait_for(lambda: mirrored(forwarder) == {"failed": 1}, "both failures")
        rows = forwarder.latest_telemetry().mirrored
        assert {row.service for row in rows} == {"down", "hangs"}
        stuck.set()


def test_what_is_not_mirrored_is_counted(forwarder: ForwarderProcess, app: Origin) -> None:
    routes = route('mirror = { service = "shadow" }') + route(
        'paths = ["/all"]\nmirror = { service = "shadow", methods = "all" }'
    )
    with running_origin(answering(b"shadow")) as origin:
        forwarder.send_view(routed_view(routes, {"app": app.address, "shadow": origin.address}))
        with forwarder.connect() as connection:
            client = RawClient(connection)
            client.exchange(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.sendall(b"POST /all HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wait_for(lambda: mirrored(forwarder) == {"left_out_body": 1}, "a body that came too late")
        assert origin.connections == 0
