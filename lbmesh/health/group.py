"""One service's replicas together: damping and limited removal need to know how many are left."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import inf

from lbmesh.health.merge import Merged, Rule
from lbmesh.health.outcome import Change, Flip
from lbmesh.health.record import Record
from lbmesh.health.removal import Case, Limited, RemovalBudget, ZoneGuard, limit_removal
from lbmesh.model.health import Availability
from lbmesh.model.service import ReplicaId


@dataclass(slots=True)
class Group:
    """A service that is checked. `records`: of all its replicas; `special`: of those that are not simply in use (or
    unknown to everybody), in the order in which that was noted, so that a change costs what is amiss and not what there
    is. `is_short`: when more than half of its replicas are down, held back ones not counted.
    """

    records: tuple[Record, ...] = ()
    special: dict[ReplicaId, Record] = field(default_factory=dict)
    budget: RemovalBudget = field(default_factory=RemovalBudget)
    is_short: bool = False

    def configure(self, records: Iterable[Record]) -> None:
        """These are its replicas from now on."""
        self.records = tuple(records)
        known = {record.replica: record for record in self.records}
        self.special = {replica: known[replica] for replica in self.special if replica in known}

    def note(self, record: Record) -> None:
        """What is known of this replica has changed: it is to be looked at when the group is settled."""
        self.special[record.replica] = record

    def settle(self, guard: ZoneGuard, now: float) -> Iterator[Flip]:
        """Hold back what flaps, limit removal, and say what has changed."""
        special = tuple(self.special.values())
        total = len(self.records)
        self.is_short = sum(_is_down(one.merged) for one in special) * 2 > total
        _lift_holds(special, total, now)
        cases = [Case(record.zone, record.final.availability, _damped(record, now)) for record in special]
        outcome = limit_removal(cases, total, self.budget, guard, now)
        if len(special) == total and all(_is_down(one.final) for one in outcome):
            outcome = tuple(_last_resort(record, one) for record, one in zip(special, outcome, strict=True))
        for record, limited in zip(special, outcome, strict=True):
            before, record.final = record.final, limited.final
            record.limited_until_s = limited.until_s
            if limited.final == record.merged and not record.merged.is_removal and not _is_down(record.merged):
                del self.special[record.replica]
            if before.availability is not record.final.availability:
                record.final_since_s = now
                record.changes.append(Change(now, before.availability, record.final))
                yield Flip(record.replica, before.availability, record.final)


def _lift_holds(special: Iterable[Record], total: int, now: float) -> None:
    """No more are held back than leaves half usable: those that flapped least come back."""
    out = sum(_is_down(_damped(record, now)) for record in special)
    held = [record for record in special if record.damping.is_held(now)]
    held.sort(key=lambda record: (record.damping.penalty_at(now), record.replica))
    for record in held[: max(0, (out * 2 - total + 1) // 2)]:
        record.damping = record.damping.released()


def _last_resort(record: Record, limited: Limited) -> Limited:
    """Nothing else is left of the service. A replica that answers its check, if wrongly, may serve all the same: then
    it is the check that is wrong, or something that all replicas share.
    """
    final = limited.final
    if final.rule is not Rule.OWN_EVIDENCE or not record.answers:
        return limited
    reason = f"all replicas of the service are down, and this one at least answers: {final.reason}"
    return replace(
        limited, final=replace(final, availability=Availability.UNKNOWN, rule=Rule.LAST_RESORT, reason=reason)
    )


def _is_down(merged: Merged) -> bool:
    return merged.availability is Availability.DOWN


def _damped(record: Record, now: float) -> Merged:
    merged = record.merged
    if merged.availability is not Availability.UP or not record.damping.is_held(now):
        return merged
    reason = f"held back, as it goes up and down: {merged.reason}"
    return replace(merged, availability=Availability.DOWN, rule=Rule.HELD_BACK, reason=reason, until_s=None)


def is_released(record: Record, now: float) -> bool:
    """True when a limit or a hold that shaped this record's availability is due to be looked at again."""
    is_over = record.final.rule is Rule.HELD_BACK and not record.damping.is_held(now)
    return is_over or inf > record.limited_until_s <= now
