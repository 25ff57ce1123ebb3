"""The health book: evidence about every replica in, due probes and merged availability out.

Inputs only change the book and note which replicas they touched; `ready` then settles those, and says
what is to be done. A change that touches every replica at once (members, settings) is worked off a slice
at a time.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from math import inf

from lbmesh.health.credit import Credit
from lbmesh.health.explain import explain
from lbmesh.health.group import Group, is_released
from lbmesh.health.limits import DUE_PER_STEP, LOOKS_PER_STEP, REVISITS_PER_STEP
from lbmesh.health.merge import Merged
from lbmesh.health.outcome import NOTHING_READY, Flip, ProbeOrder, Ready
from lbmesh.health.pace import paced, stretch
from lbmesh.health.plan import Random, Role, duty, first_probe_s, next_probe_s
from lbmesh.health.record import Record
from lbmesh.health.removal import ZoneGuard
from lbmesh.health.standing import Standing
from lbmesh.health.timers import Timers
from lbmesh.health.verdict import Verdict
from lbmesh.health.voice import Voice
from lbmesh.model.explanation import Explanation
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.member import Member, MemberState
from lbmesh.model.service import ReplicaId, Service

PAUSE_S = 1.0
"""A deadline missed by more than this means that this node stood still (stopped, or its machine was
paused).
"""


class HealthBook:
    """All replicas that are checked, of all services. Times are this node's monotonic seconds."""

    def __init__(self, node: str, zone: str, rng: Random) -> None:
        self._node = node
        self._zone = zone
        self._rng = rng
        self._services: dict[str, Service] = {}
        self._stretch = 1.0
        self._records: dict[ReplicaId, Record] = {}
        self._groups: dict[str, Group] = {}
        self._dirty: dict[str, None] = {}
        self._guard = ZoneGuard()
        self._credit = Credit()
        self._live: dict[str, str] = {node: zone}
        self.members_by_zone: Mapping[str, int] = {zone: 1}
        """Live balancers in each zone, this node included."""

        self._known: frozenset[str] = frozenset()
        self._standing = Standing({node: zone})
        self._touched: dict[ReplicaId, None] = {}
        self._revisits: dict[ReplicaId, None] = {}
        self._timers = Timers()
        self._voice = Voice(node, zone)
        self._promised_s = inf
        self._is_isolated = False
        self._isolated_s = -inf
        """When this node last was."""

    def configure(self, services: Iterable[Service], now: float) -> None:
        """Check these services from now on. What is known about replicas that stay is kept, and a service that is the
        same object as before is not looked at.
        """
        before, self._services = self._services, {one.name: one for one in services if one.health is not None}
        factor, self._stretch = self._stretch, stretch(self._services.values())
        is_same_pace = factor == self._stretch
        for name in before.keys() - self._services.keys():
            self._forget(self._groups.pop(name).records)
            self._dirty.pop(name, None)
        for name, service in self._services.items():
            if before.get(name) is service and is_same_pace:
                continue
            group = self._groups.setdefault(name, Group())
            gone = {record.replica: record for record in group.records}
            records = tuple(
                self._record(gone.pop(ReplicaId(name, one.address), None), service, index, now)
                for index, one in enumerate(service.replicas)
            )
            self._forget(gone.values())
            group.configure(records)
            self._dirty[name] = None
            self._revisits |= {record.replica: None for record in records}

    def _forget(self, records: Iterable[Record]) -> None:
        for record in records:
            del self._records[record.replica]
            self._revisits.pop(record.replica, None)
            self._timers.set(record.replica, inf)
            self._voice.forget(record)
            self._credit.forget(record.replica)

    def _record(self, known: Record | None, service: Service, index: int, now: float) -> Record:
        assert service.health is not None
        one = service.replicas[index]
        check = paced(service.health, self._stretch)
        record = known or Record(ReplicaId(service.name, one.address), one.zone, check, final_since_s=now)
        if record.check != check:
            record.check = check
            record.outdated = record.in_flight
            record.planned_s = inf
        record.zone = one.zone
        self._records[record.replica] = record
        return record

    def set_members(self, members: Iterable[Member], trusted: Collection[str]) -> None:
        """The words of live members that are `trusted` count, and these share the probing. What the others have said is
        kept: it counts again when they come back.
        """
        everybody = tuple(members)
        live = {member.name: member.zone for member in everybody if member.state.is_live} | {self._node: self._zone}
        standing = Standing(
            {name: zone for name, zone in live.items() if name in trusted or name == self._node},
            frozenset(member.name for member in everybody if member.state is MemberState.IMPAIRED),
            self._standing.discounted,
        )
        known = frozenset(member.name for member in everybody)
        if (live, standing, known) == (self._live, self._standing, self._known):
            return
        self._live, self._standing, self._known = live, standing, known
        self.members_by_zone = Counter(live.values())
        self._revisits = dict.fromkeys(self._records)

    def set_isolated(self, now: float, *, is_isolated: bool) -> None:
        """Does this node hear no peer, though there are some? To be called before `ready`, each time.

        A probe that was under way when its own link came back proves nothing if it fails.
        """
        if is_isolated or self._is_isolated:
            self._isolated_s = now
        if self._is_isolated and not is_isolated:
            for record in self._records.values():
                record.interrupt()
        self._is_isolated = is_isolated

    def notice_pause(self, now: float) -> None:
        """To be called before any input: when this node stood still until now, time has stood still for its evidence.

        Else all of it would have expired, and the dead and the living be unknown alike; and probes that
        were under way would count as failed.
        """
        pause_s = now - self._promised_s
        self._promised_s = inf
        if pause_s <= PAUSE_S:
            return
        for record in self._records.values():
            record.skip(pause_s)
        self._revisits = dict.fromkeys(self._records)

    def hear(self, opinion: Opinion, now: float) -> None:
        """Take a peer's word; that of a stranger, or about an unknown replica, says nothing."""
        record = self._records.get(opinion.replica)
        if record is None or opinion.observer == self._node or opinion.observer not in self._known:
            return
        is_believed = opinion.observer in self._standing.zones and opinion.observer not in self._standing.discounted
        record.hear(opinion, now, is_believed=is_believed)
        self._touched[record.replica] = None

    def unhear(self, observer: str, replica: ReplicaId) -> None:
        """A peer has taken its word back."""
        record = self._records.get(replica)
        if record is not None and record.opinions.pop(observer, None) is not None:
            self._touched[replica] = None

    def inherit(self, replica: ReplicaId, availability: Availability, reason: str, now: float) -> None:
        """Start from what the agent before this one thought, where nothing is known yet."""
        record = self._records.get(replica)
        if record is None or record.verdict.availability is not Availability.UNKNOWN:
            return
        record.verdict = Verdict(availability, since_s=now, at_s=now, reason=reason, first_hand=False)
        self._touched[replica] = None

    def probe_finished(
        self, replica: ReplicaId, *, success: bool, reason: str, now: float, answered: bool = False
    ) -> None:
        """Take the result of a probe that `ready` ordered. `answered`: of a failure, that the replica did answer."""
        record = self._records.get(replica)
        if record is None:
            return
        did_answer = record.answers
        record.take_result(success=success, reason=reason, answered=answered, now=now)
        if record.answers is not did_answer:
            self._dirty[replica.service] = None
        record.planned_s = next_probe_s(record.started_s, record.check.interval_s, self._rng)
        self._touched[replica] = None

    def request_failed(self, replica: ReplicaId, reason: str, now: float, *, after_answer: bool = False) -> None:
        """Take a failed request, with the access log's word for it. `after_answer`: the replica answered others since
        the failure before. One that may have begun while this node was isolated says nothing of the replica.
        """
        record = self._records.get(replica)
        stale_s = self._services[replica.service].traffic.timeouts.connect_s if record else 0.0
        if record is not None and now - self._isolated_s > stale_s:
            record.take_failure(reason, now, after_answer=after_answer)
            self._touched[replica] = None

    def requests_succeeded(self, replica: ReplicaId) -> None:
        """Requests to the replica succeeded of late and none failed: the suspicion, if any, is lifted."""
        record = self._records.get(replica)
        if record is not None:
            record.lift_suspicion()

    def ready(self, now: float) -> Ready:
        """Settle what was touched or came due, and collect what is to be done."""
        if not self._dirty and now < self.next_deadline():
            self._promised_s = max(now, self.next_deadline())
            return NOTHING_READY
        self._touched |= dict.fromkeys(self._timers.take_due(now, DUE_PER_STEP))
        for replica in tuple(islice(self._revisits, REVISITS_PER_STEP)):
            del self._revisits[replica]
            self._revisit(self._records[replica])
            self._touched[replica] = None
        touched = [self._records[replica] for replica in self._touched if replica in self._records]
        self._touched.clear()
        for record in touched:
            if self._settle(record, now):
                self._groups[record.replica.service].note(record)
                self._dirty[record.replica.service] = None
        flips = [flip for group in self._next_dirty() for flip in self._settle_group(group, now)]
        probes = [order for record in touched if (order := self._probe(record, now))]
        words, withdrawn = self._voice.words(touched, now)
        self._promised_s = max(now, self.next_deadline())
        return Ready(tuple(probes), words, withdrawn, tuple(flips))

    def _revisit(self, record: Record) -> None:
        """Members have changed, or whose words count."""
        record.duty = duty(self._node, record.replica, self._standing.zones)
        for observer in record.opinions.keys() - self._known:
            del record.opinions[observer]

    def _settle(self, record: Record, now: float) -> bool:
        """Merge what is known about one replica. True when its service has to be looked at as a whole."""
        changed = record.settle(self._node, self._zone, self._standing, now, self._isolated_s)
        if record.final.rule is record.merged.rule:
            record.final = replace(record.final, reason=record.merged.reason)
        own = record.own_word(self._node, self._zone)
        words = [word for name, word in record.opinions.items() if name in self._standing.zones]
        if self._credit.note(record.replica, record.zone, [*words, own] if own else words):
            self._discount()
        return changed or is_released(record, now)

    def _discount(self) -> None:
        changed = self._credit.discounted ^ self._standing.discounted
        self._standing = replace(self._standing, discounted=self._credit.discounted)
        self._revisits |= {
            replica: None for replica, record in self._records.items() if not changed.isdisjoint(record.opinions)
        }

    def _next_dirty(self) -> Iterator[Group]:
        """Services to be looked at as a whole: so many that it is a small step, one at least."""
        looks = 0
        while self._dirty and looks < LOOKS_PER_STEP:
            name = next(iter(self._dirty))
            del self._dirty[name]
            group = self._groups[name]
            looks += 1 + len(group.special)
            yield group

    def _settle_group(self, group: Group, now: float) -> list[Flip]:
        was_short = group.is_short
        flips = list(group.settle(self._guard, now))
        if group.is_short is not was_short:
            self._revisits |= dict.fromkeys(record.replica for record in group.records)
        return flips

    def _probe(self, record: Record, now: float) -> ProbeOrder | None:
        """The probe of this replica that is due, if any; sets the timer for what comes next."""
        if not self._is_wanted(record, now):
            record.planned_s = inf
        elif record.planned_s == inf:
            record.planned_s = first_probe_s(self._node, record.replica, record.check.interval_s, now)
        order = None
        if not record.in_flight and min(record.planned_s, record.asked_s) <= now:
            record.in_flight, record.started_s, record.asked_s = True, now, inf
            order = ProbeOrder(record.replica, record.check)
        probe_s = inf if record.in_flight else min(record.planned_s, record.asked_s)
        self._timers.set(record.replica, min(probe_s, record.next_change_s(now)))
        return order

    def _is_wanted(self, record: Record, now: float) -> bool:
        """Is this node to probe the replica once an interval?"""
        match record.duty.role:
            case Role.PROBER:
                return True
            case Role.LOOKER if record.is_in_doubt or self._groups[record.replica.service].is_short:
                return True
            case _:
                return record.stands_in_s() <= now

    def next_deadline(self) -> float:
        """When `ready` has something to do without further input; infinite when never."""
        if self._revisits or self._touched or self._dirty:
            return -inf
        return self._timers.next_s()

    def merged(self, replica: ReplicaId) -> Merged | None:
        """A replica's availability and its reason; None when it is not checked."""
        record = self._records.get(replica)
        return record.final if record else None

    def explain(self, now: float, replica: ReplicaId) -> Explanation | None:
        """Why a replica's availability is what it is; None when it is not checked."""
        record = self._records.get(replica)
        if record is None:
            return None
        own = record.own_word(self._node, self._zone)
        return explain(record, own, self._zone, is_short=self._groups[replica.service].is_short, now=now)

    def since_s(self, replica: ReplicaId) -> float | None:
        """Since when its availability is what it is."""
        record = self._records.get(replica)
        return record.final_since_s if record else None

    def opinions(self, replica: ReplicaId) -> tuple[Opinion, ...]:
        """Everybody's words about a replica that count, this node's first."""
        record = self._records.get(replica)
        if record is None:
            return ()
        own = record.own_word(self._node, self._zone)
        return (own, *record.weighed.counting) if own else record.weighed.counting
