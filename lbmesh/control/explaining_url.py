"""Where a request would go from this node, and why: its route, the service, the zones' shares, the replicas."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from lbmesh.control.link import ReplicaTelemetry
from lbmesh.control.state import ForwarderState
from lbmesh.control.zone_traffic import ZoneTraffic
from lbmesh.http1.h11_lane import parse_request
from lbmesh.http1.message import Refusal, RequestHead
from lbmesh.model.health import Availability
from lbmesh.model.route import Route
from lbmesh.model.service import ReplicaId
from lbmesh.model.traffic import TrafficPolicy
from lbmesh.model.view import ReplicaView, ServiceView, View
from lbmesh.routing.table import RouteTable

REPLICAS_MAX = 64
"""Told of each service, those with the greatest share first."""

_ANSWERED = "would be answered with"


@dataclass(frozen=True, slots=True)
class ZonePart:
    """`share`: of this node's requests for the service; `why`: the figures that it comes from."""

    zone: str
    share: float
    why: str


@dataclass(frozen=True, slots=True)
class ReplicaPart:
    """`share`: of this node's requests for the service, when all replicas are equally busy and quick. `in_flight` and
    `latency_s`: of this node's forwarders, the latency of the slowest; None where none has sent it a request.
    """

    address: str
    zone: str
    weight: int
    share: float
    availability: str
    reason: str
    in_flight: int
    latency_s: float | None


@dataclass(frozen=True, slots=True)
class ServicePart:
    """`share`: of the route's requests. `how`: the policy, in words."""

    name: str
    share: float
    how: tuple[str, ...]
    zones: tuple[ZonePart, ...]
    replicas: tuple[ReplicaPart, ...]
    replicas_left_out: int


@dataclass(frozen=True, slots=True)
class UrlExplanation:
    """`route`: its hosts and paths as the file has them. `has_rules`: it may answer or change the request itself."""

    url: str
    route: str
    has_rules: bool
    services: tuple[ServicePart, ...]


def explain_url(
    url: str, view: View, forwarders: Iterable[ForwarderState], traffic: ZoneTraffic
) -> UrlExplanation | str:
    """What is wrong with the URL, or why no service would get its request, is said in words."""
    head = _head_of(url)
    if isinstance(head, str):
        return head
    table: RouteTable[Route] = RouteTable()
    for route in view.routes:
        table.add(route, route)
    found = table.match(head.host, head.target, head)
    if found is None:
        ambiguity = table.ambiguity(head.host, head.target, head)
        return f"{url} {_ANSWERED} 400: {ambiguity}" if ambiguity else f"no route takes {url}: it {_ANSWERED} 404"
    services = {service.name: service for service in view.services}
    seen = [state.replicas for state in forwarders]
    total = sum(target.weight for target in found.services)
    paths = (*found.paths, *(f"{path} exactly" for path in found.exact_paths))
    return UrlExplanation(
        url=url,
        route=f"{', '.join(found.hosts)} with {', '.join(paths)}",
        has_rules=found.rules is not None,
        services=tuple(
            _service_part(services[target.name], target.weight / total, view.zone, seen, traffic)
            for target in found.services
        ),
    )


def _head_of(url: str) -> RequestHead | str:
    """The head of a GET for it, as forwarders read it; what to write instead where that cannot be, or that they refuse
    it.
    """
    advice = 'write a URL such as "http://shop.example.com/checkout"'
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2].encode("ascii")
        target = (parts.path or "/").encode("ascii") + (b"?" + parts.query.encode("ascii") if parts.query else b"")
    except ValueError:
        return advice
    if parts.scheme not in ("http", "https") or not host or any(byte <= 0x20 for byte in host + target):
        return advice
    head = parse_request(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host))
    return f"{url} {_ANSWERED} {head.status}: {head.detail}" if isinstance(head, Refusal) else head


def _service_part(
    service: ServiceView,
    share: float,
    own_zone: str,
    seen: Iterable[Mapping[ReplicaId, ReplicaTelemetry]],
    traffic: ZoneTraffic,
) -> ServicePart:
    serving = [one for one in service.replicas if one.availability is Availability.UP] or [
        one for one in service.replicas if one.availability is Availability.UNKNOWN
    ]
    weights: dict[str, int] = {}
    for one in serving:
        weights[one.replica.zone] = weights.get(one.replica.zone, 0) + one.replica.weight
    why = traffic.words(service.name, service.replicas)
    zones = tuple(
        ZonePart(each.zone, each.share, why.get(each.zone, ""))
        for each in sorted(service.zones, key=lambda each: (each.zone != own_zone, -each.share))
    )
    seen = tuple(seen)
    replicas = [
        _replica_part(
            one,
            service.share(one.replica.zone) * one.replica.weight / weights[one.replica.zone] if one in serving else 0.0,
            [found for each in seen if (found := each.get(ReplicaId(service.name, one.replica.address)))],
        )
        for one in service.replicas
    ]
    replicas.sort(key=lambda one: -one.share)
    return ServicePart(
        name=service.name,
        share=share,
        how=tuple(_policy_words(service.traffic)),
        zones=zones,
        replicas=tuple(replicas[:REPLICAS_MAX]),
        replicas_left_out=max(0, len(replicas) - REPLICAS_MAX),
    )


def _replica_part(view: ReplicaView, share: float, figures: list[ReplicaTelemetry]) -> ReplicaPart:
    return ReplicaPart(
        address=str(view.replica.address),
        zone=view.replica.zone,
        weight=view.replica.weight,
        share=share,
        availability=view.availability,
        reason=view.reason,
        in_flight=sum(one.in_flight for one in figures),
        latency_s=max((one.ewma_s for one in figures), default=None),
    )


def _policy_words(policy: TrafficPolicy) -> Iterable[str]:
    yield f"balance {policy.balance}"
    if policy.hash is not None:
        keys = {
            f"header {policy.hash.header}": policy.hash.header,
            f"cookie {policy.hash.cookie}": policy.hash.cookie,
            "the path": policy.hash.path,
            "the client's address": policy.hash.source,
        }
        named = ", else ".join(words for words, asked in keys.items() if asked)
        yield f"requests with the same key go to one replica in whatever zone; the key is {named}"
    if policy.sticky is not None:
        yield f"a client with cookie {policy.sticky.cookie} goes to the replica that it names while that one serves"
