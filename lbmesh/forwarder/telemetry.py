"""A forwarder's figures for its agent: once all that was ever counted, then each second what has changed."""

import os
from collections.abc import Iterable, Iterator

from lbmesh.control.link import (
    TELEMETRY_ROWS_MAX,
    MirroredTelemetry,
    ReplicaTelemetry,
    RequestTelemetry,
    ServiceTelemetry,
    Telemetry,
    TunnelTelemetry,
    encode_message,
)
from lbmesh.forwarder.durations import DurationHistograms
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.routing.steps import LOOKS_PER_STEP, in_parts

REPLICAS_PER_REPORT = 1024
"""Replicas of services without failures that one report has at most; more of them take turns. So it costs this process
and the agent a few milliseconds a second, however many replicas have traffic.
"""


class TelemetryReport:
    """What one link is told. With 10,000 replicas a report is made in slices, and most of them have nothing to say."""

    __slots__ = ("_engine", "_is_inventory", "_turn", "_worker")

    def __init__(self, engine: Engine, worker: int) -> None:
        self._engine = engine
        self._worker = worker
        self._is_inventory = True
        self._turn = 0
        """From which of the active replicas on the next report takes those whose turn it is."""

    def lines(self) -> Iterator[bytes]:
        """One report, each line a small step; some steps give an empty one."""
        requests: list[RequestTelemetry] = []
        for service, durations in self._durations():
            requests += durations.telemetry(service, changed_only=not self._is_inventory)
            if len(requests) >= TELEMETRY_ROWS_MAX:
                yield self._line(requests)
                requests = []
            else:
                yield b""
        replicas: list[ReplicaTelemetry] = []
        for replica in self._replicas():
            if replica is None:
                yield b""
                continue
            replicas.append(_row(replica))
            if len(replicas) >= TELEMETRY_ROWS_MAX:
                yield self._line(replicas=replicas)
                replicas = []
        services: list[ServiceTelemetry] = []
        for part in in_parts(self._services(), LOOKS_PER_STEP):
            for service_state in part:
                row = service_state.telemetry()
                if row != service_state.reported or self._is_inventory:
                    service_state.reported = row
                    services.append(row)
                if len(services) >= TELEMETRY_ROWS_MAX:
                    yield self._line(services=services)
                    services = []
            yield b""
        yield self._line(requests, replicas, services)
        self._is_inventory = False

    def _durations(self) -> Iterator[tuple[str, DurationHistograms]]:
        yield "", self._engine.unrouted
        for service in self._services():
            yield service.name, service.durations

    def _services(self) -> Iterable[ServiceState]:
        serving = self._engine.serving
        return serving.services.values() if serving else ()

    def _replicas(self) -> Iterator[ReplicaState | None]:
        """Those whose figures are told, and None at the end of a step."""
        return self._ever_asked() if self._is_inventory else self._changed()

    def _ever_asked(self) -> Iterator[ReplicaState | None]:
        everybody = (replica for service in self._services() for replica in service.replicas)
        for part in in_parts(everybody, LOOKS_PER_STEP):
            for replica in part:
                if replica.requests:
                    yield replica
            yield None

    def _changed(self) -> Iterator[ReplicaState | None]:
        """The agent compares a replica that fails with its siblings, so all of such a service are told at once."""
        active = tuple(self._engine.active_replicas)
        failing: set[str] = set()
        for part in in_parts(active, LOOKS_PER_STEP):
            failing.update(replica.id.service for replica in part if replica.has_failed_anew())
            yield None
        left, turn = REPLICAS_PER_REPORT, self._turn if self._turn < len(active) else 0
        for numbers in in_parts(range(turn, turn + len(active)), LOOKS_PER_STEP):
            for number in numbers:
                replica = active[number % len(active)]
                if not replica.retired and replica.has_news():
                    if replica.id.service in failing:
                        yield replica
                    elif left:
                        left -= 1
                        self._turn = (number + 1) % len(active)
                        yield replica
            yield None

    def _line(
        self,
        requests: Iterable[RequestTelemetry] = (),
        replicas: Iterable[ReplicaTelemetry] = (),
        services: Iterable[ServiceTelemetry] = (),
    ) -> bytes:
        engine = self._engine
        return encode_message(
            Telemetry(
                worker=self._worker,
                pid=os.getpid(),
                version=engine.serving.version if engine.serving else None,
                connections=engine.counters.connections,
                active_requests=engine.counters.active,
                accepted=engine.counters.accepted,
                access_log_dropped=engine.access_log.dropped,
                proxy_header_faults=engine.proxy_header_faults.count,
                requests=tuple(requests),
                replicas=tuple(replicas),
                services=tuple(services),
                is_inventory=self._is_inventory,
                mirrored=tuple(
                    MirroredTelemetry(service, outcome, count)
                    for (service, outcome), count in engine.counters.mirrored.items()
                ),
                lag_s=engine.overload.lag_s,
                tunnels=TunnelTelemetry(
                    engine.counters.tunnels,
                    engine.counters.tunnels_opened,
                    engine.counters.tunnel_bytes_in,
                    engine.counters.tunnel_bytes_out,
                ),
                handshakes=engine.handshakes.done,
                handshakes_resumed=engine.handshakes.resumed,
                handshake_failures=tuple(engine.handshakes.failed.items()),
            )
        )


def _row(replica: ReplicaState) -> ReplicaTelemetry:
    replica.note_told()
    return ReplicaTelemetry(
        replica=replica.id,
        requests=replica.requests,
        failures=replica.failures,
        responses_5xx=replica.responses_5xx,
        in_flight=replica.in_flight,
        ewma_s=replica.latency_s,
        errors=replica.errors,
    )
