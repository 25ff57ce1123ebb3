"""[[service]] and [[route]]: what is balanced, and which requests lead there."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lbmesh.config import values
from lbmesh.config.health import read_health
from lbmesh.config.outliers import read_outliers
from lbmesh.config.table import ReadFile, Table
from lbmesh.model.address import Address
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.service import Replica, Service
from lbmesh.model.traffic import Timeouts, TrafficPolicy

WEIGHT_MAX = 100
RETRIES_MAX = 10


@dataclass(frozen=True, slots=True)
class _Lead:
    """A route and the table that it came from."""

    route: Route
    table: Table
    title: str


def read_services_and_routes(root: Table, read_certificates: ReadFile) -> tuple[tuple[Service, ...], tuple[Route, ...]]:
    """All services and routes in the file's order; routes of the long form before the shorthand."""
    tables = root.tables("service", label="name")
    if root.values.get("service", []) == []:
        root.error("missing; write [[service]] with name, hosts and replicas", "service")
    first_lines: dict[str, int] = {}
    services: list[Service] = []
    for table in tables:
        name = table.required("name", values.name, '"shop"')
        if name is not None and name in first_lines:
            table.error(f"line {first_lines[name]} has a service of this name; write another", "name", found=name)
        if name is not None:
            first_lines.setdefault(name, table.line("name"))
        services.append(_read_service(table, name or "", read_certificates))
    leads = [_read_route(table, first_lines) for table in root.tables("route")]
    leads += _shorthand(tables, {target.name for lead in leads for target in lead.route.services})
    _refuse_ambiguity(leads)
    return tuple(services), tuple(lead.route for lead in leads)


def _read_service(table: Table, name: str, read_certificates: ReadFile) -> Service:
    for key in ("hosts", "paths"):
        table.known.add(key)
    service = Service(
        name=name,
        replicas=_read_replicas(table),
        traffic=_read_traffic(table),
        health=read_health(table, read_certificates),
        outliers=read_outliers(table),
    )
    table.close()
    return service


def _read_traffic(service: Table) -> TrafficPolicy:
    default = TrafficPolicy()
    return TrafficPolicy(
        balance=service.optional("balance", values.balance, default.balance),
        retries=service.optional("retries", values.whole_number(0, RETRIES_MAX), default.retries),
        timeouts=_read_timeouts(service),
        slow_start_s=service.optional("slow_start", values.duration_or_none_s, default.slow_start_s),
    )


def _read_replicas(service: Table) -> tuple[Replica, ...]:
    example = '{ address = "10.0.1.20:8080", zone = "zone-a" }'
    tables = service.tables("replicas")
    if service.values.get("replicas", []) == []:
        service.error(f"a service needs a replica; write replicas = [{example}]", "replicas")
    replicas: dict[Address, Replica] = {}
    first_lines: dict[Address, int] = {}
    for table in tables:
        address = table.required("address", values.reachable_address, '"10.0.1.20:8080"')
        zone = table.required("zone", values.name, '"zone-a"')
        weight = table.optional("weight", values.whole_number(1, WEIGHT_MAX), 1)
        table.close()
        if address is None or zone is None:
            continue
        if address in replicas:
            table.error(f"{address} is in line {first_lines[address]} already; remove one", "address")
        replicas.setdefault(address, Replica(address, zone, weight))
        first_lines.setdefault(address, table.line("address"))
    return tuple(replicas.values())


def _read_timeouts(service: Table) -> Timeouts:
    default = Timeouts()
    table = service.table("timeouts")
    if table is None:
        return default
    timeouts = Timeouts(
        connect_s=table.optional("connect", values.duration_s, default.connect_s),
        response_s=table.optional("response", values.duration_s, default.response_s),
        idle_s=table.optional("idle", values.duration_s, default.idle_s),
    )
    table.close()
    return timeouts


def _read_hosts_and_paths(table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    hosts = table.items("hosts", values.host, ("*",), '["shop.example.com"]')
    paths = table.items("paths", values.path_prefix, ("/",), '["/"]')
    return hosts, paths


def _read_route(table: Table, known: Iterable[str]) -> _Lead:
    hosts, paths = _read_hosts_and_paths(table)
    example = '[{ name = "shop" }]'
    tables = table.tables("services")
    if table.values.get("services", []) == []:
        table.error(f"a route needs a service; write services = {example}", "services")
    targets: dict[str, WeightedService] = {}
    for target in tables:
        name = target.required("name", values.name, '"shop"')
        weight = target.optional("weight", values.whole_number(1, WEIGHT_MAX), 1)
        target.close()
        if name is None:
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f'write "{near[0]}"' if near else f'write [[service]] with name = "{name}"'
            target.error(f"no such service; {advice}", "name", found=name)
        if name in targets:
            target.error("this route names it already; add the weights up and remove one", "name", found=name)
        targets.setdefault(name, WeightedService(name, weight))
    table.close()
    number = table.keys[-1]
    assert isinstance(number, int)
    return _Lead(Route(hosts, paths, tuple(targets.values())), table, f"route #{number + 1}")


def _shorthand(tables: Iterable[Table], routed: set[str]) -> list[_Lead]:
    """The routes that services themselves ask for; a service that nothing leads to is an error."""
    leads = []
    for table in tables:
        written = table.values.get("name")
        name = written if isinstance(written, str) else ""
        if "hosts" in table.values or "paths" in table.values:
            hosts, paths = _read_hosts_and_paths(table)
            target = WeightedService(name)
            leads.append(_Lead(Route(hosts, paths, (target,)), table, f'service "{target.name}"'))
        elif name not in routed:
            table.error('no route leads here; write hosts = ["*"], or name it in a [[route]]')
    return leads


def _refuse_ambiguity(leads: Sequence[_Lead]) -> None:
    """Each host and path belongs to one route: two would leave it to their order."""
    owners: dict[tuple[str, str], tuple[_Lead, int]] = {}
    for lead in leads:
        below = [key for key in ("hosts", "paths") if key in lead.table.values][:1]
        for host in lead.route.hosts:
            for path in lead.route.paths:
                owner, line = owners.setdefault((host, path), (lead, lead.table.line(*below)))
                if owner is not lead:
                    lead.table.error(
                        f'host "{host}" with path "{path}" already belongs to {owner.title} in line {line}; '
                        "give each host and path one route",
                        *below,
                    )
