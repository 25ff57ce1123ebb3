"""The health book: evidence about every replica in, due probes and merged availability out.

Inputs only change the book and note which replicas they touched; `ready` then settles those, and says
what is to be done. A change that touches every replica at once (members, settings) is worked off a slice
at a time.
"""

from collections.abc import Iterable, Mapping
from math import inf

from lbmesh.health.merge import Merged
from lbmesh.health.outcome import Flip, ProbeOrder, Ready
from lbmesh.health.plan import Random, first_probe_s, next_probe_s, probers
from lbmesh.health.record import Record
from lbmesh.health.removal import is_short, limit_removal
from lbmesh.health.timers import Timers
from lbmesh.health.verdict import Verdict
from lbmesh.health.voice import Voice
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.member import Member
from lbmesh.model.service import ReplicaId, Service

REVISITS_PER_STEP = 64
"""With 100 members one revisit hashes 100 times at worst, some 0.1 ms; a step of the agent has 10 ms."""

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
        self._records: dict[ReplicaId, Record] = {}
        self._services: dict[str, tuple[Record, ...]] = {}
        self._short: set[str] = set()
        self._zones: dict[str, str] = {node: zone}
        self._touched: dict[ReplicaId, None] = {}
        self._revisits: dict[ReplicaId, None] = {}
        self._timers = Timers()
        self._voice = Voice(node, zone)
        self._promised_s = inf

    def configure(self, services: Iterable[Service], now: float) -> None:
        """Check these services from now on. What is known about replicas that stay is kept."""
        old = self._records
        self._records, self._services = {}, {}
        for service in services:
            if service.health is None:
                continue
            self._services[service.name] = tuple(
                self._record(old.pop(ReplicaId(service.name, one.address), None), service, index, now)
                for index, one in enumerate(service.replicas)
            )
        self._short &= self._services.keys()
        for record in old.values():
            self._timers.set(record.replica, inf)
            self._voice.forget(record)
        self._revisits = dict.fromkeys(self._records)

    def _record(self, known: Record | None, service: Service, index: int, now: float) -> Record:
        assert service.health is not None
        one = service.replicas[index]
        record = known or Record(ReplicaId(service.name, one.address), one.zone, service.health, final_since_s=now)
        if record.check != service.health:
            record.check = service.health
            record.planned_s = inf
        record.zone = one.zone
        self._records[record.replica] = record
        return record

    def set_members(self, members: Iterable[Member]) -> None:
        """Only members that are alive (impaired ones are) have a say, and a part in the plan."""
        zones = {member.name: member.zone for member in members if member.state.is_live}
        zones[self._node] = self._zone
        if zones == self._zones:
            return
        gone = self._zones.keys() - zones.keys()
        self._zones = zones
        for record in self._records.values():
            for observer in gone & record.opinions.keys():
                del record.opinions[observer]
                self._touched[record.replica] = None
        self._revisits = dict.fromkeys(self._records)

    @property
    def members_by_zone(self) -> Mapping[str, int]:
        """Live balancers in each zone, this node included."""
        counts: dict[str, int] = {}
        for zone in self._zones.values():
            counts[zone] = counts.get(zone, 0) + 1
        return counts

    def notice_pause(self, now: float) -> None:
        """To be called before any input: when this node stood still until now, time has stood still for
        its evidence.

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
        """Take a peer's word; that of a member who is not live, or about an unknown replica, says nothing."""
        record = self._records.get(opinion.replica)
        if record is None or opinion.observer == self._node or opinion.observer not in self._zones:
            return
        record.hear(opinion, now)
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

    def probe_finished(self, replica: ReplicaId, *, success: bool, reason: str, now: float) -> None:
        """Take the result of a probe that `ready` ordered."""
        record = self._records.get(replica)
        if record is None:
            return
        record.take_result(success=success, reason=reason, now=now)
        record.planned_s = next_probe_s(record.started_s, record.check.interval_s, self._rng)
        self._touched[replica] = None

    def request_failed(self, replica: ReplicaId, reason: str, now: float) -> None:
        """Take a failed request, with the access log's word for it."""
        record = self._records.get(replica)
        if record is not None:
            record.take_failure(reason, now)
            self._touched[replica] = None

    def requests_succeeded(self, replica: ReplicaId) -> None:
        """Requests to the replica succeeded of late and none failed: the suspicion, if any, is lifted."""
        record = self._records.get(replica)
        if record is not None:
            record.lift_suspicion()

    def ready(self, now: float) -> Ready:
        """Settle what was touched or came due, and collect what is to be done."""
        self._touched |= dict.fromkeys(self._timers.take_due(now))
        for replica in list(self._revisits)[:REVISITS_PER_STEP]:
            del self._revisits[replica]
            record = self._records[replica]
            record.assigned = self._node in probers(replica, self._zones)
            self._touched[replica] = None
        touched = [self._records[replica] for replica in self._touched if replica in self._records]
        self._touched.clear()
        for record in touched:
            record.settle(now)
        flips = [
            flip for name in dict.fromkeys(one.replica.service for one in touched) for flip in self._flip(name, now)
        ]
        probes = [order for record in touched if (order := self._probe(record, now))]
        words, withdrawn = self._voice.words(touched, self._records, now)
        self._promised_s = max(now, self.next_deadline())
        return Ready(tuple(probes), words, withdrawn, tuple(flips))

    def _flip(self, service: str, now: float) -> list[Flip]:
        """Limit removal in one service, and note what changed."""
        records = self._services[service]
        merged = [record.merged for record in records]
        if is_short(merged) is not (service in self._short):
            self._short ^= {service}
            self._revisits |= dict.fromkeys(record.replica for record in records)
        flips = []
        for record, final in zip(records, limit_removal(merged), strict=True):
            before, record.final = record.final, final
            if before.availability is not final.availability:
                record.final_since_s = now
                flips.append(Flip(record.replica, before.availability, final))
        return flips

    def _probe(self, record: Record, now: float) -> ProbeOrder | None:
        """The probe of this replica that is due, if any; sets the timer for what comes next."""
        wanted = record.assigned or record.needs_own_word or record.replica.service in self._short
        if not wanted:
            record.planned_s = inf
        elif record.planned_s == inf:
            record.planned_s = first_probe_s(self._node, record.replica, record.check.interval_s, now)
        order = None
        if not record.in_flight and min(record.planned_s, record.asked_s) <= now:
            record.in_flight, record.started_s, record.asked_s = True, now, inf
            order = ProbeOrder(record.replica, record.check)
        probe_s = inf if record.in_flight else min(record.planned_s, record.asked_s)
        self._timers.set(record.replica, min(probe_s, record.next_expiry_s))
        return order

    def next_deadline(self) -> float:
        """When `ready` has something to do without further input; infinite when never."""
        if self._revisits or self._touched:
            return -inf
        return self._timers.next_s()

    def merged(self, replica: ReplicaId) -> Merged | None:
        """A replica's availability and its reason; None when it is not checked."""
        record = self._records.get(replica)
        return record.final if record else None

    def since_s(self, replica: ReplicaId) -> float | None:
        """Since when its availability is what it is."""
        record = self._records.get(replica)
        return record.final_since_s if record else None

    def opinions(self, replica: ReplicaId) -> tuple[Opinion, ...]:
        """Everybody's words about a replica that count, this node's first."""
        record = self._records.get(replica)
        if record is None:
            return ()
        words = tuple(record.opinions[name] for name in sorted(record.opinions))
        own = record.own_word(self._node, self._zone)
        return (own, *words) if own else words
