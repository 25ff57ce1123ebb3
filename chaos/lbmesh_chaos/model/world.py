"""A world: zones with their hosts, what runs on each, and the addresses, which follow from the order in the file.

Zone n is 10.n.0.0/16, at most 200 of them. Its third number says what a host is for: balancers 1, replicas 2,
clients 3, resolvers 4, others 5; the fourth counts from 1. The zone's router is 10.n.0.1, and 10.0.0.n on the
backbone. Segment m is 10.m.0.0/16 with m from 201 on, and its hosts count from 10.m.0.1.

With `ipv6`, the same numbers are the last three groups: zone n is fd00::n:0:0/96, its first balancer fd00::n:1:1, its
router fd00::n:0:1, and fd00::n on the backbone.
"""

import difflib
from dataclasses import dataclass
from enum import StrEnum

from lbmesh.model.address import Address

ZONES_MAX = 200
HOSTS_PER_ROLE_MAX = 250
"""In one zone."""
SEGMENTS_MAX = 50
NAME_CHARS_MAX = 15
"""Of a host and of a zone, for a cable's end in the router is called as its host is (IFNAMSIZ is 16)."""

BACKBONE = "backbone"
"""The host that joins the routers, and the routers' interface to it."""
BRIDGE = "bridge"
"""In a router, a segment and the backbone: what all cables end in. A cable's end is named as its host or zone."""
UPLINK = "eth0"
"""A host's interface to its zone. Those to segments are eth1, eth2, … in the order of the file."""

GATEWAY_PORT = 80
"""Where balancers serve clients."""
REPLICA_PORT = 8080
ADMIN_PORT = 9900
GOSSIP_PORT = 7946
"""UDP and TCP. The heartbeat has the next one, UDP."""
DNS_PORT = 53


class Role(StrEnum):
    """What a host is for, and so what runs on it."""

    BALANCER = "balancer"
    """`lbmesh run`; its program is called "lbmesh"."""
    REPLICA = "replica"
    """The origin that logs ids; "origin"."""
    CLIENT = "client"
    """Nothing until it is told."""
    RESOLVER = "resolver"
    """A DNS server for the world's names; "dns"."""
    OTHER = "other"
    """What the file says."""
    ROUTER = "router"
    """Of one zone; every world has them, and no file names them."""
    BACKBONE = "backbone"
    SEGMENT = "segment"
    """The bridge of a segment."""


@dataclass(frozen=True, slots=True)
class Program:
    """What runs on a host while the lab is up. When it ends, only the undo of a fault starts it again."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A further interface of a host, on a segment. `address` without its mask, which is 16 bits."""

    segment: str
    interface: str
    address: str


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace. The backbone and segments have neither zone nor address.

    `programs`: what the file adds to what the role brings. `port`: where a replica serves.
    """

    name: str
    zone: str
    role: Role
    address: str
    programs: tuple[Program, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    port: int = REPLICA_PORT

    @property
    def served_at(self) -> str:
        """A replica's address with its port, as balancers have it."""
        return str(Address(self.address, self.port))


@dataclass(frozen=True, slots=True)
class Zone:
    """`number`: from 1, in the order of the file."""

    name: str
    number: int
    ipv6: bool = False

    @property
    def network(self) -> str:
        """All its addresses."""
        return f"fd00::{self.number}:0:0/96" if self.ipv6 else f"10.{self.number}.0.0/16"

    @property
    def router(self) -> str:
        """The name of its router."""
        return router_of(self.name)

    @property
    def router_address(self) -> str:
        """Within the zone."""
        return numbered(self.number, 0, 1, ipv6=self.ipv6)

    @property
    def backbone_address(self) -> str:
        """The router's, on the backbone."""
        return f"fd00::{self.number}" if self.ipv6 else f"10.0.0.{self.number}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One network that hosts of several zones share, besides their zones'. `number`: from 201."""

    name: str
    number: int
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """What the replicas are, and the balancers balance. Clients call it by the name `host`; resolvers know it."""

    name: str = "shop"
    host: str = "shop.lab"


@dataclass(frozen=True, slots=True)
class World:
    """All there is. `hosts` are those of the file, by zone, then role; routers and the backbone come by themselves."""

    name: str
    zones: tuple[Zone, ...]
    hosts: tuple[Host, ...]
    segments: tuple[Segment, ...] = ()
    service: Service = Service()
    ipv6: bool = False
    """Whether all addresses are IPv6; but each host's admin API is at its IPv4 loopback."""
    clocks: tuple[str, ...] = ()
    """The hosts whose wall clock can be set, as their programs run under libfaketime."""

    @property
    def routers(self) -> tuple[Host, ...]:
        """One for each zone, in the order of the zones."""
        return tuple(Host(zone.router, zone.name, Role.ROUTER, zone.router_address) for zone in self.zones)

    @property
    def everywhere(self) -> tuple[Host, ...]:
        """The backbone, the segments, the routers, the hosts: every namespace that the lab has."""
        bridges = (Host(f"segment-{one.name}", "", Role.SEGMENT, "") for one in self.segments)
        return (Host(BACKBONE, "", Role.BACKBONE, ""), *bridges, *self.routers, *self.hosts)

    def host(self, name: str) -> Host | None:
        """The host of this name, routers and the backbone among them."""
        return next((one for one in self.everywhere if one.name == name), None)

    def zone(self, name: str) -> Zone | None:
        """The zone of this name."""
        return next((one for one in self.zones if one.name == name), None)

    def in_zone(self, zone: str, *roles: Role) -> tuple[Host, ...]:
        """The zone's hosts, its router not among them; with roles, those of them."""
        return tuple(one for one in self.hosts if one.zone == zone and (not roles or one.role in roles))

    def with_role(self, *roles: Role) -> tuple[Host, ...]:
        """The hosts of these roles, in all zones."""
        return tuple(one for one in self.everywhere if one.role in roles)

    def meant_by(self, name: str) -> tuple[Host, ...]:
        """What a name stands for: all hosts of a zone, or one host. Empty when nothing has that name."""
        found = self.in_zone(name)
        host = self.host(name)
        return found or ((host,) if host else ())

    def explain_unknown(self, name: str) -> str:
        """What to say of a name that nothing has: with the nearest one there is."""
        names = (*(one.name for one in self.zones), *(one.name for one in self.everywhere))
        near = difflib.get_close_matches(name, names, n=1)
        hint = f'write "{near[0]}"' if near else f"write one of {', '.join(names)}"
        return f'nothing in the world "{self.name}" is called "{name}"; {hint}'


def numbered(zone: int, third: int, fourth: int, *, ipv6: bool) -> str:
    """The address of these numbers."""
    return f"fd00::{zone}:{third}:{fourth}" if ipv6 else f"10.{zone}.{third}.{fourth}"


def router_of(zone: str) -> str:
    """The name of a zone's router."""
    return f"router-{zone}"
