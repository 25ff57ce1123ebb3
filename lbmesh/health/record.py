"""What a node knows about one replica, and what follows from it."""

from dataclasses import dataclass, field, replace
from math import inf

from lbmesh.health.merge import NOTHING_KNOWN, Basis, Merged, merge
from lbmesh.health.passive import Suspicion
from lbmesh.health.verdict import Verdict, condemn, expiry_s, judge
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.service import HealthCheck, ReplicaId

PROBE_GAP_S = 0.25
"""However urgent: probes of one replica by one node start at least this far apart."""


@dataclass(slots=True)
class Record:
    """One replica's evidence. Only `HealthBook` touches it.

    `opinions`: peers' words by observer. `merged`: by the rules of merging; `final`: with removal limited
    as well. `asked_s`: when a probe outside the plan is due, `planned_s` one of the plan.
    `interrupted`: the probe in flight was, so that its failure proves nothing. `published`:
    this node's word as its peers have it.
    """

    replica: ReplicaId
    zone: str
    check: HealthCheck
    verdict: Verdict = field(default_factory=Verdict)
    suspicion: Suspicion = field(default_factory=Suspicion)
    opinions: dict[str, Opinion] = field(default_factory=dict)
    assigned: bool = False
    merged: Merged = NOTHING_KNOWN
    final: Merged = NOTHING_KNOWN
    final_since_s: float = 0.0
    in_flight: bool = False
    interrupted: bool = False
    started_s: float = -inf
    planned_s: float = inf
    asked_s: float = inf
    published: Opinion | None = None

    @property
    def expiry_s(self) -> float:
        """How long evidence about this replica counts."""
        return expiry_s(self.check)

    def ask_probe(self, now: float) -> None:
        """Have a probe as soon as the gap allows."""
        self.asked_s = min(self.asked_s, max(now, self.started_s + PROBE_GAP_S))

    def hear(self, opinion: Opinion, now: float) -> None:
        """Take a peer's word. News that the replica is down is checked at once."""
        before = self.opinions.get(opinion.observer)
        self.opinions[opinion.observer] = opinion
        news = before is None or before.up
        if not opinion.up and news and self.verdict.availability is not Availability.DOWN:
            self.ask_probe(now)

    def take_result(self, *, success: bool, reason: str, now: float) -> None:
        """Take the result of this node's own probe."""
        self.in_flight = False
        interrupted, self.interrupted = self.interrupted, False
        if interrupted and not success:
            self.ask_probe(now)
            return
        self.verdict = judge(self.verdict, success=success, reason=reason, check=self.check, now=now)
        if success:
            self.suspicion = Suspicion()

    def take_failure(self, reason: str, now: float) -> None:
        """Take the failure of a request to the replica."""
        self.suspicion = self.suspicion.after(reason, now)
        if self.verdict.availability is Availability.DOWN and self.verdict.first_hand:
            return
        if self.suspicion.condemns:
            self.suspicion = Suspicion()
            self.verdict = condemn(self.verdict, reason=f"requests failed: {reason}", now=now)
        elif self.suspicion.wants_probe:
            self.ask_probe(now)

    def skip(self, pause_s: float) -> None:
        """This node stood still for so long: nothing that it failed to hear or do in that time is
        evidence.
        """
        self.verdict = replace(self.verdict, at_s=self.verdict.at_s + pause_s)
        for observer, word in self.opinions.items():
            self.opinions[observer] = replace(word, at_s=word.at_s + pause_s)
        self.interrupted = self.in_flight
        self.planned_s = inf

    def settle(self, now: float) -> None:
        """Drop what has expired, and merge what is left."""
        if self.verdict.availability is not Availability.UNKNOWN and not self.verdict.is_fresh(now, self.expiry_s):
            self.verdict = Verdict(since_s=now, at_s=now)
        for observer in [name for name, word in self.opinions.items() if word.at_s + self.expiry_s <= now]:
            del self.opinions[observer]
        self.merged = merge(self.verdict, self.opinions.values(), now=now, expiry_s=self.expiry_s)

    def lift_suspicion(self) -> None:
        """Requests succeed again."""
        self.suspicion = Suspicion()

    def own_word(self, node: str, zone: str) -> Opinion | None:
        """This node's opinion; None while it has seen nothing itself, for what it inherited is not its own to say."""
        verdict = self.verdict
        if verdict.availability is Availability.UNKNOWN or not verdict.first_hand:
            return None
        return Opinion(node, zone, self.replica, verdict.availability is Availability.UP, verdict.at_s, verdict.reason)

    @property
    def needs_own_word(self) -> bool:
        """True when this node must look for itself though others are assigned to: nobody says anything,
        or not all say the same. Its own word would otherwise expire, and the replica flip between two
        opinions.
        """
        words = {word.up for word in self.opinions.values()}
        if self.verdict.availability is not Availability.UNKNOWN and self.verdict.first_hand:
            words.add(self.verdict.availability is Availability.UP)
        return self.merged.basis is Basis.NOBODY or bool(self.verdict.streak) or len(words) > 1

    @property
    def next_expiry_s(self) -> float:
        """When the oldest evidence stops to count; infinite when there is none."""
        times = [word.at_s for word in self.opinions.values()]
        if self.verdict.availability is not Availability.UNKNOWN:
            times.append(self.verdict.at_s)
        return min(times) + self.expiry_s if times else inf
