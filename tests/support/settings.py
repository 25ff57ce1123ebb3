"""Settings for tests: any valid ones, and the file that says them."""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from hypothesis import strategies as st

from lbmesh.config.settings import (
    AdminSettings,
    GossipSettings,
    ListenerSettings,
    LogSettings,
    NodeSettings,
    Settings,
)
from lbmesh.model.address import Address
from lbmesh.model.check import GrpcProbe, HttpProbe, Probe, ProbeMethod, ProbeTls, StatusRange, TcpProbe
from lbmesh.model.limits import OVERLOAD_MIN_S, ForwarderLimits
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ForwardedField, ProvenancePolicy, ProxyVersion
from lbmesh.model.restraint import AdaptiveConcurrency, Hedging, ServiceLimits
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.service import HealthCheck, Outliers, Replica, Service
from lbmesh.model.traffic import Balance, HashKey, SameSite, Sticky, Timeouts, TrafficPolicy
from tests.support.route_rules import conditions, route_rules, written_route

KEY_FILE = Path("/etc/lbmesh/gossip.key")
TOKEN_FILE = Path("/etc/lbmesh/admin.token")
CA_FILE = Path("/etc/lbmesh/tls/ca.pem")
CA = "as read\n"

# Drawn from lists where the grammar has unit tests of its own: whole settings are slow to draw as it is.
names = st.sampled_from(["a", "zone-b", "Shop.1", "9", "x" * 63, "lb_a1"])
seconds = st.integers(1, 24 * 3600 * 1000).map(lambda milliseconds: milliseconds / 1000)
overloads = st.just(0.0) | seconds.filter(lambda overload_s: overload_s >= OVERLOAD_MIN_S)
ports = st.integers(1, 65535)
ip_literals = st.sampled_from(["10.0.0.1", "127.0.0.1", "203.0.113.10", "::1", "2001:db8::20", "fe80::1%eth0"])
ip_addresses = st.builds(Address, ip_literals, ports)
seeds = ip_addresses | st.builds(Address, st.sampled_from(["localhost", "lb-b1.example.com"]), ports)
weights = st.integers(1, 100)
hosts = st.sampled_from(["*", "*.example.com", "shop.example.com", "10.0.0.1", "[2001:db8::1]", "localhost"])
paths = st.sampled_from(["/", "/a", "/a/b", "/%2F;x=1"])
replicas = st.builds(Replica, ip_addresses, names, weights)
timeouts = st.builds(Timeouts, seconds, seconds, seconds, st.none() | seconds)
hash_keys = st.builds(
    HashKey,
    header=st.none() | st.just("X-User"),
    cookie=st.none() | st.just("session"),
    path=st.booleans(),
    source=st.just(True),
    balance_factor=st.just(0) | st.integers(101, 1000),
)
stickies = st.builds(
    Sticky,
    cookie=st.sampled_from(["lbmesh", "a.b"]),
    ttl_s=st.none() | st.integers(1, 86_400).map(float),
    path=st.sampled_from(["/", "/shop"]),
    domain=st.none() | st.just("example.com"),
    secure=st.just(True),
    http_only=st.booleans(),
    same_site=st.none() | st.sampled_from(SameSite),
    secret=st.sampled_from(["", "0123456789abcdef"]),
)


counts = st.integers(1, 1_000_000)
service_limits = st.builds(ServiceLimits, counts, counts, counts, st.just(0) | counts, seconds)
hedgings = st.builds(Hedging, st.none() | seconds, st.integers(1, 50))


@st.composite
def traffic_policies(draw: st.DrawFn) -> TrafficPolicy:
    balance = draw(st.sampled_from(Balance))
    limits = draw(service_limits)
    sticky = draw(st.none() | stickies)
    is_bound = balance is Balance.RING_HASH or sticky is not None
    return TrafficPolicy(
        balance,
        draw(st.integers(0, 10)),
        draw(timeouts),
        draw(st.just(0.0) | seconds),
        limits=limits,
        hedging=None if is_bound else draw(st.none() | hedgings),
        concurrency=draw(st.none() | st.builds(AdaptiveConcurrency, st.integers(1, limits.active))),
        proxy_protocol=draw(st.none() | st.sampled_from(ProxyVersion)),
        hash=draw(hash_keys) if balance is Balance.RING_HASH else None,
        sticky=sticky,
        connect=draw(st.booleans()),
        abort_on_close=draw(st.booleans()),
    )


