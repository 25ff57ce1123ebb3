"""The node's sockets: inherited from the service manager where they match the settings, else opened here.

The sentinel holds them for as long as the node lives, so that no child's death closes one: connections that
come meanwhile wait in the kernel.
"""

import errno
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

from lbmesh.config.settings import Settings
from lbmesh.model.address import Address
from lbmesh.model.limits import LISTEN_BACKLOG
from lbmesh.sentinel.limits import DNS_RECEIVE_BYTES, GOSSIP_RECEIVE_BYTES, HEARTBEAT_RECEIVE_BYTES

_IP_FREEBIND, _IPV6_FREEBIND = 15, 78
"""Of linux/in.h and linux/in6.h; Python names neither."""

_FIRST_INHERITED = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""

INHERITED_MAX = 256


class Purpose(Enum):
    """What a socket is for, as messages call it."""

    LISTENER = "listener"
    ADMIN = "admin"
    GOSSIP = "gossip"
    HEARTBEAT = "heartbeat"
    DNS_UDP = "dns"
    DNS_TCP = "dns over tcp"

    @property
    def type(self) -> socket.SocketKind:
        """TCP, or UDP for gossip, the heartbeat and most of DNS."""
        is_udp = self in (Purpose.GOSSIP, Purpose.HEARTBEAT, Purpose.DNS_UDP)
        return socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM


@dataclass(frozen=True, slots=True)
class NodeSockets:
    """Every socket of the node, bound and non-blocking. `listeners`: in the order of the settings; of them `own` are
    nobody else's, and do not listen before a forwarder has something to serve from: till then clients are refused at
    once, and ask the next balancer, instead of waiting for this one to be ready.

    `unmatched`: addresses of inherited sockets that the settings do not mention; those are closed again.
    """

    listeners: tuple[socket.socket, ...]
    admin: socket.socket | None
    gossip: socket.socket | None
    heartbeat: socket.socket | None
    unmatched: tuple[str, ...]
    own: tuple[socket.socket, ...] = ()
    dns_udp: tuple[socket.socket, ...] = ()
    dns_tcp: tuple[socket.socket, ...] = ()


def inherited_sockets(environment: Mapping[str, str], pid: int) -> list[socket.socket]:
    """The sockets that the service manager passed on, by the protocol of sd_listen_fds(3)."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(pid) or not count.isdecimal():
        return []
    descriptors = range(_FIRST_INHERITED, _FIRST_INHERITED + min(int(count), INHERITED_MAX))
    inherited = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    for one in inherited:
        one.set_inheritable(False)
    return inherited


def open_sockets(settings: Settings, inherited: list[socket.socket]) -> NodeSockets | tuple[str, ...]:
    """All sockets of these settings, or all problems, each with what to do about it."""
    spare = list(inherited)
    problems: list[str] = []
    opened: list[socket.socket] = []
    own: list[socket.socket] = []
    movable = {front.name for front in settings.fronts}

    def take(purpose: Purpose, address: Address) -> socket.socket | None:
        try:
            found = _take_matching(purpose, address, spare)
            if found is None:
                own.append(found := _bind(purpose, address, movable))
            found.setblocking(False)
            if purpose.type is socket.SOCK_STREAM and not (purpose is Purpose.LISTENER and found in own):
                found.listen(LISTEN_BACKLOG)
        except OSError as error:
            problems.append(_explain(purpose, address, error))
            return None
        opened.append(found)
        return found

    listeners = [take(Purpose.LISTENER, listener.bind) for listener in settings.listeners]
    admin = take(Purpose.ADMIN, settings.admin.bind) if settings.admin else None
    gossip = take(Purpose.GOSSIP, settings.gossip.bind) if settings.gossip else None
    heartbeat_bind = settings.gossip.heartbeat_bind if settings.gossip else None
    heartbeat = take(Purpose.HEARTBEAT, heartbeat_bind) if heartbeat_bind else None
    dns_tcp = [take(Purpose.DNS_TCP, bind) for bind in (settings.dns.bind if settings.dns else ())]
    # A port that the kernel chose is one port for both; one that is free of TCP is seldom taken of UDP.
    dns_udp = [take(Purpose.DNS_UDP, _own_address(one)) for one in dns_tcp if one is not None]
    unmatched = tuple(describe(one) for one in spare)
    for one in spare + (opened if problems else []):
        one.close()
    if problems:
        return tuple(problems)
    bound = tuple(filter(None, listeners))
    return NodeSockets(
        bound,
        admin,
        gossip,
        heartbeat,
        unmatched,
        tuple(one for one in bound if one in own),
        tuple(filter(None, dns_udp)),
        tuple(filter(None, dns_tcp)),
    )


def _own_address(one: socket.socket) -> Address:
    host, port = one.getsockname()[:2]
    return Address(host, port)


def describe(one: socket.socket) -> str:
    """A socket's own address, such as "tcp 127.0.0.1:80"."""
    name = one.getsockname()
    protocol = "udp" if one.type == socket.SOCK_DGRAM else "tcp"
    if one.family not in (socket.AF_INET, socket.AF_INET6):
        return f"{one.family.name} {name!r}"
    return f"{protocol} {Address(name[0], name[1])}"


