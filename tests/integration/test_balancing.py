"""Balancing in a real forwarder: keys and cookies keep clients at their replica, and failing fast draws no traffic."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from time import sleep

import pytest

from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.traffic import Balance, HashKey, Sticky, TrafficPolicy
from lbmesh.model.view import View
from tests.support.forwarders import a_view, running_forwarder
from tests.support.origins import Behaviour, OriginConnection, refused_address, running_origin
from tests.support.raw_client import RawClient

SECRET = "0123456789abcdef"
BY_USER = TrafficPolicy(Balance.RING_HASH, hash=HashKey(header="X-User"))
STICKY = TrafficPolicy(sticky=Sticky(cookie="site", ttl_s=3600.0, secret=SECRET))


def naming(name: bytes, *, chunked: bool = False) -> Behaviour:
    """Answers with its name."""

    def behave(connection: OriginConnection) -> None:
        while connection.read_head():
            if chunked:
                connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n%b\r\n0\r\n\r\n" % name)
            else:
                connection.answer(name)

    return behave


@contextmanager
def origins(*behaviours: Behaviour) -> Iterator[list[Address]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_origin(behaviour)).address for behaviour in behaviours]


def view_of(
    addresses: Sequence[Address], policy: TrafficPolicy, number: int = 1, down: frozenset[int] = frozenset()
) -> View:
    view = a_view(addresses, number=number)
    (service,) = view.services
    replicas = tuple(
        replace(one, availability=Availability.DOWN) if index in down else one
        for index, one in enumerate(service.replicas)
    )
    return replace(view, services=(replace(service, traffic=policy, replicas=replicas),))


def get(client: RawClient, *fields: bytes, version: bytes = b"1.1") -> tuple[bytes, bytes | None]:
    """The body, and the cookie that the answer sets."""
    lines = b"".join(field + b"\r\n" for field in fields)
    response = client.exchange(b"GET / HTTP/%b\r\nHost: a\r\n%b\r\n" % (version, lines))
    assert response.status == 200
    return response.body, response.fields.get(b"set-cookie")


def test_a_key_has_one_home_whatever_connection_it_comes_on(tmp_path: Path) -> None:
    names = [b"a", b"b", b"c", b"d"]
    with (
        origins(*map(naming, names)) as addresses,
        running_forwarder(tmp_path, view_of(addresses, BY_USER)) as forwarder,
        forwarder.connect() as one,
        forwarder.connect() as other,
    ):
        clients = RawClient(one), RawClient(other)
        homes: dict[int, set[bytes]] = {
            user: {get(client, b"X-User: u%d" % user)[0] for client in clients} for user in range(40)
        }
        assert all(len(home) == 1 for home in homes.values())
        assert set.union(*homes.values()) == set(names)
        forwarder.send_view(view_of(addresses, BY_USER, 2, down=frozenset({0})))
        for user, home in homes.items():
            (body, _) = get(clients[0], b"X-User: u%d" % user)
            assert {body} == home or home == {b"a"} != {body}
        without_key = {get(clients[0])[0] for _ in range(60)}
        assert without_key <= {b"b", b"c", b"d"}, "balanced as by p2c"


def test_a_retry_of_a_key_goes_where_its_next_requests_go(tmp_path: Path) -> None:
    """The home refuses: who stands in for it serves this request and, while it is left out, the next ones."""
    names = [b"a", b"b", b"c"]
    with origins(*map(naming, names)) as addresses:
        replicas = [*addresses, refused_address()]
        with (
            running_forwarder(tmp_path, view_of(replicas, BY_USER)) as forwarder,
            forwarder.connect() as connection,
        ):
            client = RawClient(connection)
            for user in range(12):
                assert len({get(client, b"X-User: v%d" % user)[0] for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        (HashKey(cookie="sid"), (b"Cookie: x=1; sid=7",)),
        (HashKey(header="X-User", source=True), ()),
        (HashKey(path=True), ()),
    ],
)
def test_other_keys(tmp_path: Path, key: HashKey, fields: tuple[bytes, ...]) -> None:
    policy = TrafficPolicy(Balance.RING_HASH, hash=key)
    with (
        origins(*map(naming, [b"a", b"b", b"c"])) as addresses,
        running_forwarder(tmp_path, view_of(addresses, policy)) as forwarder,
        forwarder.connect() as connection,
    ):
        client = RawClient(connection)
        assert len({get(client, *fields)[0] for _ in range(20)}) == 1


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_cookie_keeps_a_client_at_its_replica(tmp_path: Path, chunked: bool, version: bytes) -> None:
    with (
        origins(*(naming(name, chunked=chunked) for name in (b"a", b"b", b"c"))) as addresses,
        running_forwarder(tmp_path, view_of(addresses, STICKY)) as forwarder,
    ):

        def ask(*fields: bytes) -> tuple[bytes, bytes | None]:
            with forwarder.connect() as connection:
                return get(RawClient(connection), *fields, version=version)

        first, cookie = ask()
        assert cookie is not None
        assert re.fullmatch(rb"site=[A-Za-z0-9_-]{16}; Path=/; Max-Age=3600; HttpOnly", cookie)
        pair = cookie.partition(b";")[0]
        assert [ask(b"Cookie: a=b; " + pair) for _ in range(10)] == [(first, None)] * 10
        _, again = ask(b"Cookie: site=AAAAAAAAAAAAAAAA")
        assert again is not None, "a cookie that names nobody is replaced"


def test_a_client_whose_replica_is_gone_gets_another_cookie(tmp_path: Path) -> None:
    with (
        origins(*map(naming, [b"a", b"b", b"c"])) as addresses,
        running_forwarder(tmp_path, view_of(addresses, STICKY)) as forwarder,
        forwarder.connect() as connection,
    ):
        client = RawClient(connection)
        first, cookie = get(client)
        assert cookie is not None
        pair = b"Cookie: " + cookie.partition(b";")[0]
        index = [b"a", b"b", b"c"].index(first)
        forwarder.send_view(view_of(addresses, STICKY, 2, down=frozenset({index})))
        second, other = get(client, pair)
        assert second != first
        assert other is not None
        assert get(client, b"Cookie: " + other.partition(b";")[0]) == (second, None)
        forwarder.send_view(view_of(addresses, STICKY, 3))
        assert get(client, pair) == (first, None), "the old cookie still means what it meant"


def failing_or(other: bytes) -> Callable[[OriginConnection], None]:
    def behave(connection: OriginConnection) -> None:
        while connection.read_head():
            connection.answer(b"bad", status=other, fields=b"Retry-After: 30\r\n" if b"503" in other else b"")

    return behave


def serving_in_time(connection: OriginConnection) -> None:
    while connection.read_head():
        sleep(0.003)
        connection.answer(b"good")


@pytest.mark.parametrize(("status", "most"), [(b"500 Oh No", 60), (b"429 Slow Down", 60), (b"503 Busy", 20)])
def test_who_fails_fast_draws_little(tmp_path: Path, status: bytes, most: int) -> None:
    """The failing one answers at once, the other one takes 3 ms: by latency alone, all would go to the failing one."""
    with (
        origins(failing_or(status), serving_in_time) as addresses,
        running_forwarder(tmp_path, view_of(addresses, TrafficPolicy())) as forwarder,
        forwarder.connect() as connection,
    ):
        client = RawClient(connection)
        bodies = Counter(client.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").body for _ in range(300))
        assert bodies[b"bad"] <= most
        assert bodies[b"good"] >= 300 - most


def test_a_service_without_either_gives_no_cookie(tmp_path: Path) -> None:
    with (
        origins(naming(b"a")) as addresses,
        running_forwarder(tmp_path, a_view(addresses)) as forwarder,
        forwarder.connect() as connection,
    ):
        assert get(RawClient(connection)) == (b"a", None)
