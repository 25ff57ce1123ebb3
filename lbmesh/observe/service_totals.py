"""What all forwarders together make of each service's limits: gauges of the living, counters that never go back."""

from dataclasses import dataclass

from lbmesh.control.link import ServiceTelemetry

SERVICES_MAX = 4096
"""Services remembered; a node that has had more of them shows the first ones."""


@dataclass(slots=True)
class ServiceFigures:
    """One service's. `active_max`: places of all forwarders; the rest as `ServiceTelemetry` has it."""

    active: int = 0
    active_max: int = 0
    pending: int = 0
    hedges: int = 0
    hedges_won: int = 0
    moved: int = 0

    def add_counters(self, row: "ServiceTelemetry | ServiceFigures") -> None:
        """Add another's counters to these."""
        self.hedges += row.hedges
        self.hedges_won += row.hedges_won
        self.moved += row.moved


class ServiceTotals:
    """The newest row of each service from each worker, and what ended processes had counted."""

    def __init__(self) -> None:
        self._living: dict[int, dict[str, ServiceTelemetry]] = {}
        self._ended: dict[str, ServiceFigures] = {}

    def take(self, worker: int, row: ServiceTelemetry) -> None:
        """Note a row. Counters that fell began anew."""
        rows = self._living.setdefault(worker, {})
        before = rows.get(row.service)
        if before is not None and (row.hedges < before.hedges or row.moved < before.moved):
            self._ended.setdefault(row.service, ServiceFigures()).add_counters(before)
        if before is not None or len(rows) < SERVICES_MAX:
            rows[row.service] = row

    def end(self, worker: int) -> None:
        """The worker's process is no more."""
        for row in self._living.pop(worker, {}).values():
            self._ended.setdefault(row.service, ServiceFigures()).add_counters(row)

    def all(self) -> list[tuple[str, ServiceFigures]]:
        """Every service with its figures, in order."""
        total: dict[str, ServiceFigures] = {}
        for service, ended in self._ended.items():
            total.setdefault(service, ServiceFigures()).add_counters(ended)
        for rows in self._living.values():
            for row in rows.values():
                figures = total.setdefault(row.service, ServiceFigures())
                figures.active += row.active
                figures.active_max += row.active_max
                figures.pending += row.pending
                figures.add_counters(row)
        return sorted(total.items())
