"""What a fault means on real machines: the steps that make it, in their order. The undos go the other way."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lbmesh_chaos.faults.filters import TABLE_PREFIX, Drop, Filter, Transport
from lbmesh_chaos.faults.order import Order
from lbmesh_chaos.faults.steps import (
    AddFilter,
    Behave,
    Delay,
    FillDisk,
    Freeze,
    Hold,
    Kill,
    LimitRate,
    PushConfig,
    SetClock,
    Step,
    Terminate,
    Throttle,
    held,
    undo,
)
from lbmesh_chaos.faults.values import ENDS, MACHINES, hosts_meant
from lbmesh_chaos.model import faults
from lbmesh_chaos.model.faults import Flapping, Traffic
from lbmesh_chaos.model.world import DNS_PORT, GATEWAY_PORT, GOSSIP_PORT, REPLICA_PORT, Host, Role, World

_EVERYWHERE = ("0.0.0.0/0", "::/0")
_BURST_BYTES = 32 * 1024
"""Of the token bucket: a few full segments, so that what is within the rate is not held up."""

_WHICH = {
    Traffic.ALL: (Transport.ANY, ()),
    Traffic.GOSSIP: (Transport.ANY, (GOSSIP_PORT, GOSSIP_PORT + 1)),
    Traffic.CLIENTS: (Transport.TCP, (GATEWAY_PORT,)),
    Traffic.REPLICAS: (Transport.TCP, (REPLICA_PORT,)),
}
_Inner = faults.ClockJump | faults.DiskFull | faults.Ailing | faults.ControlPlane | faults.ConfigPoison | faults.Reload
"""What happens within a host."""
_TRAITS = ("slow_s", "errors", "truncated", "resets", "silent", "health")
"""Of a replica that ails: its behaviour's fields, called as the fault's own."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a fault is done. Each step's undo is known before the first one is taken."""

    label: str
    steps: tuple[Step, ...]
    at_most_s: float
    flapping: Flapping | None = None

    @property
    def undos(self) -> tuple[Step, ...]:
        """What takes the whole plan back, in the order in which it is to be done: last step first."""
        return tuple(undo(step) for step in reversed(self.steps))

    @property
    def holds(self) -> frozenset[Hold]:
        """All that the plan has in its hand while it stands."""
        return frozenset(held(step) for step in self.steps)


def plan(order: Order, world: World, seed: int = 0) -> Plan:
    """The steps of an order that `parse_order` took in this world. `seed`: of what a relay draws."""
    return Plan(order.label, tuple(_steps(order, world, seed)), order.at_most_s, order.flapping)


def conflict(new: Plan, standing: Iterable[Plan]) -> str | None:
    """Why a plan cannot be done while others stand, or None. What two hold is not as it was after either one's undo."""
    for other in standing:
        if other.label == new.label:
            return f'a fault "{new.label}" stands already; heal it first, or give this one another label'
        common = sorted(new.holds & other.holds, key=str)
        if common:
            return f'the fault "{other.label}" has {common[0]} in its hand; heal it first, or aim elsewhere'
    return None


def _steps(order: Order, world: World, seed: int) -> Iterator[Step]:
    table = TABLE_PREFIX + order.label.replace("-", "_")
    match order.fault:
        case faults.Kill() | faults.Leave() | faults.Freeze() | faults.Starve():
            yield from _on_processes(order.fault, world, table)
        case faults.Cut() | faults.Split() | faults.OneWay() | faults.HalfConnected() | faults.Lossy():
            yield from _on_the_network(order.fault, world, table)
        case faults.Latency() | faults.Bandwidth():
            yield from _on_links(order.fault, world, seed)
        case faults.DnsDown(names, refuses):
            resolvers = hosts_meant(world, names, (Role.RESOLVER,)) if names else world.with_role(Role.RESOLVER)
            for host in resolvers:
                silence = Drop(_EVERYWHERE, ports=(DNS_PORT,))
                yield Kill(host.name) if refuses else AddFilter(host.name, Filter(table, (silence,)))
        case faults.HalfOpen(names):
            for host in hosts_meant(world, names, (Role.REPLICA, Role.BALANCER)):
                yield AddFilter(host.name, Filter(table, (Drop(_EVERYWHERE, established=True),)))
        case _:
            yield from _within(order.fault, world)


def _on_links(fault: faults.Latency | faults.Bandwidth, world: World, seed: int) -> Iterator[Step]:
    match fault:
        case faults.Latency(names, delay_s, to, jitter_s, duplicates, overtaken):
            for host in hosts_meant(world, names, ENDS):
                others = hosts_meant(world, to, ENDS) if to else _others(world, hosts_meant(world, names, ENDS))
                networks = _addresses(one for one in others if one is not host)
                yield Delay(host.name, networks, delay_s, jitter_s, duplicates, overtaken, seed)
        case faults.Bandwidth(names, bytes_per_s, latency_s):
            for host in hosts_meant(world, names, ENDS):
                yield LimitRate(host.name, bytes_per_s, _BURST_BYTES, latency_s)


