"""Metrics of the agent itself: what it counts, and the state of this node."""

import platform
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from lbmesh import __version__
from lbmesh.control.dns_link import DnsTelemetry
from lbmesh.control.inputs import Event, EventKind
from lbmesh.control.state import NodeState
from lbmesh.observe.build import IS_COMPILED
from lbmesh.observe.exposition import family, single
from lbmesh.observe.totals import TrafficTotals


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
    nameserver: DnsTelemetry | None = None

    def count(self, event: Event) -> None:
        """Count an event of the plane."""
        self.events[event.kind] += 1
        if event.kind is EventKind.RELOAD:
            self.reloads[event.change] += 1


def agent_metrics(state: NodeState, figures: AgentFigures) -> Iterator[bytes]:
    """Families in chunks."""
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
        yield from single("lbmesh_reload_successful", "gauge", "Whether the last reload was taken.", ok)
    yield from single(
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
    yield from single("lbmesh_ready", "gauge", "Whether clients may be sent here.", float(state.readiness.ready))
    yield from single(
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
