"""Counters of all forwarders added up, which never go backwards: not when a forwarder dies, nor when a
reload has one forget a service.

A forwarder's figures are cumulative over its own life. The newest of each process are kept; what a
process counted before it ended, or before it began anew from nothing, goes into a base that only grows.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce

from lbmesh.control.link import ReplicaTelemetry, RequestTelemetry, Telemetry, TunnelTelemetry
from lbmesh.model.service import ReplicaId
from lbmesh.observe.histogram import Histogram
from lbmesh.observe.service_totals import ServiceTotals

SERIES_MAX = 10_000
"""Label sets remembered; what comes beyond is left out and counted, as a scraper could not digest it
either.
"""

RequestKey = tuple[str, str, int, str]
"""Service, method, status, reason."""

MirroredKey = tuple[str, str]
"""Service, outcome."""


@dataclass(slots=True)
class ReplicaCounts:
    """A replica's counters."""

    requests: int = 0
    failures: int = 0
    responses_5xx: int = 0

    def add(self, other: "ReplicaCounts | ReplicaTelemetry") -> None:
        """Add another's figures to these."""
        self.requests += other.requests
        self.failures += other.failures
        self.responses_5xx += other.responses_5xx


@dataclass(slots=True)
class ProcessFigures:
    """The newest figures of one forwarder process."""

    pid: int
    newest: Telemetry
    requests: dict[RequestKey, RequestTelemetry] = field(default_factory=dict)
    replicas: dict[ReplicaId, ReplicaTelemetry] = field(default_factory=dict)