def _within(fault: _Inner, world: World) -> Iterator[Step]:
    roles = {faults.Ailing: (Role.REPLICA,), faults.ConfigPoison: (Role.BALANCER,), faults.Reload: (Role.BALANCER,)}
    for host in hosts_meant(world, fault.targets, roles.get(type(fault), MACHINES)):
        yield _inner_step(fault, host.name)


def _inner_step(fault: _Inner, host: str) -> Step:
    match fault:
        case faults.ClockJump(_, offset_s):
            return SetClock(host, offset_s)
        case faults.DiskFull():
            return FillDisk(host)
        case faults.Ailing():
            return Behave(host, tuple((trait, getattr(fault, trait)) for trait in _TRAITS if getattr(fault, trait)))
        case faults.ControlPlane(_, mode):
            return Behave(host, (("mode", str(mode)),))
        case faults.ConfigPoison(_, poison):
            return PushConfig(host, poison)
        case faults.Reload():
            return PushConfig(host, None)


def _on_processes(
    fault: faults.Kill | faults.Leave | faults.Freeze | faults.Starve, world: World, table: str
) -> Iterator[Step]:
    hosts = hosts_meant(world, fault.targets, MACHINES)
    match fault:
        case faults.Kill(_, part, silent, forgets):
            # All fall silent before the first one dies, so that nobody in a dying zone hears of it either.
            if silent:
                yield from (AddFilter(host.name, Filter(table, (), mute=True)) for host in hosts)
            yield from (Kill(host.name, part, forgets) for host in hosts)
        case faults.Leave(_, grace_s):
            yield from (Terminate(host.name, grace_s) for host in hosts)
        case faults.Freeze(_, part):
            yield from (Freeze(host.name, part) for host in hosts)
        case faults.Starve(_, share, period_s):
            yield from (Throttle(host.name, share, period_s) for host in hosts)


def _on_the_network(
    fault: faults.Cut | faults.Split | faults.OneWay | faults.HalfConnected | faults.Lossy, world: World, table: str
) -> Iterator[Step]:
    transport, ports = _WHICH[fault.traffic]
    share = fault.loss if isinstance(fault, faults.Lossy) else 1.0
    unheard: dict[str, list[Host]] = {}
    for sources, targets in _deaf(fault, world):
        for target in targets:
            unheard.setdefault(target.name, []).extend(source for source in sources if source is not target)
    for name, silenced in unheard.items():
        if silenced:
            yield AddFilter(name, Filter(table, (Drop(_addresses(silenced), transport, ports, share),)))


def _deaf(
    fault: faults.Cut | faults.Split | faults.OneWay | faults.HalfConnected | faults.Lossy, world: World
) -> Iterator[tuple[tuple[Host, ...], tuple[Host, ...]]]:
    """Whose datagrams do not reach whom: senders and receivers."""
    match fault:
        case faults.Cut(names):
            inside = hosts_meant(world, names, ENDS)
            outside = _others(world, inside)
            yield inside, outside
            yield outside, inside
        case faults.Split(groups, bridges):
            spared = hosts_meant(world, bridges, ENDS)
            sides = [_without(hosts_meant(world, group, ENDS), spared) for group in groups]
            for side in sides:
                yield tuple(host for other in sides if other is not side for host in other), side
        case faults.OneWay(sources, targets):
            yield hosts_meant(world, sources, ENDS), hosts_meant(world, targets, ENDS)
        case faults.HalfConnected(name, reaches):
            only = hosts_meant(world, (name,), ENDS)
            friends = hosts_meant(world, reaches, (Role.BALANCER,))
            strangers = _without(world.with_role(Role.BALANCER), (*only, *friends))
            yield only, strangers
            yield strangers, only
        case faults.Lossy(names):
            senders = hosts_meant(world, names, ENDS)
            yield senders, hosts_meant(world, tuple(host.name for host in world.hosts), ENDS)


def _others(world: World, hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    return _without(tuple(host for host in world.hosts if host.role in ENDS), hosts)


def _without(hosts: tuple[Host, ...], spared: tuple[Host, ...]) -> tuple[Host, ...]:
    return tuple(host for host in hosts if host not in spared)


def _addresses(hosts: Iterable[Host]) -> tuple[str, ...]:
    found = (address for host in hosts for address in (host.address, *(one.address for one in host.attachments)))
    return tuple(dict.fromkeys(found))
