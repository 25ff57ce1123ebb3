"""Metrics of the traffic: requests, connections and tunnels, by service and replica, as the forwarders counted them."""

from collections import Counter
from collections.abc import Iterator

from lbmesh.control.state import NodeState
from lbmesh.observe.exposition import family, histogram_family, single
from lbmesh.observe.totals import TrafficTotals

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


def traffic_metrics(state: NodeState, traffic: TrafficTotals) -> Iterator[bytes]:
    """Families in chunks. `state` says what is so now, `traffic` what was counted."""
    yield from _requests(state, traffic)
    yield from _tunnels(state, traffic)
    yield from _services(traffic)
    yield from _upstream(state, traffic)
    yield from _mirrored(traffic)


def _requests(state: NodeState, traffic: TrafficTotals) -> Iterator[bytes]:
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
    yield from single("lbmesh_connections_accepted_total", "counter", "Connections accepted.", traffic.accepted)
    yield from single(
        "lbmesh_proxy_header_faults_total",
        "counter",
        "Connections closed for want of a right PROXY header.",
        traffic.proxy_header_faults,
    )
    yield from single(
        "lbmesh_access_log_dropped_total", "counter", "Access log lines dropped.", traffic.access_log_dropped
    )
    yield from single(
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
    yield from single("lbmesh_tunnels_opened_total", "counter", "Tunnels opened.", total.opened)
    yield from family(
        "lbmesh_tunnel_bytes_total",
        "counter",
        "Bytes through tunnels, in from clients and out to them.",
        [({"direction": "in"}, total.bytes_in), ({"direction": "out"}, total.bytes_out)],
    )


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