whole = st.integers(1, 100)
networks = st.sampled_from(["10.0.0.0/8", "2001:db8::/32", "127.0.0.1/32"])
listener_policies = st.builds(ListenerPolicy, st.lists(networks, max_size=2).map(tuple))
provenance_policies = st.builds(
    ProvenancePolicy,
    st.lists(networks, max_size=2).map(tuple),
    st.sampled_from([ForwardedField.X_FORWARDED, ForwardedField.FORWARDED]),
    st.lists(st.sampled_from(ForwardedField), min_size=1, max_size=3, unique=True).map(tuple),
)

texts = st.none() | st.sampled_from(["ok", '"status"\\s*:', "PING\r\n", "é\0"])
authorities = st.none() | st.sampled_from(["shop.internal", "shop.internal:8080", "[2001:db8::1]:80", "10.0.0.1"])
field_names = st.sampled_from(["X-Check", "x_app", "Authorization"])
field_values = st.sampled_from(["1", "Bearer a b", '"quoted"'])
http_probes = st.builds(
    HttpProbe,
    path=paths,
    method=st.just(ProbeMethod.GET) | st.just(ProbeMethod.OPTIONS),
    host=authorities,
    headers=st.dictionaries(field_names, field_values, max_size=2).map(lambda each: tuple(each.items())),
    status=st.sampled_from([(200, 200), (200, 399), (204, 299)]).map(lambda each: (StatusRange(*each),)),
    body=texts,
    headers_match=st.dictionaries(field_names, st.none() | field_values, max_size=2).map(
        lambda each: tuple(each.items())
    ),
)
probes: st.SearchStrategy[Probe] = (
    http_probes
    | st.builds(TcpProbe, texts, texts)
    | st.builds(GrpcProbe, st.sampled_from(["", "shop.v1.Shop"]), authorities)
)
probe_tls = (
    st.none()
    | st.builds(ProbeTls, st.none() | st.just("shop.internal"), verify=st.booleans())
    | st.just(ProbeTls(ca=CA_FILE, ca_certificates=CA))
)


outliers = st.builds(Outliers, st.integers(1, 99), whole, seconds)


@st.composite
def health_checks(draw: st.DrawFn) -> HealthCheck:
    timeout_s, interval_s = sorted((max(0.01, draw(seconds)), max(0.1, draw(seconds))))
    port = draw(st.none() | ports)
    proxy_protocol = draw(st.none() | st.sampled_from(ProxyVersion))
    return HealthCheck(
        draw(probes), interval_s, timeout_s, draw(whole), draw(whole), port, draw(probe_tls), proxy_protocol
    )


@st.composite
def services(draw: st.DrawFn, name: str) -> Service:
    unique = st.lists(replicas, min_size=1, max_size=3, unique_by=lambda replica: replica.address)
    return Service(
        name=name,
        replicas=tuple(draw(unique)),
        traffic=draw(traffic_policies()),
        health=draw(st.none() | health_checks()),
        outliers=draw(st.none() | outliers),
    )


@st.composite
def route_sets(draw: st.DrawFn, service_names: list[str]) -> tuple[Route, ...]:
    """Routes that lead to every service, each host and path once."""
    leads = draw(
        st.lists(st.tuples(hosts, paths), min_size=len(service_names), max_size=len(service_names) + 2, unique=True)
    )
    routes = []
    for number, (host, path) in enumerate(leads):
        others = draw(st.lists(st.sampled_from(service_names), max_size=2))
        targets = dict.fromkeys([service_names[number % len(service_names)], *others])
        prefixes, exact_paths = ((path,), ()) if draw(st.booleans()) else ((), (path,))
        routes.append(
            Route(
                (host,),
                prefixes,
                tuple(WeightedService(name, draw(weights)) for name in targets),
                exact_paths,
                draw(st.none() | conditions),
                draw(st.none() | route_rules([name for name in service_names if name not in targets], len(targets))),
            )
        )
    return tuple(routes)


