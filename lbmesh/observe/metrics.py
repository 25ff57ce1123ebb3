"""The node's metrics: names of OpenTelemetry's HTTP semantic conventions where they have one, else
`lbmesh_…`.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lbmesh import __version__
from lbmesh.control.inputs import Event, EventKind
from lbmesh.control.state import NodeState, ReplicaState
from lbmesh.gossip.seal import Rejection
from lbmesh.model.health import Availability
from lbmesh.model.member import MemberState
from lbmesh.observe.build import IS_COMPILED
from lbmesh.observe.exposition import Sample, family, histogram_family
from lbmesh.observe.totals import TrafficTotals

_GOSSIP_COUNTERS = {
    "replies_withheld": "Replies that a peer, or all together, asked for beyond the bounds.",
    "epoch_jumps": "Members that spoke in an epoch far above their last.",
    "send_errors": "Gossip datagrams whose failure to be sent made this node doubt itself.",
    "late_steps": "Steps of the gossip that came late.",
    "pauses": "Times this node stood still.",
}


@dataclass(slots=True)
class AgentFigures:
    """What the agent counts about itself. `probes`: by (service, "success" or "failure"). `reloads`: by
    "taken" or "refused". `memory_writes`: by "written" or "failed". `loop_lag_s`: the longest of the last seconds.
    """

    traffic: TrafficTotals = field(default_factory=TrafficTotals)
    probes: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: Counter[EventKind] = field(default_factory=Counter)
    reloads: Counter[str] = field(default_factory=Counter)
    memory_writes: Counter[str] = field(default_factory=Counter)
    loop_lag_s: float = 0.0
    datagrams_unsent: int = 0

    def count(self, event: Event) -> None:
        """Count an event of the plane."""
        self.events[event.kind] += 1
        if event.kind is EventKind.RELOAD:
            self.reloads[event.change] += 1


def render_metrics(
    state: NodeState, replicas: Callable[[], Iterator[ReplicaState]], figures: AgentFigures
) -> Iterator[bytes]:
    """The whole page in chunks, each a small step. Figures may change between chunks; each line is true
    by itself.
    """
    yield from _traffic(state, figures.traffic)
    yield from _tunnels(state, figures.traffic)
    yield from _services(figures.traffic)
    yield from _upstream(state, figures.traffic)
    yield from _mirrored(figures.traffic)
    yield from family(
        "lbmesh_replica_up",
        "gauge",
        'May requests go to a replica? Observer "merged": 1 up, 0 down, 0.5 unknown; '
        'observer "traffic": 0 while ejected here; else an observer\'s word.',
        (sample for replica in replicas() for sample in _replica_up(replica)),
    )
    yield from _mesh(state)
    yield from _agent(state, figures)


def _traffic(state: NodeState, traffic: TrafficTotals) -> Iterator[bytes]:
    yield from histogram_family(
        "http_server_request_duration_seconds",
        "Duration of requests served, from the first byte of the head to the last byte of the response.",
        (
            (
                {
                    "service": service,
                    "http_request_method": method,
                    "http_response_status_code": str(status) if status else "",
                    "error_type": reason,
                },
                histogram,
            )
            for (service, method, status, reason), histogram in traffic.requests()
        ),
    )
    telemetry = [forwarder.telemetry for forwarder in state.forwarders if forwarder.telemetry]
    yield from family(
        "http_server_active_requests",
        "gauge",
        "Requests being served.",
        [({"worker": str(one.worker)}, one.active_requests) for one in telemetry],
    )
    yield from family(
        "lbmesh_connections",
        "gauge",
        "Client connections, idle ones included.",
        [({"worker": str(one.worker)}, one.connections) for one in telemetry],
    )
    yield from family(
        "lbmesh_forwarder_lag_seconds",
        "gauge",
        "The least that anything waited for its turn in the last tenth of a second: above forwarder.overload, "
        "a forwarder is overloaded.",
        [({"worker": str(one.worker)}, one.lag_s) for one in telemetry],
    )
    yield from family(
        "lbmesh_tls_handshakes_total",
        "counter",
        "Handshakes of clients that were done, by whether they took up an earlier session.",
        [({"resumed": resumed}, count) for resumed, count in traffic.handshakes()],
    )
    yield from family(
        "lbmesh_tls_handshake_failures_total",
        "counter",
        "Handshakes of clients that failed, by reason.",
        [({"reason": reason}, count) for reason, count in traffic.handshake_failures()],
    )
    yield from _single("lbmesh_connections_accepted_total", "counter", "Connections accepted.", traffic.accepted)
    yield from _single(
        "lbmesh_proxy_header_faults_total",
        "counter",
        "Connections closed for want of a right PROXY header.",
        traffic.proxy_header_faults,
    )
    yield from _single(
        "lbmesh_access_log_dropped_total", "counter", "Access log lines dropped.", traffic.access_log_dropped
    )
    yield from _single(
        "lbmesh_metric_series_left_out_total", "counter", "Label sets beyond the bound.", traffic.series_left_out
    )


def _tunnels(state: NodeState, traffic: TrafficTotals) -> Iterator[bytes]:
    yield from family(
        "lbmesh_tunnels",
        "gauge",
        "Tunnels open: WebSockets and whatever else a connection was switched to.",
        [({"worker": str(one.worker)}, one.telemetry.tunnels.open) for one in state.forwarders if one.telemetry],
    )
    total = traffic.tunnels
    yield from _single("lbmesh_tunnels_opened_total", "counter", "Tunnels opened.", total.opened)
    yield from family(
        "lbmesh_tunnel_bytes_total",
        "counter",
        "Bytes through tunnels, in from clients and out to them.",
        [({"direction": "in"}, total.bytes_in), ({"direction": "out"}, total.bytes_out)],
    )


_SERVICE_FAMILIES = (
    ("active_requests", "gauge", "Requests that hold a place of their service's limit.", "active"),
    (
        "active_limit",
        "gauge",
        "Requests that may do so, in all forwarders together: limits.active, or what adaptive concurrency has found.",
        "active_max",
    ),
    ("pending_requests", "gauge", "Requests that wait for a place.", "pending"),
    ("hedges_total", "counter", "Second attempts sent while the first was out.", "hedges"),
    ("hedges_won_total", "counter", "Second attempts that answered first.", "hedges_won"),
    ("moved_requests_total", "counter", "Requests moved away from a replica that had gone down.", "moved"),
)
"""Name, kind, text, and the figure of `ServiceTelemetry`."""


def _services(traffic: TrafficTotals) -> Iterator[bytes]:
    services = [({"service": name}, figures) for name, figures in traffic.services.all()]
    for name, kind, text, figure in _SERVICE_FAMILIES:
        samples = [(labels, getattr(one, figure)) for labels, one in services]
        yield from family(f"lbmesh_service_{name}", kind, text, samples)


def _upstream(state: NodeState, traffic: TrafficTotals) -> Iterator[bytes]:
    counts = [({"service": one.service, "replica": str(one.address)}, count) for one, count in traffic.replicas()]
    yield from family(
        "lbmesh_upstream_requests_total",
        "counter",
        "Attempts sent to a replica.",
        [(labels, count.requests) for labels, count in counts],
    )
    yield from family(
        "lbmesh_upstream_failures_total",
        "counter",
        "Attempts that a replica failed.",
        [(labels, count.failures) for labels, count in counts],
    )
    yield from family(
        "lbmesh_upstream_responses_5xx_total",
        "counter",
        "Responses of a replica with a status from 500 on.",
        [(labels, count.responses_5xx) for labels, count in counts],
    )
    in_flight: Counter[tuple[str, str]] = Counter()
    latency: dict[tuple[str, str], float] = {}
    for forwarder in state.forwarders:
        for one in forwarder.replicas.values():
            key = (one.replica.service, str(one.replica.address))
            in_flight[key] += one.in_flight
            latency[key] = max(latency.get(key, 0.0), one.ewma_s)
    yield from family(
        "lbmesh_upstream_in_flight",
        "gauge",
        "Attempts under way to a replica.",
        [({"service": service, "replica": replica}, value) for (service, replica), value in in_flight.items()],
    )
    yield from family(
        "lbmesh_upstream_latency_seconds",
        "gauge",
        "Peak-sensitive moving average of a replica's response time; the slowest forwarder's.",
        [({"service": service, "replica": replica}, value) for (service, replica), value in latency.items()],
    )


def _mirrored(traffic: TrafficTotals) -> Iterator[bytes]:
    yield from family(
        "lbmesh_mirrored_requests_total",
        "counter",
        "Copies of requests by the service that they were for, and what came of them.",
        [({"service": service, "outcome": outcome}, count) for (service, outcome), count in traffic.mirrored()],
    )


def _replica_up(replica: ReplicaState) -> Iterator[Sample]:
    labels = {"service": replica.id.service, "replica": str(replica.id.address)}
    value = {Availability.UP: 1.0, Availability.UNKNOWN: 0.5, Availability.DOWN: 0.0}[replica.availability]
    yield {**labels, "observer": "merged"}, value
    if replica.ejected_until_s is not None:
        yield {**labels, "observer": "traffic"}, 0.0
    for word in replica.opinions:
        yield {**labels, "observer": word.observer}, float(word.up)


def _mesh(state: NodeState) -> Iterator[bytes]:
    yield from family(
        "lbmesh_member_up",
        "gauge",
        "Whether a balancer is reachable, as this node sees it.",
        [({"member": one.name, "zone": one.zone}, float(one.state.is_live)) for one in state.members],
    )
    yield from family(
        "lbmesh_member_state",
        "gauge",
        "The state of a balancer, as this node sees it: 1 for the one it is in.",
        (
            ({"member": one.name, "state": each}, float(one.state is each))
            for one in state.members
            for each in MemberState
        ),
    )
    yield from _heartbeat(state)
    yield from _gossip(state.gossip)


def _gossip(counters: Mapping[str, int]) -> Iterator[bytes]:
    """Nothing for a node alone. All reasons are there from the first scrape on: an alert can watch them rise."""
    if not counters:
        return
    yield from family(
        "lbmesh_gossip_rejected_total",
        "counter",
        "Gossip datagrams that changed nothing, by reason.",
        [({"reason": reason}, counters.get(f"rejected_{reason}", 0)) for reason in sorted(Rejection)],
    )
    yield from family(
        "lbmesh_gossip_rows_rejected_total",
        "counter",
        "Rows of the gossip that were not taken, by reason.",
        [({"reason": reason}, counters.get(f"rows_{reason}", 0)) for reason in ("forged", "overtaken", "refused")],
    )
    for name, text in _GOSSIP_COUNTERS.items():
        yield from _single(f"lbmesh_gossip_{name}_total", "counter", text, counters.get(name, 0))
    for unit in ("datagrams", "bytes"):
        yield from family(
            f"lbmesh_gossip_{unit}_total",
            "counter",
            f"Gossip {unit} by direction.",
            [
                ({"direction": direction}, counters[f"{unit}_{direction}"])
                for direction in ("in", "out")
                if f"{unit}_{direction}" in counters
            ],
        )


def _heartbeat(state: NodeState) -> Iterator[bytes]:
    heartbeat = state.heartbeat
    yield from family(
        "lbmesh_partner_gone",
        "gauge",
        "Whether the fast heartbeat takes a balancer that this node backs for gone.",
        [({"member": name}, float(name in heartbeat.gone)) for name in heartbeat.judged],
    )
    yield from family(
        "lbmesh_heartbeats_total",
        "counter",
        "Datagrams of the fast heartbeat by direction.",
        [
            ({"direction": direction}, heartbeat.counters[f"datagrams_{direction}"])
            for direction in ("in", "out")
            if f"datagrams_{direction}" in heartbeat.counters
        ],
    )
    yield from family(
        "lbmesh_heartbeats_rejected_total",
        "counter",
        "Datagrams at the heartbeat's port that changed nothing, by reason.",
        [
            ({"reason": name.removeprefix("rejected_")}, count)
            for name, count in sorted(heartbeat.counters.items())
            if name.startswith("rejected_")
        ],
    )
    yield from family(
        "lbmesh_partners_gone_total",
        "counter",
        "How often the fast heartbeat took a balancer for gone.",
        [({}, heartbeat.counters["gone"])] if "gone" in heartbeat.counters else [],
    )


def _agent(state: NodeState, figures: AgentFigures) -> Iterator[bytes]:
    yield from family(
        "lbmesh_probes_total",
        "counter",
        "Health probes of this node, by outcome.",
        [({"service": name, "outcome": how}, count) for (name, how), count in sorted(figures.probes.items())],
    )
    yield from family(
        "lbmesh_events_total",
        "counter",
        "Changes that were logged, by what they are about.",
        [({"kind": kind}, count) for kind, count in sorted(figures.events.items())],
    )
    yield from family(
        "lbmesh_reloads_total",
        "counter",
        "Reloads of the configuration since this agent started, by outcome.",
        [({"outcome": outcome}, count) for outcome, count in sorted(figures.reloads.items())],
    )
    yield from family(
        "lbmesh_memory_writes_total",
        "counter",
        "Writes of the memory that survives a restart, by outcome.",
        [({"outcome": outcome}, count) for outcome, count in sorted(figures.memory_writes.items())],
    )
    if state.reload:
        ok = float(state.reload.ok)
        yield from _single("lbmesh_reload_successful", "gauge", "Whether the last reload was taken.", ok)
    yield from _single(
        "lbmesh_gossip_unsent_total",
        "counter",
        "Gossip datagrams the kernel refused to send.",
        figures.datagrams_unsent,
    )
    if state.view:
        labels = {"generation": str(state.view.generation), "number": str(state.view.number)}
        yield from family("lbmesh_view_info", "gauge", "The newest View.", [(labels, 1)])
    yield from family(
        "lbmesh_forwarder_view_current",
        "gauge",
        "Whether a forwarder serves from the newest View.",
        [({"worker": str(one.worker)}, float(one.viewed == state.view)) for one in state.forwarders],
    )
    yield from family(
        "lbmesh_tls_certificate_expires_timestamp_seconds",
        "gauge",
        "When a certificate in use expires, in Unix seconds.",
        [({"cert": str(one.cert)}, one.not_after_s) for one in state.certificates],
    )
    yield from _single("lbmesh_ready", "gauge", "Whether clients may be sent here.", float(state.readiness.ready))
    yield from _single(
        "lbmesh_loop_lag_seconds", "gauge", "The agent loop's longest lag of the last seconds.", figures.loop_lag_s
    )
    build = {
        "version": __version__,
        "python": platform.python_version(),
        "compiled": str(IS_COMPILED).lower(),
        "node": state.node,
        "zone": state.zone,
    }
    yield from family("lbmesh_build_info", "gauge", "This release, on this node.", [(build, 1)])


def _single(name: str, kind: str, text: str, value: float) -> Iterator[bytes]:
    return family(name, kind, text, [({}, value)])
