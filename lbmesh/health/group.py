"""One service's replicas together: damping and limited removal need to know how many are left."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import inf

from lbmesh.health.merge import Merged, Rule
from lbmesh.health.outcome import Change, Flip
from lbmesh.health.record import Record
from lbmesh.health.removal import Case, RemovalBudget, ZoneGuard, is_short, limit_removal
from lbmesh.model.health import Availability


@dataclass(slots=True)
class Group:
    """A service that is checked. `is_short`: when more than half of its replicas are down, held back ones not
    counted.
    """

    records: tuple[Record, ...]
    budget: RemovalBudget = field(default_factory=RemovalBudget)
    is_short: bool = False

    def settle(self, guard: ZoneGuard, now: float) -> Iterator[Flip]:
        """Hold back what flaps, limit removal, and say what has changed."""
        self.is_short = is_short([record.merged for record in self.records])
        self._lift_holds(now)
        cases = [Case(record.zone, record.final.availability, _damped(record, now)) for record in self.records]
        for record, limited in zip(self.records, limit_removal(cases, self.budget, guard, now), strict=True):
            before, record.final = record.final, limited.final
            record.limited_until_s = limited.until_s
            if before.availability is not record.final.availability:
                record.final_since_s = now
                record.changes.append(Change(now, before.availability, record.final))
                yield Flip(record.replica, before.availability, record.final)

    def _lift_holds(self, now: float) -> None:
        """No more are held back than leaves half usable: those that flapped least come back."""
        out = sum(_damped(record, now).availability is Availability.DOWN for record in self.records)
        excess = out * 2 - len(self.records)
        held = [record for record in self.records if record.damping.is_held(now)]
        held.sort(key=lambda record: (record.damping.penalty_at(now), record.replica))
        for record in held[: max(0, (excess + 1) // 2)]:
            record.damping = record.damping.released()


def _damped(record: Record, now: float) -> Merged:
    merged = record.merged
    if merged.availability is not Availability.UP or not record.damping.is_held(now):
        return merged
    seconds = record.damping.release_s - now
    reason = f"held back for {seconds:.0f} s at most, as it goes up and down: {merged.reason}"
    return replace(merged, availability=Availability.DOWN, rule=Rule.HELD_BACK, reason=reason, until_s=None)


def is_released(record: Record, now: float) -> bool:
    """True when a limit or a hold that shaped this record's availability is due to be looked at again."""
    is_over = record.final.rule is Rule.HELD_BACK and not record.damping.is_held(now)
    return is_over or inf > record.limited_until_s <= now