class TrafficTotals:
    """What the node's forwarders have done since this agent began to listen, and before, while they lived."""

    def __init__(self) -> None:
        self._processes: dict[int, ProcessFigures] = {}
        self._ended_requests: dict[RequestKey, Histogram] = {}
        self._ended_replicas: dict[ReplicaId, ReplicaCounts] = {}
        self._ended_accepted = 0
        self._ended_dropped = 0
        self._ended_handshakes: Counter[str] = Counter()
        self._ended_handshake_failures: Counter[str] = Counter()
        self._ended_mirrored: Counter[MirroredKey] = Counter()
        self._ended_proxy_header_faults = 0
        self._ended_tunnels = TunnelTelemetry()
        self.services = ServiceTotals()
        self.series_left_out = 0

    def take(self, telemetry: Telemetry) -> None:
        """Note a forwarder's figures. Another process of the same worker ends the one before it."""
        process = self._processes.get(telemetry.worker)
        if process is not None and process.pid != telemetry.pid:
            self._end(process)
            process = None
        if process is None:
            process = self._processes[telemetry.worker] = ProcessFigures(telemetry.pid, telemetry)
        process.newest = telemetry
        for request in telemetry.requests:
            key = (request.service, request.method, request.status, request.reason)
            known = process.requests.get(key)
            if known is not None and request.count < known.count:
                self._end_request(key, known)
            if known is not None or self._has_room():
                process.requests[key] = request
        for replica in telemetry.replicas:
            before = process.replicas.get(replica.replica)
            if before is not None and replica.requests < before.requests:
                self._end_replica(before)
            if before is not None or self._has_room():
                process.replicas[replica.replica] = replica
        for service in telemetry.services:
            self.services.take(telemetry.worker, service)

    def _has_room(self) -> bool:
        used = len(self._ended_requests) + len(self._ended_replicas)
        used += sum(len(one.requests) + len(one.replicas) for one in self._processes.values())
        if used < SERIES_MAX:
            return True
        self.series_left_out += 1
        return False

    def _end(self, process: ProcessFigures) -> None:
        self.services.end(process.newest.worker)
        for key, request in process.requests.items():
            self._end_request(key, request)
        for replica in process.replicas.values():
            self._end_replica(replica)
        self._ended_accepted += process.newest.accepted
        self._ended_dropped += process.newest.access_log_dropped
        self._ended_handshakes.update(_handshakes(process.newest))
        self._ended_handshake_failures.update(dict(process.newest.handshake_failures))
        for mirrored in process.newest.mirrored:
            self._ended_mirrored[mirrored.service, mirrored.outcome] += mirrored.count
        self._ended_proxy_header_faults += process.newest.proxy_header_faults
        self._ended_tunnels = _added(self._ended_tunnels, process.newest.tunnels)

    def _end_request(self, key: RequestKey, request: RequestTelemetry) -> None:
        self._ended_requests.setdefault(key, Histogram()).merge(request.buckets, request.sum_s)

    def _end_replica(self, replica: ReplicaTelemetry) -> None:
        self._ended_replicas.setdefault(replica.replica, ReplicaCounts()).add(replica)

    def requests(self) -> Iterator[tuple[RequestKey, Histogram]]:
        """All label sets with their histograms, in order. Making one takes some 10 µs."""
        keys = set(self._ended_requests).union(*(process.requests for process in self._processes.values()))
        for key in sorted(keys):
            total = Histogram()
            if ended := self._ended_requests.get(key):
                total.merge(ended.nonzero(), ended.sum_s)
            for process in self._processes.values():
                if request := process.requests.get(key):
                    total.merge(request.buckets, request.sum_s)
            yield key, total

    def replicas(self) -> Iterator[tuple[ReplicaId, ReplicaCounts]]:
        """All replicas that requests went to, with their counters."""
        keys = set(self._ended_replicas).union(*(process.replicas for process in self._processes.values()))
        for key in sorted(keys):
            total = ReplicaCounts()
            if ended := self._ended_replicas.get(key):
                total.add(ended)
            for process in self._processes.values():
                if replica := process.replicas.get(key):
                    total.add(replica)
            yield key, total

    def mirrored(self) -> list[tuple[MirroredKey, int]]:
        """Copies of requests by what came of them, in order."""
        total = self._ended_mirrored.copy()
        for process in self._processes.values():
            for row in process.newest.mirrored:
                total[row.service, row.outcome] += row.count
        return sorted(total.items())

    def handshakes(self) -> Iterator[tuple[str, int]]:
        """Handshakes that were done, those that took up an earlier session ("true") apart from the others."""
        total = Counter(self._ended_handshakes)
        for process in self._processes.values():
            total.update(_handshakes(process.newest))
        yield from sorted(total.items())

    def handshake_failures(self) -> Iterator[tuple[str, int]]:
        """Handshakes that failed, by reason."""
        total = Counter(self._ended_handshake_failures)
        for process in self._processes.values():
            total.update(dict(process.newest.handshake_failures))
        yield from sorted(total.items())

    @property
    def accepted(self) -> int:
        """Connections accepted."""
        return self._ended_accepted + sum(process.newest.accepted for process in self._processes.values())

    @property
    def access_log_dropped(self) -> int:
        """Access log lines dropped."""
        return self._ended_dropped + sum(process.newest.access_log_dropped for process in self._processes.values())

    @property
    def proxy_header_faults(self) -> int:
        """Connections closed for want of a right PROXY header."""
        living = sum(process.newest.proxy_header_faults for process in self._processes.values())
        return self._ended_proxy_header_faults + living

    @property
    def tunnels(self) -> TunnelTelemetry:
        """Tunnels opened and the bytes that went through; `open` is of no use here, for the dead have none."""
        return reduce(_added, (process.newest.tunnels for process in self._processes.values()), self._ended_tunnels)


def _added(one: TunnelTelemetry, other: TunnelTelemetry) -> TunnelTelemetry:
    return TunnelTelemetry(
        opened=one.opened + other.opened,
        bytes_in=one.bytes_in + other.bytes_in,
        bytes_out=one.bytes_out + other.bytes_out,
    )


def _handshakes(telemetry: Telemetry) -> dict[str, int]:
    if not telemetry.handshakes:
        return {}
    return {"true": telemetry.handshakes_resumed, "false": telemetry.handshakes - telemetry.handshakes_resumed}
