"""The world of `lbmesh dev`: three zones, a balancer and two replicas in each, and what they are called."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from lbmesh.model.address import Address

ZONES = ("a", "b", "c")
REPLICAS_PER_ZONE = 2
LISTEN_PORT = 8080
ADMIN_PORT = 9900
GOSSIP_PORT = 7946
REPLICA_PORT = 8000
SERVICE = "shop"


class Transport(Enum):
    """What a port is for."""

    TCP = auto()
    UDP = auto()


ChoosePort = Callable[[str, int, Transport], int]
"""Given a host and the port we would like, a port that is free there."""


@dataclass(frozen=True, slots=True)
class Balancer:
    """A node: one `lbmesh run`. `address`: where it serves the shop's clients."""

    name: str
    zone: str
    address: Address
    admin: Address
    gossip: Address

    @property
    def url(self) -> str:
        """Where the shop is, through this balancer."""
        return f"http://{self.address}/"


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of the sample shop."""

    name: str
    zone: str
    address: Address


Subject = Balancer | Replica
"""What runs as a process of its own, with a name."""


@dataclass(frozen=True, slots=True)
class World:
    """All there is."""

    balancers: tuple[Balancer, ...]
    replicas: tuple[Replica, ...]

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones' names, in order."""
        return tuple(dict.fromkeys(one.zone for one in self.balancers))

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Every balancer, then every replica."""
        return (*self.balancers, *self.replicas)

    def meant_by(self, name: str) -> tuple[Subject, ...]:
        """What a name stands for: all of a zone, or one. Empty when nothing has that name."""
        return tuple(one for one in self.subjects if name in (one.name, one.zone))

    def explain_unknown(self, name: str) -> str:
        """What to say of a name that nothing has: with the nearest one there is."""
        names = (*self.zones, *(one.name for one in self.subjects))
        near = difflib.get_close_matches(name, names, n=1)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        return f'nothing is called "{name}": {hint}`lbmesh dev names` lists the names'


def make_world(choose_port: ChoosePort) -> World:
    """Zone n lives on 127.0.n.0/24: its balancer at .1, its replicas from .21 on."""
    balancers = []
    replicas = []
    for number, letter in enumerate(ZONES, start=1):
        host, zone = f"127.0.{number}.1", f"zone-{letter}"
        balancers.append(
            Balancer(
                name=f"lb-{letter}1",
                zone=zone,
                address=Address(host, choose_port(host, LISTEN_PORT, Transport.TCP)),
                admin=Address(host, choose_port(host, ADMIN_PORT, Transport.TCP)),
                gossip=Address(host, choose_port(host, GOSSIP_PORT, Transport.UDP)),
            )
        )
        for index in range(1, REPLICAS_PER_ZONE + 1):
            host = f"127.0.{number}.{20 + index}"
            port = choose_port(host, REPLICA_PORT, Transport.TCP)
            replicas.append(Replica(f"app-{letter}{index}", zone, Address(host, port)))
    return World(tuple(balancers), tuple(replicas))