def _take_matching(purpose: Purpose, address: Address, spare: list[socket.socket]) -> socket.socket | None:
    wanted = {entry[4][:2] for entry in _resolve(purpose, address)}
    for one in spare:
        if one.type == purpose.type and _names(one) & wanted:
            spare.remove(one)
            return one
    return None


def _names(one: socket.socket) -> set[tuple[str, int]]:
    """What settings may call it: "[::]" without V6ONLY, as systemd makes it, is the same as 0.0.0.0."""
    if one.family not in (socket.AF_INET, socket.AF_INET6):
        return set()
    host, port = one.getsockname()[:2]
    names = {(host, port)}
    if host == "::" and not one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        names.add(("0.0.0.0", port))
    return names


_RECEIVE_BYTES = {
    Purpose.GOSSIP: GOSSIP_RECEIVE_BYTES,
    Purpose.HEARTBEAT: HEARTBEAT_RECEIVE_BYTES,
    Purpose.DNS_UDP: DNS_RECEIVE_BYTES,
}


def _bind(purpose: Purpose, address: Address, movable: Collection[str]) -> socket.socket:
    """`movable`: addresses that this machine need not have now."""
    family, kind, protocol, _, name = _resolve(purpose, address)[0]
    one = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6:
            # "[::]:80" beside "0.0.0.0:80" must work, and must not depend on the machine's bindv6only.
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if purpose.type is socket.SOCK_DGRAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES[purpose])
        else:
            # Connections of the node that ran here before may still be in TIME_WAIT.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if purpose is Purpose.LISTENER and address.host in movable:
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
            else:
                one.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        one.bind(name)
    except OSError:
        one.close()
        raise
    return one


_Resolved = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]]


def _resolve(purpose: Purpose, address: Address) -> list[_Resolved]:
    return [
        (family, kind, protocol, canonical, name)
        for family, kind, protocol, canonical, name in socket.getaddrinfo(
            address.host, address.port, type=purpose.type, flags=socket.AI_PASSIVE
        )
        if isinstance(name[0], str)
    ]


def _explain(purpose: Purpose, address: Address, error: OSError) -> str:
    what = f"{purpose.value} {address}: "
    if isinstance(error, socket.gaierror):
        return what + f'"{address.host}" cannot be resolved ({error.strerror}): write an IP address'
    match error.errno:
        case errno.EADDRINUSE:
            flag = "u" if purpose.type is socket.SOCK_DGRAM else "t"
            return what + (
                "the port is in use. See by what with "
                f'"ss -{flag}lnp sport = :{address.port}", end that, or choose another port'
            )
        case errno.EACCES if address.port < 1024:
            return what + (
                "ports below 1024 need a privilege. Give the service CAP_NET_BIND_SERVICE "
                "(AmbientCapabilities= in its unit), have systemd pass the socket, or choose a higher port"
            )
        case errno.EADDRNOTAVAIL:
            return what + (
                "this machine does not have that address. Add it, choose one that "
                '"ip address" lists, or bind the wildcard 0.0.0.0'
            )
        case errno.EAFNOSUPPORT:
            return what + "this machine has no IPv6: enable it, or bind an IPv4 address"
        case _:
            return what + f"cannot be bound: {error.strerror}"
