"""What a reload changes: all of it hot, or something that needs a restart, and then nothing is done."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import TypeVar, assert_never

from lbmesh.config.settings import FailoverSettings, GossipSettings, LogSettings, NodeSettings, Settings
from lbmesh.gossip.identity import key_id
from lbmesh.model.address import Address
from lbmesh.model.check import GrpcProbe, HttpProbe, Probe, ProbeTls, TcpProbe
from lbmesh.model.dns import DnsPolicy
from lbmesh.model.front import KINDS, Driver, Front
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ProvenancePolicy
from lbmesh.model.restraint import AdaptiveConcurrency, Hedging, ServiceLimits
from lbmesh.model.route import Conditions, Route, WeightedService
from lbmesh.model.route_rules import RouteRules
from lbmesh.model.service import HealthCheck, Outliers, Replica, Service
from lbmesh.model.tls import KeyPair, ListenerTls, ServiceTls
from lbmesh.model.traffic import HashKey, Sticky, Timeouts, TrafficPolicy

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Hot:
    """The new settings can be put in place. `changes`: one line each; none when nothing changed."""

    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NeedsRestart:
    """The new settings are refused whole. `reasons`: one line for each change that needs a restart."""

    reasons: tuple[str, ...]


Reload = Hot | NeedsRestart


def diff(old: Settings, new: Settings) -> Reload:
    """Compare two settings of one node. The order of services, replicas and routes means nothing.

    Hot are the key ring, fronts, what DNS answers, what listeners do, services, replicas, health checks, timeouts,
    routes, limits on clients and trusted proxies.
    Whatever holds a socket, a process, a file or an identity needs a restart.
    """
    reasons = tuple(f"{change} needs a restart" for change in _fixed_changes(old, new))
    if reasons:
        return NeedsRestart(reasons)
    return Hot(tuple(_hot_changes(old, new)))


def _fixed_changes(old: Settings, new: Settings) -> Iterator[str]:
    yield from _node_changes(old.node, new.node)
    yield from _listener_changes([each.bind for each in old.listeners], [each.bind for each in new.listeners])
    yield from _change("forwarder.workers", old.workers, new.workers)
    yield from _presence("gossip", old.gossip, new.gossip)
    if old.gossip and new.gossip:
        yield from _gossip_changes(old.gossip, new.gossip)
    yield from _presence("admin", old.admin, new.admin)
    if old.admin and new.admin:
        yield from _change("admin.bind", old.admin.bind, new.admin.bind)
        yield from _change("admin.token_file", old.admin.token_file, new.admin.token_file)
        yield from _change("admin.drills", old.admin.drills, new.admin.drills)
        if old.admin.token != new.admin.token:
            yield "admin: another token"
    yield from _field_changes("log.", old.log, new.log)
    yield from _presence("dns", old.dns, new.dns)
    if old.dns and new.dns:
        yield from _change("dns.bind", _listed(old.dns.bind), _listed(new.dns.bind))
    # Whoever votes by other lists is of another electorate: a node changes sides with a start, which grants nothing
    # until what it granted before has lapsed.
    yield from _change("failover.witnesses", _listed(old.failover.witnesses), _listed(new.failover.witnesses))
    yield from _change("failover.zones", _zones(old.failover), _zones(new.failover))


def _zones(failover: FailoverSettings) -> str:
    return _listed(f"{zone}: {_listed(nodes)}" for zone, nodes in failover.zones)


def _node_changes(old: NodeSettings, new: NodeSettings) -> Iterator[str]:
    yield from _change("node.name", old.name, new.name)
    yield from _change("node.zone", old.zone, new.zone)
    yield from _change("node.state_dir", old.state_dir, new.state_dir)
    yield from _change("node.drain_timeout", _seconds(old.drain_timeout_s), _seconds(new.drain_timeout_s))
    yield from _change("node.lame_duck", _seconds(old.lame_duck_s), _seconds(new.lame_duck_s))


def _listener_changes(old: list[Address], new: list[Address]) -> Iterator[str]:
    """Sockets are handed to the forwarders in order, so here order counts."""
    for before, after in zip(old, new, strict=False):
        yield from _change("listener bind", before, after)
    for address in old[len(new) :]:
        yield f"listener {address} removed"
    for address in new[len(old) :]:
        yield f"listener {address} added"


def _gossip_changes(old: GossipSettings, new: GossipSettings) -> Iterator[str]:
    yield from _change("gossip.bind", old.bind, new.bind)
    yield from _change("gossip.advertise", old.advertise, new.advertise)
    yield from _change("gossip.heartbeat_bind", old.heartbeat_bind, new.heartbeat_bind)
    yield from _change("gossip.profile", old.profile, new.profile)
    yield from _change("gossip.seeds", _listed(old.seeds), _listed(new.seeds))
    yield from _change("gossip.key_file", old.key_file, new.key_file)


def _hot_changes(old: Settings, new: Settings) -> Iterator[str]:
    for mark, before, after in _paired(_by_name(old), _by_name(new)):
        title = f"service {mark}"
        yield from _presence(title, before, after)
        if before and after:
            yield from _service_changes(title, before, after)
    for title, was, now in _paired(_by_place(old.routes), _by_place(new.routes)):
        yield from _presence(title, was, now)
        if was and now:
            yield from _change(f"{title}:", _weights(was.services), _weights(now.services))
            yield from _rule_changes(title, was.rules or RouteRules(), now.rules or RouteRules())
    for listener, changed in zip(old.listeners, new.listeners, strict=True):
        yield from _listener_policy_changes(f"listener {listener.bind}: ", listener.policy, changed.policy)
    for name, held, wanted in _paired(_by_address(old), _by_address(new)):
        yield from _presence(f"front {name}", held, wanted)
        if held and wanted:
            yield from _front_changes(f"front {name}: ", held, wanted)
    if old.dns and new.dns:
        yield from _dns_changes(old.dns.policy, new.dns.policy)
    yield from _field_changes("forwarder.", old.limits, new.limits)
    yield from _field_changes("forwarder.", old.provenance, new.provenance)
    if old.gossip and new.gossip:
        yield from _key_changes(old.gossip.file_keys, new.gossip.file_keys)


def _front_changes(prefix: str, old: Front, new: Front) -> Iterator[str]:
    yield from _change(f"{prefix}port", old.address.port, new.address.port)
    if type(old.driver) is not type(new.driver):
        yield from _change(f"{prefix}driver", KINDS[type(old.driver)], KINDS[type(new.driver)])
    elif old.driver != new.driver:
        yield from _field_changes(f"{prefix}options.", old.driver, new.driver)
    yield from _field_changes(prefix, old, replace(new, address=old.address, driver=old.driver))


def _dns_changes(old: DnsPolicy, new: DnsPolicy) -> Iterator[str]:
    yield from _field_changes(
        "dns.", old, replace(new, name_servers=old.name_servers, names=old.names, clients=old.clients)
    )
    named = ({one.name: one.addresses for one in policy.name_servers} for policy in (old, new))
    for name, was, now in _paired(*named):
        yield from _addresses_changes(f"dns.name_servers {name}", was, now)
    answered = ({one.name: one.addresses for one in policy.names} for policy in (old, new))
    for name, was, now in _paired(*answered):
        yield from _addresses_changes(f"dns.names {name}", was, now)
    networks = ({one.network: one.zone for one in policy.clients} for policy in (old, new))
    for network, zone, changed in _paired(*networks):
        yield from _change(f"dns.clients {network}", zone, changed)


def _addresses_changes(title: str, old: tuple[str, ...] | None, new: tuple[str, ...] | None) -> Iterator[str]:
    yield from _presence(title, old, new)
    if old is not None and new is not None:
        yield from _change(title, old, new)


def _listener_policy_changes(prefix: str, old: ListenerPolicy, new: ListenerPolicy) -> Iterator[str]:
    yield from _field_changes(prefix, old, replace(new, tls=old.tls))
    yield from _presence(f"{prefix}tls", old.tls, new.tls)
    if old.tls and new.tls:
        yield from _pair_changes(f"{prefix}tls: ", old.tls.key_pairs, new.tls.key_pairs)
        yield from _field_changes(f"{prefix}tls.", old.tls, replace(new.tls, key_pairs=old.tls.key_pairs))


def _service_tls_changes(prefix: str, old: ServiceTls | None, new: ServiceTls | None) -> Iterator[str]:
    yield from _presence(f"{prefix}tls", old, new)
    if old and new:
        yield from _pair_changes(f"{prefix}tls: ", _listed_pair(old.key_pair), _listed_pair(new.key_pair))
        yield from _field_changes(f"{prefix}tls.", old, replace(new, key_pair=old.key_pair))


def _listed_pair(pair: KeyPair | None) -> tuple[KeyPair, ...]:
    return (pair,) if pair else ()


def _pair_changes(prefix: str, old: tuple[KeyPair, ...], new: tuple[KeyPair, ...]) -> Iterator[str]:
    """A certificate is known by its file; of what it holds only the first digits of its fingerprint are told."""
    for cert, was, now in _paired({pair.cert: pair for pair in old}, {pair.cert: pair for pair in new}):
        yield from _presence(f"{prefix}certificate {cert}", was, now)
        if was and now:
            yield from _change(f"{prefix}certificate {cert}", was.fingerprint[:16], now.fingerprint[:16])
    if old and new and {pair.cert for pair in old} == {pair.cert for pair in new}:
        yield from _change(f"{prefix}first certificate", old[0].cert, new[0].cert)


def _key_changes(old: tuple[bytes, ...], new: tuple[bytes, ...]) -> Iterator[str]:
    """What an operator changed in the key file; keys have ids, which give nothing away."""
    for key in new:
        if key not in old:
            yield f"gossip: key {key_id(key).hex()} added to the key file"
    for key in old:
        if key not in new:
            yield f"gossip: key {key_id(key).hex()} removed from the key file"
    yield from _change("gossip: first key", key_id(old[0]).hex(), key_id(new[0]).hex())


def _service_changes(title: str, old: Service, new: Service) -> Iterator[str]:
    before = {replica.address: replica for replica in old.replicas}
    after = {replica.address: replica for replica in new.replicas}
    for address, was, now in _paired(before, after):
        yield from _presence(f"{title}: replica {address}", was, now)
        if was and now:
            yield from _field_changes(f"{title}: replica {address}: ", was, now)
    yield from _traffic_changes(f"{title}: ", old.traffic, new.traffic)
    yield from _service_tls_changes(f"{title}: ", old.tls, new.tls)
    yield from _presence(f"{title}: health check", old.health, new.health)
    if old.health and new.health:
        yield from _health_changes(f"{title}: health.", old.health, new.health)
    yield from _presence(f"{title}: outlier ejection", old.outliers, new.outliers)
    if old.outliers and new.outliers:
        yield from _field_changes(f"{title}: outliers.", old.outliers, new.outliers)


def _traffic_changes(prefix: str, old: TrafficPolicy, new: TrafficPolicy) -> Iterator[str]:
    same = replace(
        new,
        timeouts=old.timeouts,
        limits=old.limits,
        hedging=old.hedging,
        concurrency=old.concurrency,
        hash=old.hash,
        sticky=old.sticky,
    )
    yield from _field_changes(prefix, old, same)
    yield from _presence(f"{prefix}hash", old.hash, new.hash)
    if old.hash and new.hash:
        yield from _field_changes(f"{prefix}hash.", old.hash, new.hash)
    yield from _presence(f"{prefix}sticky", old.sticky, new.sticky)
    if old.sticky and new.sticky:
        yield from _field_changes(f"{prefix}sticky.", old.sticky, new.sticky)
    yield from _field_changes(f"{prefix}timeouts.", old.timeouts, new.timeouts)
    yield from _field_changes(f"{prefix}limits.", old.limits, new.limits)
    yield from _presence(f"{prefix}hedge", old.hedging, new.hedging)
    if old.hedging and new.hedging:
        yield from _change(f"{prefix}hedge.after", _hedged_after(old.hedging), _hedged_after(new.hedging))
        yield from _change(f"{prefix}hedge.percent", old.hedging.percent, new.hedging.percent)
    yield from _presence(f"{prefix}adaptive concurrency", old.concurrency, new.concurrency)
    if old.concurrency and new.concurrency:
        yield from _field_changes(f"{prefix}concurrency.", old.concurrency, new.concurrency)


def _hedged_after(hedging: Hedging) -> str:
    return "p95" if hedging.after_s is None else _seconds(hedging.after_s)


Compared = (
    Replica
    | Timeouts
    | TrafficPolicy
    | ServiceLimits
    | AdaptiveConcurrency
    | HashKey
    | Sticky
    | HealthCheck
    | Probe
    | ProbeTls
    | Outliers
    | ForwarderLimits
    | Front
    | Driver
    | DnsPolicy
    | ListenerPolicy
    | ListenerTls
    | ServiceTls
    | LogSettings
    | ProvenancePolicy
)

_NAMES_IN_FILE = {
    "service": "grpc_service",
    "ca_certificates": "ca",
    "client_ca_certificates": "client_ca",
    "front_class": "class",
}


def _health_changes(prefix: str, old: HealthCheck, new: HealthCheck) -> Iterator[str]:
    """A check of another kind has other keys: then the kind alone says it."""
    if type(old.probe) is not type(new.probe):
        yield from _change(f"{prefix}kind", _kind(old.probe), _kind(new.probe))
    else:
        yield from _field_changes(prefix, old.probe, new.probe)
    yield from _field_changes(prefix, old, replace(new, probe=old.probe, tls=old.tls))
    yield from _presence(f"{prefix}tls", old.tls, new.tls)
    if old.tls and new.tls:
        yield from _field_changes(f"{prefix}tls.", old.tls, replace(new.tls, key_pair=old.tls.key_pair))
        yield from _pair_changes(f"{prefix}tls: ", _listed_pair(old.tls.key_pair), _listed_pair(new.tls.key_pair))


def _kind(probe: Probe) -> str:
    match probe:
        case HttpProbe():
            return "http"
        case TcpProbe():
            return "tcp"
        case GrpcProbe():
            return "grpc"
        case _:
            assert_never(probe)


def _field_changes(prefix: str, old: Compared, new: Compared) -> Iterator[str]:
    """Each field that differs between two of one type, under its name in the file: `connect_s` is `connect` there.

    What is left out of a repr is a secret, or long.
    """
    for each in fields(old):
        before, after = getattr(old, each.name), getattr(new, each.name)
        key = each.name.removesuffix("_s")
        if key != each.name:
            before, after = (None if value is None else _seconds(value) for value in (before, after))
        key = _NAMES_IN_FILE.get(key, key)
        if each.repr:
            yield from _change(f"{prefix}{key}", before, after)
        elif before != after:
            yield f"{prefix}{key}: another value"


def _change(title: str, old: object, new: object) -> Iterator[str]:
    if old != new:
        yield f"{title} {_shown(old)} → {_shown(new)}"


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case "":
            return '""'
        case tuple():
            return _listed(
                ": ".join(map(str, filter(None, each))) if isinstance(each, tuple) else each for each in value
            )
        case _:
            return str(value)


def _presence(title: str, old: object | None, new: object | None) -> Iterator[str]:
    if old is None and new is not None:
        yield f"{title} added"
    if old is not None and new is None:
        yield f"{title} removed"


def _paired(old: dict[K, V], new: dict[K, V]) -> Iterator[tuple[K, V | None, V | None]]:
    """Every key of either, the old ones first, with what stands under it in each."""
    for key in old | new:
        yield key, old.get(key), new.get(key)


def _by_name(settings: Settings) -> dict[str, Service]:
    return {service.name: service for service in settings.services}


def _by_address(settings: Settings) -> dict[str, Front]:
    return {front.name: front for front in settings.fronts}


def _by_place(routes: tuple[Route, ...]) -> dict[str, Route]:
    """Each route under every host, path and set of conditions that it stands for: "route a.example/x (GET, X-Beta)"."""
    return {
        f"route {host}{path}{_conditions(route.conditions)}": route
        for route in routes
        for host in route.hosts
        for path in (*route.paths, *(f"{exact} (exact)" for exact in route.exact_paths))
    }


def _conditions(conditions: Conditions | None) -> str:
    if conditions is None:
        return ""
    fields = (
        name if value is None else f"{name}{mark}{value}"
        for mark, pairs in (("=", conditions.query), (": ", conditions.headers))
        for name, value in sorted(pairs)
    )
    return f" ({_listed([*sorted(conditions.methods), *fields])})"


def _rule_changes(title: str, old: RouteRules, new: RouteRules) -> Iterator[str]:
    """Which rules are others; what they say stands in the file."""
    for each in fields(old):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before != after:
            off = getattr(RouteRules(), each.name)
            what = "added" if before == off else "removed" if after == off else "changed"
            yield f"{title}: {each.name.removesuffix('_bytes')} {what}"


def _weights(targets: tuple[WeightedService, ...]) -> str:
    return _listed(f"{target.name} {target.weight}" for target in sorted(targets, key=lambda each: each.name))


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values)) or "none"


def _seconds(value: float) -> str:
    return f"{value:.10g}s"