gossips = st.builds(
    GossipSettings,
    bind=ip_addresses,
    advertise=ip_addresses,
    seeds=st.lists(seeds, max_size=2).map(tuple),
    key_file=st.just(KEY_FILE),
    keys=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=2, unique=True).map(tuple),
    heartbeat_bind=ip_addresses | st.none(),
).filter(lambda gossip: gossip.bind != gossip.heartbeat_bind)
admins = st.builds(
    AdminSettings,
    bind=ip_addresses,
    token_file=st.just(TOKEN_FILE),
    token=st.sampled_from(["secret", "a.B~c+d/e-f_9=="]),
    drills=st.booleans(),
)


@st.composite
def settings(draw: st.DrawFn) -> Settings:
    """Any settings that a file can say."""
    service_names = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    binds = draw(st.lists(ip_addresses, min_size=1, max_size=2, unique=True))
    return Settings(
        node=draw(st.builds(NodeSettings, names, names, st.just(Path("/var/lib/lbmesh")), seconds)),
        listeners=tuple(ListenerSettings(bind, draw(listener_policies)) for bind in binds),
        services=tuple(draw(services(name)) for name in service_names),
        routes=draw(route_sets(service_names)),
        workers=draw(st.integers(1, 256)),
        limits=draw(st.builds(ForwarderLimits, seconds, seconds, counts, seconds, overload_s=overloads)),
        provenance=draw(provenance_policies),
        gossip=draw(st.none() | gossips),
        admin=draw(st.none() | admins.filter(lambda admin: admin.bind not in binds)),
        log=draw(
            st.builds(
                LogSettings,
                st.sampled_from(["stdout", "off", "/var/log/lbmesh.log"]),
                st.sampled_from(["debug", "info", "warning", "error"]),
            )
        ),
    )


def secrets_of(settings: Settings) -> dict[Path, str]:
    """The secret files that these settings are read with."""
    files = {}
    if settings.gossip:
        files[KEY_FILE] = "".join(f"{key.hex()}\n" for key in settings.gossip.keys)
    if settings.admin and settings.admin.token:
        files[TOKEN_FILE] = f"{settings.admin.token}\n"
    files[CA_FILE] = CA
    return files


def render(settings: Settings) -> str:
    """The file that says these settings, every key written out, every route in its long form."""
    node, limits, log, provenance = settings.node, settings.limits, settings.log, settings.provenance
    tables = [
        _table(
            "[node]",
            name=node.name,
            zone=node.zone,
            state_dir=node.state_dir,
            drain_timeout=_duration(node.drain_timeout_s),
            lame_duck=_duration(node.lame_duck_s),
        ),
        _table(
            "[forwarder]",
            workers=settings.workers,
            head_timeout=_duration(limits.head_timeout_s),
            keepalive_timeout=_duration(limits.keepalive_timeout_s),
            connections_max=limits.connections_max,
            upstream_idle=_duration(limits.upstream_idle_s),
            overload=_duration(limits.overload_s) if limits.overload_s else "0s",
            trusted_field=provenance.trusted_field,
            forwarded=list(provenance.forwarded),
            **({"trusted_proxies": list(provenance.trusted_proxies)} if provenance.trusted_proxies else {}),
        ),
        _table("[log]", access=log.access, level=log.level),
    ]
    if settings.gossip:
        gossip = settings.gossip
        chosen: dict[str, object] = {"heartbeat_bind": gossip.heartbeat_bind or "off"}
        if gossip.seeds:
            chosen["seeds"] = list(gossip.seeds)
        tables.append(
            _table("[gossip]", bind=gossip.bind, advertise=gossip.advertise, key_file=gossip.key_file, **chosen)
        )
    if settings.admin:
        secret = {"token_file": settings.admin.token_file} if settings.admin.token_file else {}
        drills = {"drills": True} if settings.admin.drills else {}
        tables.append(_table("[admin]", bind=settings.admin.bind, **secret, **drills))
    tables += [
        _table("[[listener]]", bind=listener.bind, proxy_protocol=list(listener.policy.proxy_protocol) or None)
        for listener in settings.listeners
    ]
    tables += [_service(service) for service in settings.services]
    tables += [
        _table(
            "[[route]]",
            hosts=list(route.hosts),
            services=[{"name": target.name, "weight": target.weight} for target in route.services],
            **written_route(route),
        )
        for route in settings.routes
    ]
    return "\n".join(tables)


