"""[[service]]: what is balanced."""

from lbmesh.config import values
from lbmesh.config.affinity import read_hash, read_sticky
from lbmesh.config.health import read_health
from lbmesh.config.outliers import read_outliers
from lbmesh.config.restraint import read_concurrency, read_hedging, read_limits
from lbmesh.config.table import Files, Table
from lbmesh.config.tls import read_service_tls
from lbmesh.model.address import Address
from lbmesh.model.service import Replica, Service
from lbmesh.model.traffic import Timeouts, TrafficPolicy

WEIGHT_MAX = 100
RETRIES_MAX = 10


def read_services(root: Table, files: Files) -> tuple[tuple[Service, ...], list[Table]]:
    """All services in the file's order, and the tables that they came from."""
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
        services.append(_read_service(table, name or "", files))
    return tuple(services), tables


def _read_service(table: Table, name: str, files: Files) -> Service:
    for key in ("hosts", "paths", "maintenance"):
        table.known.add(key)
    traffic, tls = _read_traffic(table), read_service_tls(table, files)
    service = Service(
        name=name,
        replicas=_read_replicas(table),
        traffic=traffic,
        health=read_health(table, files, tls, traffic.proxy_protocol),
        outliers=read_outliers(table),
        tls=tls,
    )
    table.close()
    return service


def _read_traffic(service: Table) -> TrafficPolicy:
    default = TrafficPolicy()
    balance = service.optional("balance", values.balance, default.balance)
    policy = TrafficPolicy(
        balance=balance,
        retries=service.optional("retries", values.whole_number(0, RETRIES_MAX), default.retries),
        timeouts=_read_timeouts(service),
        slow_start_s=service.optional("slow_start", values.duration_or_none_s, default.slow_start_s),
        limits=read_limits(service),
        hedging=read_hedging(service),
        concurrency=read_concurrency(service),
        hash=read_hash(service, balance),
        sticky=read_sticky(service),
        proxy_protocol=service.optional("proxy_protocol", values.proxy_version_or_none, None),
        connect=service.optional("connect", values.boolean, default.connect),
        abort_on_close=service.optional("abort_on_close", values.boolean, default.abort_on_close),
    )
    if policy.hedging is not None and (policy.hash is not None or policy.sticky is not None):
        service.error(
            "requests that belong to a replica (hash, sticky) are never hedged; remove one of the two", "hedge"
        )
    if policy.concurrency is not None and policy.concurrency.least > policy.limits.active:
        service.error(
            f"least may not be above limits.active, which is {policy.limits.active}; write a smaller number",
            "concurrency",
        )
    return policy


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
        request_s=table.optional("request", values.duration_s, default.request_s),
        tunnel_s=table.optional("tunnel", values.duration_s, default.tunnel_s),
    )
    table.close()
    return timeouts
