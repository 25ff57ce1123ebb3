"""Who sends what during a drill: a table of flows for the clients of each zone, and an order for each load process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lbmesh.model.address import Address
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.load.template import RequestTemplate
from lbmesh_chaos.model.flow import Body, Flow, Kind, Method
from lbmesh_chaos.model.world import GATEWAY_PORT, Role, World
from lbmesh_chaos.toolkit.extension import Load
from lbmesh_chaos.toolkit.target_load import TargetLoad

_Table = Sequence[tuple[Kind, Method, Body, float]]
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
    """An order, and the client host that it is carried out on; of an aimed drill, the zone that it stands for."""

    host: str
    order: Order


@dataclass(frozen=True, slots=True)
class _Client:
    """Who asks. `addresses`: as its zone's clients know them."""

    host: str
    zone: str
    addresses: tuple[str, ...]


def orders(world: World, load: Load, start_s: float, log_of: str, seed: int) -> tuple[Placed, ...]:
    """One for each engine on each client host. `log_of`: the log's path, with {host} and {client} to be put in."""
    asking = [
        _Client(host.name, host.zone, _addresses(world, host.zone, load.first)) for host in world.with_role(Role.CLIENT)
    ]
    common = _Common(world.service.host, start_s, f"{start_s * 1e3:.0f}", log_of, seed)
    return _orders(asking, load, (_PLAIN, _MESH), common)


def aimed_orders(
    allowed: TargetLoad, load: Load, start_s: float, run: str, log_of: str, seed: int
) -> tuple[Placed, ...]:
    """One for each engine and each zone that has an address: what clients there would send. `run`: as of a Flow."""
    asking = [_Client(zone, zone, allowed.nearest_to(zone)) for zone in allowed.zones]
    common = _Common(allowed.host, start_s, run, log_of, seed, allowed.template)
    return _orders(asking, load, (_asked(_PLAIN, allowed.template), _asked(_MESH, allowed.template)), common)


def requests_in(placed: Iterable[Placed]) -> int:
    """How many requests all of it comes to."""
    return sum(len(one.order.due_s(index)) for one in placed for index in range(len(one.order.flows)))


@dataclass(frozen=True, slots=True)
class _Common:
    """What is the same in all orders of a drill."""

    service_host: str
    start_s: float
    run: str
    log_of: str
    seed: int
    template: RequestTemplate | None = None


def _orders(
    clients: Sequence[_Client], load: Load, tables: tuple[_Table, _Table], common: _Common
) -> tuple[Placed, ...]:
    placed = []
    for one in clients:
        flows = _flows(one, load.rate / len(clients), load.plain_share, tables, common.run)
        for number, kinds in enumerate(_ENGINES):
            mine = tuple(flow for flow in flows if flow.kind in kinds)
            if not mine:
                continue
            client = f"{one.host}-{mine[0].kind}"
            order = Order(
                client,
                mine,
                one.addresses,
                common.start_s,
                load.lasts_s,
                common.log_of.format(host=one.host, client=client),
                host=common.service_host,
                deadline_s=load.deadline_s,
                seed=common.seed + number,
                template=common.template,
            )
            placed.append(Placed(one.host, order))
    return tuple(placed)


def _flows(
    client: _Client, rate: float, plain_share: float, tables: tuple[_Table, _Table], run: str
) -> tuple[Flow, ...]:
    of_both = zip(tables, (plain_share, 1.0 - plain_share), strict=True)
    return tuple(
        Flow(f"{client.host}-{kind}-{method}-{body}", client.zone, kind, method, body, rate * whole * share, run)
        for table, whole in of_both
        if whole
        for kind, method, body, share in table
    )


def _asked(table: _Table, template: RequestTemplate) -> _Table:
    """The same without streams, and without the methods that the template does not ask by: their share goes to the
    rest.
    """
    shares: dict[tuple[Kind, Method], float] = {}
    for kind, method, _, share in table:
        if template.target(method):
            shares[kind, method] = shares.get((kind, method), 0.0) + share
    whole = sum(shares.values())
    return [(kind, method, Body.SMALL, share / whole) for (kind, method), share in shares.items()]


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