def _service(service: Service) -> str:
    traffic, health = service.traffic, service.health
    timeouts = traffic.timeouts
    return _table(
        "[[service]]",
        name=service.name,
        balance=traffic.balance,
        retries=traffic.retries,
        timeouts={
            "connect": _duration(timeouts.connect_s),
            "response": _duration(timeouts.response_s),
            "idle": _duration(timeouts.idle_s),
            **({"request": _duration(timeouts.request_s)} if timeouts.request_s else {}),
        },
        health=health
        and {
            **_probe(health.probe),
            "interval": _duration(health.interval_s),
            "timeout": _duration(health.timeout_s),
            "fall": health.fall,
            "rise": health.rise,
            **({"port": health.port} if health.port else {}),
            "tls": health.tls is not None and _tls(health.tls),
            "proxy_protocol": health.proxy_protocol,
        },
        outliers=service.outliers
        and {
            "failure_percent": service.outliers.failure_percent,
            "ratio": service.outliers.ratio,
            "ejection": _duration(service.outliers.ejection_s),
        },
        slow_start=_duration(traffic.slow_start_s) if traffic.slow_start_s else "0s",
        proxy_protocol=traffic.proxy_protocol,
        connect=traffic.connect,
        abort_on_close=traffic.abort_on_close,
        limits={
            "active": traffic.limits.active,
            "replica_connections": traffic.limits.replica_connections,
            "connecting": traffic.limits.connecting,
            "pending": traffic.limits.pending,
            "pending_timeout": _duration(traffic.limits.pending_timeout_s),
        },
        hedge=traffic.hedging
        and {
            "after": "p95" if traffic.hedging.after_s is None else _duration(traffic.hedging.after_s),
            "percent": traffic.hedging.percent,
        },
        concurrency={"least": traffic.concurrency.least} if traffic.concurrency else "fixed",
        **({"hash": _written(traffic.hash)} if traffic.hash else {}),
        **({"sticky": _written(traffic.sticky)} if traffic.sticky else {}),
        replicas=[{"address": each.address, "zone": each.zone, "weight": each.weight} for each in service.replicas],
    )


def _written(value: HashKey | Sticky) -> dict[str, object]:
    """Its keys as the file has them, those left out that say nothing."""
    keys = {each.name: getattr(value, each.name) for each in fields(value)}
    ttl_s = keys.pop("ttl_s", None)
    return {
        **{key: one for key, one in keys.items() if key == "http_only" or one},
        **({} if ttl_s is None else {"ttl": _duration(ttl_s)}),
    }


def _probe(probe: Probe) -> dict[str, object]:
    match probe:
        case HttpProbe():
            wanted = {name: value or True for name, value in probe.headers_match}
            keys = {
                "path": probe.path,
                "method": probe.method,
                "host": probe.host,
                "headers": dict(probe.headers),
                "status": ",".join(map(str, probe.status)),
                "body": probe.body,
                "headers_match": wanted,
            }
        case TcpProbe():
            keys = {"kind": "tcp", "send": probe.send, "expect": probe.expect}
        case GrpcProbe():
            keys = {"kind": "grpc", "grpc_service": probe.service, "host": probe.host}
    return {key: value for key, value in keys.items() if value is not None}


def _tls(tls: ProbeTls) -> dict[str, object]:
    keys = {"server_name": tls.server_name, "ca": tls.ca, "verify": tls.verify}
    return {key: value for key, value in keys.items() if value is not None}


def _table(header: str, **values: object) -> str:
    return "".join([f"{header}\n", *(f"{key} = {_toml(value)}\n" for key, value in values.items())])


def _toml(value: object) -> str:
    match value:
        case None:
            return "false"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list():
            return "[" + _joined(map(_toml, value)) + "]"
        case dict():
            return "{ " + _joined(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
        case _:
            return json.dumps(str(value))


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
