"""What this node has of each service's traffic, from its forwarders' figures: moving averages over some seconds."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from math import exp
from typing import TypeVar

from lbmesh.control.link import Telemetry
from lbmesh.model.service import ReplicaId
from lbmesh.routing.locality import Ingress

AVERAGED_S = 5.0
"""The time constant: of a change, two thirds show after so long."""

FOLD_S = 0.9
"""Figures come each second, in several messages when there are many."""

FORGOTTEN_S = 5.0
"""What a forwarder said counts for so long."""

FAINT = 0.01
"""An average below this is dropped."""

K = TypeVar("K", bound=Hashable)
_Labels = tuple[str, str, int, str]


@dataclass(slots=True)
class _Worker:
    """One forwarder process. `counts`: of requests, by label set; `added`: to services since the averages were last
    brought up to date, at `at_s`; `waiting`: attempts under way, by replica. `in_flight`: by service and zone.
    """

    pid: int
    at_s: float
    counts: dict[_Labels, int] = field(default_factory=dict)
    added: Counter[str] = field(default_factory=Counter)
    waiting: dict[ReplicaId, int] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    in_flight: dict[tuple[str, str], float] = field(default_factory=dict)
    has_spoken: bool = False


class IngressMeter:
    """Forwarders by worker; another process of a worker begins anew."""

    def __init__(self) -> None:
        self._workers: dict[int, _Worker] = {}

    def take(self, telemetry: Telemetry, zones: Mapping[ReplicaId, str], now: float) -> None:
        """A forwarder's figures. `zones`: of the replicas that count."""
        worker = self._workers.get(telemetry.worker)
        if worker is None or worker.pid != telemetry.pid:
            worker = self._workers[telemetry.worker] = _Worker(telemetry.pid, now)
        for row in telemetry.requests:
            labels = (row.service, row.method, row.status, row.reason)
            before = worker.counts.get(labels, row.count if telemetry.is_inventory else 0)
            worker.counts[labels] = row.count
            # A count that fell began anew: a reload took the service out, and the next one put it back.
            worker.added[row.service] += row.count - before if row.count >= before else row.count
        for one in telemetry.replicas:
            if one.in_flight and one.replica in zones:
                worker.waiting[one.replica] = one.in_flight
            else:
                worker.waiting.pop(one.replica, None)
        if now - worker.at_s >= FOLD_S:
            _fold(worker, zones, now)

    def figures(self, now: float) -> dict[str, Ingress] | None:
        """By service, without those that have no traffic; None while no forwarder has said enough."""
        self._workers = {number: one for number, one in self._workers.items() if now - one.at_s <= FORGOTTEN_S}
        speaking = [one for one in self._workers.values() if one.has_spoken]
        if not speaking:
            return None
        rates: dict[str, float] = defaultdict(float)
        in_flight: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for one in speaking:
            for name, rate in one.rates.items():
                rates[name] += rate
            for (name, zone), count in one.in_flight.items():
                in_flight[name][zone] += count
        names = (rates.keys() | in_flight.keys()) - {""}
        return {name: Ingress(rates[name], dict(in_flight[name])) for name in names}


def _fold(worker: _Worker, zones: Mapping[ReplicaId, str], now: float) -> None:
    elapsed_s = now - worker.at_s
    part = 1.0 - exp(-elapsed_s / AVERAGED_S)
    in_flight: Counter[tuple[str, str]] = Counter()
    for replica, count in worker.waiting.items():
        if replica in zones:
            in_flight[replica.service, zones[replica]] += count
    rates = {name: count / elapsed_s for name, count in worker.added.items()}
    worker.rates = _averaged(worker.rates, rates, part)
    worker.in_flight = _averaged(worker.in_flight, in_flight, part)
    worker.added.clear()
    worker.at_s = now
    worker.has_spoken = True


def _averaged(before: Mapping[K, float], news: Mapping[K, float], part: float) -> dict[K, float]:
    names = dict.fromkeys((*before, *news))
    averages = {name: before.get(name, 0.0) + (news.get(name, 0.0) - before.get(name, 0.0)) * part for name in names}
    return {name: average for name, average in averages.items() if average >= FAINT}
