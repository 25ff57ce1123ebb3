"""Sockets are opened or matched as the settings say, or the problem says what to do."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lbmesh.config.settings import AdminSettings, DnsSettings, GossipSettings, ListenerSettings, NodeSettings, Settings
from lbmesh.model.address import Address
from lbmesh.model.front import Front
from lbmesh.sentinel.sockets import NodeSockets, inherited_sockets, open_sockets
from tests.support.dns_zone import POLICY

ANY = Address("127.0.0.1", 0)


def settings(
    *listeners: Address,
    admin: Address | None = None,
    gossip: Address | None = None,
    heartbeat: Address = ANY,
    dns: tuple[Address, ...] = (),
) -> Settings:
    return Settings(
        node=NodeSettings("node-1", "zone-a", Path("state")),
        listeners=tuple(ListenerSettings(listener) for listener in listeners),
        services=(),
        routes=(),
        workers=1,
        admin=AdminSettings(admin) if admin else None,
        gossip=GossipSettings(gossip, gossip, (), Path("key"), (b"k" * 32,), heartbeat) if gossip else None,
        dns=DnsSettings(dns, POLICY) if dns else None,
    )


@contextmanager
def opened(settings: Settings, *inherited: socket.socket) -> Iterator[NodeSockets]:
    sockets = open_sockets(settings, list(inherited))
    assert isinstance(sockets, NodeSockets), sockets
    try:
        yield sockets
    finally:
        named = (sockets.admin, sockets.gossip, sockets.heartbeat)
        for one in (*sockets.listeners, *sockets.dns_udp, *sockets.dns_tcp, *named):
            if one is not None:
                one.close()


def problems(settings: Settings) -> tuple[str, ...]:
    sockets = open_sockets(settings, [])
    assert not isinstance(sockets, NodeSockets)
    return sockets


def address_of(one: socket.socket) -> Address:
    return Address(*one.getsockname()[:2])


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs IPv6 on loopback")


def test_all_sockets_are_bound_not_inheritable_and_never_block() -> None:
    with opened(settings(ANY, ANY, admin=ANY, gossip=ANY)) as sockets:
        everyone = (*sockets.listeners, sockets.admin, sockets.gossip, sockets.heartbeat)
        for one in everyone:
            assert one is not None
            assert not one.getblocking()
            assert not one.get_inheritable()
            assert address_of(one).port > 0
        assert sockets.admin is not None
        assert sockets.admin.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        for listener in sockets.listeners:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(listener.getsockname()[:2])
        for one in everyone[3:]:
            assert one is not None
            assert one.type == socket.SOCK_DGRAM


def test_every_problem_is_found_at_once_and_nothing_stays_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        before = len(os.listdir("/proc/self/fd"))
        found = problems(settings(ANY, address_of(tcp), admin=Address("192.0.2.1", 0), gossip=address_of(udp)))
        assert len(os.listdir("/proc/self/fd")) == before
        problems_of = dict(problem.split(": ", 1) for problem in found)
        assert list(problems_of) == [f"listener {address_of(tcp)}", "admin 192.0.2.1:0", f"gossip {address_of(udp)}"]
        in_use, no_address, also_in_use = problems_of.values()
        assert in_use.startswith(f'the port is in use. See by what with "ss -tlnp sport = :{address_of(tcp).port}"')
        assert no_address.startswith("this machine does not have that address. Add it, ")
        assert f'"ss -ulnp sport = :{address_of(udp).port}"' in also_in_use


@pytest.mark.parametrize("host", ["203.0.113.10", "2001:db8::10"])
def test_a_listener_on_a_front_needs_no_such_address_yet(host: str) -> None:
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    listener = Address(host, 0)
    (problem,) = problems(settings(listener))
    assert "does not have that address" in problem
    with opened(replace(settings(listener), fronts=(Front(listener, "zone-a"),))) as sockets:
        assert address_of(sockets.listeners[0]).host == host
    (problem,) = problems(replace(settings(admin=listener), fronts=(Front(listener, "zone-a"),)))
    assert "does not have that address" in problem


def test_an_inherited_socket_is_matched_by_address_and_type() -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(tcp.getsockname())
        where = address_of(tcp)
        with opened(settings(where, gossip=where), udp, tcp) as sockets:
            assert sockets.listeners == (tcp,)
            assert sockets.gossip is udp
            assert sockets.unmatched == ()


def test_an_inherited_socket_that_only_is_bound_is_made_to_listen() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with opened(settings(address_of(bound)), bound):
            socket.create_connection(bound.getsockname()).close()


def test_an_inherited_socket_that_matches_nothing_is_named_and_closed() -> None:
    stranger = socket.create_server(("127.0.0.1", 0))
    where = address_of(stranger)
    with opened(settings(ANY), stranger) as sockets:
        assert sockets.unmatched == (f"tcp {where}",)
        assert stranger.fileno() == -1


@needs_ipv6
def test_wildcards_of_both_families_share_a_port() -> None:
    with opened(settings(Address("::", 0))) as six:
        port = address_of(six.listeners[0]).port
        with opened(settings(Address("0.0.0.0", port))) as four:
            assert address_of(four.listeners[0]) == Address("0.0.0.0", port)


@needs_ipv6
def test_the_dual_stack_socket_that_systemd_makes_for_a_bare_port_serves_the_ipv4_wildcard() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as dual:
        port = dual.getsockname()[1]
        with opened(settings(Address("0.0.0.0", port)), dual) as sockets:
            assert sockets.listeners == (dual,)


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "x", "LISTEN_PID": "77"}],
)
def test_what_was_passed_to_somebody_else_is_left_alone(environment: dict[str, str]) -> None:
    assert inherited_sockets(environment, 77) == []


def test_dns_has_one_port_for_udp_and_tcp() -> None:
    with opened(settings(ANY, dns=(ANY, ANY))) as sockets:
        assert [one.type for one in sockets.dns_udp] == [socket.SOCK_DGRAM] * 2
        assert [one.type for one in sockets.dns_tcp] == [socket.SOCK_STREAM] * 2
        assert list(map(address_of, sockets.dns_udp)) == list(map(address_of, sockets.dns_tcp))


def test_dns_takes_inherited_sockets_of_both_kinds() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        with (
            socket.create_server(udp.getsockname()) as tcp,
            opened(settings(ANY, dns=(address_of(udp),)), udp, tcp) as one,
        ):
            assert (one.dns_udp, one.dns_tcp, one.unmatched) == ((udp,), (tcp,), ())
