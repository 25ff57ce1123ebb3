"""Who sends what during a drill: a table of flows for the clients of each zone, and an order for each load process."""

from dataclasses import dataclass

from lbmesh.model.address import Address
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.model.flow import Body, Flow, Kind, Method
from lbmesh_chaos.model.world import GATEWAY_PORT, Role, World
from lbmesh_chaos.toolkit.extension import Load

_PLAIN = (
    (Kind.KEPT, Method.GET, Body.SMALL, 0.40),
    (Kind.FRESH, Method.GET, Body.SMALL, 0.20),
    (Kind.KEPT, Method.POST, Body.SMALL, 0.16),
    (Kind.FRESH, Method.KEYED_POST, Body.SMALL, 0.14),
    (Kind.KEPT, Method.GET, Body.STREAM, 0.06),
    (Kind.FRESH, Method.POST, Body.STREAM, 0.04),
)
_MESH = (
    (Kind.MESH_ASYNC, Method.GET, Body.SMALL, 0.30),
    (Kind.MESH_SYNC, Method.GET, Body.SMALL, 0.30),
    (Kind.MESH_ASYNC, Method.POST, Body.SMALL, 0.16),
    (Kind.MESH_SYNC, Method.KEYED_POST, Body.SMALL, 0.14),
    (Kind.MESH_ASYNC, Method.GET, Body.STREAM, 0.06),
    (Kind.MESH_SYNC, Method.POST, Body.STREAM, 0.04),
)
"""Kind, method, body, and the share of the requests of plain clients, or of `lbmesh.client`."""

_ENGINES = ((Kind.KEPT, Kind.FRESH), (Kind.MESH_SYNC,), (Kind.MESH_ASYNC,))
"""Kinds that share a process: those of one engine (see lbmesh_chaos.load.client)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An order, and the client host that it is carried out on."""

    host: str
    order: Order


def orders(world: World, load: Load, start_s: float, log_of: str, seed: int) -> tuple[Placed, ...]:
    """One for each engine on each client host. `log_of`: the log's path, with {host} and {client} to be put in."""
    clients = world.with_role(Role.CLIENT)
    placed = []
    for host in clients:
        flows = _flows(host.name, host.zone, load.rate / len(clients), load.plain_share, f"{start_s * 1e3:.0f}")
        for number, kinds in enumerate(_ENGINES):
            mine = tuple(flow for flow in flows if flow.kind in kinds)
            if not mine:
                continue
            client = f"{host.name}-{mine[0].kind}"
            order = Order(
                client,
                mine,
                _addresses(world, host.zone, load.first),
                start_s,
                load.lasts_s,
                log_of.format(host=host.name, client=client),
                host=world.service.host,
                deadline_s=load.deadline_s,
                seed=seed + number,
            )
            placed.append(Placed(host.name, order))
    return tuple(placed)


def _flows(host: str, zone: str, rate: float, plain_share: float, run: str) -> tuple[Flow, ...]:
    of_both = ((_PLAIN, plain_share), (_MESH, 1.0 - plain_share))
    return tuple(
        Flow(f"{host}-{kind}-{method}-{body}", zone, kind, method, body, rate * whole * share, run)
        for table, whole in of_both
        for kind, method, body, share in table
        if whole
    )


def _addresses(world: World, zone: str, first: str) -> tuple[str, ...]:
    """Of the host that comes first, then of all balancers: by name where there are resolvers, else those of the
    client's own zone before the others.
    """
    if world.with_role(Role.RESOLVER):
        domain = world.service.host.partition(".")[2]
        names = (*([f"{first}.{domain}"] if first else ()), world.service.host)
        return tuple(f"{name}:{GATEWAY_PORT}" for name in names)
    balancers = sorted(world.with_role(Role.BALANCER), key=lambda host: host.zone != zone)
    before = [host for host in world.hosts if host.name == first]
    return tuple(str(Address(host.address, GATEWAY_PORT)) for host in (*before, *balancers))
