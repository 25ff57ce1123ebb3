"""Faults drawn by a seed from the vocabulary, for a drill of hours. Pure: the same seed, the same faults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from lbmesh_chaos.model.world import Role, World

STANDS_S = (4.0, 12.0)
"""How long a fault stands, drawn evenly."""
AT_MOST = "2m"

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A fault, as an experiment orders it. `sort`: which entry of the table it is from."""

    sort: str
    fault: str
    arguments: Arguments
    stands_s: float


def draw(rng: Random, world: World) -> Drawn:
    """One of those that are possible in this world, all sorts alike often."""
    sorts = [name for name in SORTS if not _is_impossible(name, world)]
    sort = rng.choice(sorts)
    fault, make = SORTS[sort]
    stands_s = round(rng.uniform(*STANDS_S), 1)
    return Drawn(sort, fault, {**make(rng, world), "at_most": AT_MOST}, stands_s)


def _one(*roles: Role) -> Callable[[Random, World], str]:
    return lambda rng, world: rng.choice(world.with_role(*roles)).name


_balancer, _replica = _one(Role.BALANCER), _one(Role.REPLICA)


def _zone(rng: Random, world: World) -> str:
    """One with a balancer: of the others nothing can be cut off that the service would miss alone."""
    return rng.choice(sorted({host.zone for host in world.with_role(Role.BALANCER)}))


def _two_balancers(rng: Random, world: World) -> tuple[str, str]:
    first, second = rng.sample([host.name for host in world.with_role(Role.BALANCER)], 2)
    return first, second


def _one_way(rng: Random, world: World) -> Arguments:
    first, second = _two_balancers(rng, world)
    return {"sources": first, "targets": second}


def _half(rng: Random, world: World) -> Arguments:
    first, second = _two_balancers(rng, world)
    return {"target": first, "reaches": second}


def _bridge(rng: Random, world: World) -> Arguments:
    """The other zones do not reach each other; one balancer sees both sides."""
    zones = [zone.name for zone in world.zones]
    alone = rng.choice(zones)
    rest = [name for name in zones if name != alone]
    inside = [host.name for host in world.in_zone(rest[0], Role.BALANCER)] or [_balancer(rng, world)]
    return {"groups": [[alone], rest], "bridges": inside[:1], "traffic": "gossip"}


def _part(part: str) -> Callable[[Random, World], Arguments]:
    return lambda rng, world: {"targets": _balancer(rng, world), "part": part}


def _of(whom: Callable[[Random, World], str], **more: Any) -> Callable[[Random, World], Arguments]:
    return lambda rng, world: {"targets": whom(rng, world), **more}


SORTS: Mapping[str, tuple[str, Callable[[Random, World], Arguments]]] = {
    "kill a zone": ("kill", _of(_zone, silent=True)),
    "kill a balancer's machine": ("kill", _of(_balancer, silent=True)),
    "kill a balancer's processes": ("kill", _of(_balancer)),
    "kill an agent": ("kill", _part("agent")),
    "kill a forwarder": ("kill", _part("forwarder")),
    "kill a replica": ("kill", _of(_replica)),
    "freeze a balancer": ("freeze", _of(_balancer)),
    "freeze an agent": ("freeze", _part("agent")),
    "freeze a forwarder": ("freeze", _part("forwarder")),
    "freeze a replica": ("freeze", _of(_replica)),
    "restart a balancer": ("leave", _of(_balancer, grace="10s")),
    "restart a replica": ("leave", _of(_replica, grace="10s")),
    "reload a balancer": ("reload", _of(_balancer)),
    "starve a balancer": ("starve", _of(_balancer, share=0.5)),
    "cut a zone": ("cut", _of(_zone)),
    "cut a zone's gossip": ("cut", _of(_zone, traffic="gossip")),
    "cut a zone's replicas": ("cut", _of(_zone, traffic="replicas")),
    "flapping": ("cut", _of(_zone, flapping={"stands": "1s", "rests": "1s"})),
    "one way": ("one_way", _one_way),
    "half connected": ("half_connected", _half),
    "bridge": ("split", _bridge),
    "lossy": ("lossy", _of(_zone, loss=0.02)),
    "latency": ("latency", _of(_zone, delay="20ms", jitter="10ms")),
    "bandwidth": ("bandwidth", _of(_balancer, rate="4MiB/s")),
    "full disk": ("disk_full", _of(_balancer)),
    "DNS down": ("dns_down", lambda rng, _: {"refuses": rng.random() < 0.5}),
    "slow replica": ("ailing", _of(_replica, slow="1s")),
    "silent replica": ("ailing", _of(_replica, silent=0.5)),
    "truncating replica": ("ailing", _of(_replica, truncated=0.1)),
    "resetting replica": ("ailing", _of(_replica, resets=0.1)),
    "half-open replica": ("half_open", _of(_replica)),
    "empty configuration": ("config_poison", _of(_balancer, poison="empty")),
    "poisoned configuration": ("config_poison", _of(_balancer, poison="unknown-key")),
}
"""By their names: the fault, and what makes its arguments. Left out is what no balancer can answer for: replicas that
say 500, clocks (which only worlds with `clocks` have), a provider's control plane."""

_TWO_BALANCERS = ("one way", "half connected")


def _is_impossible(sort: str, world: World) -> bool:
    balancers = len(world.with_role(Role.BALANCER))
    return (
        (sort in _TWO_BALANCERS and balancers < 2)
        or (sort == "bridge" and len(world.zones) < 3)
        or (sort == "DNS down" and not world.with_role(Role.RESOLVER))
    )
