"""What a node knows about one replica, and what follows from it."""

from collections import deque
from dataclasses import dataclass, field, replace
from math import inf

from lbmesh.health.damping import Damping
from lbmesh.health.limits import DOUBT_GRACE_S, PROBE_GAP_S
from lbmesh.health.merge import NOTHING_KNOWN, Merged, Rule, merge
from lbmesh.health.outcome import Change
from lbmesh.health.passive import Suspicion
from lbmesh.health.plan import Duty, Role, comes_before
from lbmesh.health.standing import Standing, Weighed, weigh
from lbmesh.health.verdict import Verdict, condemn, expiry_s, judge
from lbmesh.model.explanation import TRANSITIONS_MAX
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.service import HealthCheck, ReplicaId

NO_DUTY = Duty(Role.BYSTANDER, frozenset(), patience=1000, pace=1.0)
"""Until the book has found out, a step later."""


@dataclass(slots=True)
class Record:
    """One replica's evidence. Only the health room touches it.

    `opinions`: peers' words by observer, also those that do not count now; `weighed`: which do. `merged`: by the rules
    of merging; `damping` follows it; `final`: after damping and with removal limited as well, since `final_since_s`;
    `changes`: its last ones, newest last. `limited_until_s`: when a limit on its removal is to be looked at again.
    `silent_since_s`: since when nobody who comes before this node has said anything; infinite when somebody has.
    `asked_s`: when a probe outside the plan is due, `planned_s` one of the plan. `news_s`: when
    news from peers last asked for one. `interrupted`: the probe in
    flight was, so that its failure proves nothing; `outdated`: it asks what is no longer asked, so that no result of it
    proves anything. `answers`: this node's last probe had an answer, but not the right one. `published`: this node's
    word as its peers have it.
    """

    replica: ReplicaId
    zone: str
    check: HealthCheck
    verdict: Verdict = field(default_factory=Verdict)
    suspicion: Suspicion = field(default_factory=Suspicion)
    opinions: dict[str, Opinion] = field(default_factory=dict)
    weighed: Weighed = field(default_factory=Weighed)
    duty: Duty = NO_DUTY
    merged: Merged = NOTHING_KNOWN
    damping: Damping = field(default_factory=Damping)
    final: Merged = NOTHING_KNOWN
    final_since_s: float = 0.0
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=TRANSITIONS_MAX))
    limited_until_s: float = inf
    silent_since_s: float = inf
    in_flight: bool = False
    interrupted: bool = False
    outdated: bool = False
    answers: bool = False
    started_s: float = -inf
    planned_s: float = inf
    asked_s: float = inf
    news_s: float = -inf
    published: Opinion | None = None

    @property
    def expiry_s(self) -> float:
        """How long this node's own evidence about this replica counts."""
        return expiry_s(self.check)

    @property
    def gap_s(self) -> float:
        """How far apart this node's probes start at least."""
        return PROBE_GAP_S if self.duty.role is not Role.BYSTANDER else self.check.interval_s * self.duty.pace

    def ask_probe(self, due_s: float) -> None:
        """Have a probe at that time, or as soon after it as the gap allows."""
        self.asked_s = min(self.asked_s, max(due_s, self.started_s + self.gap_s))

    def hear(self, opinion: Opinion, now: float, *, is_believed: bool) -> None:
        """Take a peer's word. News that the replica is down is checked at once by who is to look at it; further news
        within an interval is checked at its end, so that who says up and down by turns does not make all of them hammer
        the replica.
        """
        before = self.opinions.get(opinion.observer)
        self.opinions[opinion.observer] = opinion
        is_news = is_believed and not opinion.up and (before is None or before.up)
        if is_news and self.duty.role is not Role.BYSTANDER and self.verdict.availability is not Availability.DOWN:
            if self.news_s <= now:
                self.news_s = max(now, self.news_s + self.check.interval_s)
            self.ask_probe(self.news_s)

    def take_result(self, *, success: bool, reason: str, answered: bool, now: float) -> None:
        """Take the result of this node's own probe."""
        self.in_flight = False
        proves = not self.outdated and (success or not self.interrupted)
        self.outdated = self.interrupted = False
        if not proves:
            self.ask_probe(now)
            return
        self.answers = answered
        self.verdict = judge(self.verdict, success=success, reason=reason, check=self.check, now=now)
        if success:
            self.suspicion = Suspicion()

    def take_failure(self, reason: str, now: float, *, after_answer: bool) -> None:
        """Take the failure of a request to the replica."""
        self.suspicion = self.suspicion.after(reason, now, after_answer=after_answer)
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
        self.interrupt()
        self.planned_s = inf
        self.silent_since_s += pause_s

    def interrupt(self) -> None:
        """If the probe that is under way fails, it was this node's doing."""
        self.interrupted = self.in_flight

    def settle(self, node: str, zone: str, standing: Standing, now: float, isolated_s: float = -inf) -> bool:
        """Merge what counts. True when more than the reason has changed. `isolated_s`: see `Damping.after`.

        What was last known stands in, for as long as own evidence would, when nothing that counts is left: who
        falls silent says nothing about the replica.
        """
        before = self.merged
        self.weighed = weigh(self.opinions.values(), standing)
        if not self.verdict.is_fresh(now, self.expiry_s):
            self.verdict = Verdict(since_s=now, at_s=now)
        self.merged = self._merge(zone, now)
        was_known = before.availability is not Availability.UNKNOWN and before.rule is not Rule.LAST_KNOWN
        if self.merged.rule is Rule.NOBODY and was_known:
            reason = f"nobody says anything any more; last known: {before.reason}"
            self.verdict = Verdict(before.availability, since_s=now, at_s=now, reason=reason, first_hand=False)
            self.merged = self._merge(zone, now)
        is_heard = any(
            word.observer in self.duty.probers or comes_before(word.observer, node, self.replica)
            for word in self.weighed.counting
        )
        self.silent_since_s = inf if is_heard else min(self.silent_since_s, now)
        by_peers = not (before.rule is Rule.OWN_EVIDENCE and self.merged.rule is Rule.OWN_EVIDENCE)
        follows = self.damping.after(self.merged.availability, now, by_peers=by_peers, isolated_s=isolated_s)
        changed, self.damping = follows != self.damping, follows
        return changed or replace(before, reason="") != replace(self.merged, reason="")

    def _merge(self, zone: str, now: float) -> Merged:
        doubt_s = self.check.timeout_s + DOUBT_GRACE_S
        return merge(self.verdict, self.weighed.counting, zone=zone, now=now, expiry_s=self.expiry_s, doubt_s=doubt_s)

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
    def is_in_doubt(self) -> bool:
        """True when trusted observers differ, this node among them, or its own last probes speak against its word."""
        own_up = self.verdict.availability is Availability.UP
        has_own = self.verdict.availability is not Availability.UNKNOWN and self.verdict.first_hand
        differs = has_own and any(word.up is not own_up for word in self.weighed.counting)
        return self.weighed.is_dispute or differs or bool(self.verdict.streak)

    def stands_in_s(self) -> float:
        """From when on this node looks, although it is not to, because nobody else does; infinite for never."""
        return self.silent_since_s + self.duty.patience * self.check.interval_s

    def next_change_s(self, now: float) -> float:
        """When time alone changes what follows from the evidence; infinite for never."""
        times = [self.limited_until_s]
        if self.verdict.availability is not Availability.UNKNOWN:
            times.append(self.verdict.at_s + self.expiry_s)
        if self.merged.until_s is not None:
            times.append(self.merged.until_s)
        if self.damping.is_held(now):
            times.append(self.damping.release_s)
        if self.stands_in_s() > now:
            times.append(self.stands_in_s())
        return min(times)
