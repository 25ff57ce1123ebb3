"""From edges to a picture: whom to watch, what to say of it, and what it means."""

from collections.abc import Callable

from lbmesh.gossip.codec import encode_edges
from lbmesh.gossip.identity import member_id
from lbmesh.gossip.limits import EDGES_MAX, GossipTiming
from lbmesh.gossip.members import Members
from lbmesh.gossip.observers import WatchPlan, watch_plan
from lbmesh.gossip.probing import Prober
from lbmesh.gossip.records import Records
from lbmesh.gossip.turn import Turn
from lbmesh.gossip.verdict import Finding, Judgement, Rule, judge
from lbmesh.model.member import MemberState

_SETTLE_ROUNDS_MAX = 3
_ALONE = Finding(MemberState.IMPAIRED, Rule.ISOLATED, "isolated: no peer answers, so the picture of them is frozen")


class Picture:
    """Keeps the member table in step with the edges. `say_edges` publishes this node's own row of them."""

    def __init__(
        self,
        members: Members,
        prober: Prober,
        records: Records,
        timing: GossipTiming,
        say_edges: Callable[[float, bytes], None],
    ) -> None:
        self._members = members
        self._prober = prober
        self._records = records
        self._timing = timing
        self._say_edges = say_edges
        self._roster: object = None
        self._unsettled = True
        self._settled_s = float("-inf")
        self._seen_flips = 0
        self._grace_until_s = float("-inf")
        self._is_grace_used = False
        self._is_any_broken = False
        self.isolated = False
        """True while no peer answers or speaks though two or more should."""

        self.plan = WatchPlan({}, {})
        self.trusted_peers: frozenset[str] = frozenset()
        self._enter(Judgement({}, frozenset({members.own.name}), {}))

    def unsettle(self) -> None:
        """Something a verdict rests on has changed."""
        self._unsettled = True

    def forgive(self, now: float) -> None:
        """This node was deaf for a while: no silence until now says anything, and what peers say of each other
        may be as old as the deafness. Condemn nobody until all have had time to answer and to speak.
        """
        self._grace_until_s = now + self._timing.grace_s

    def _is_isolated(self, now: float) -> bool:
        peers = self._members.live_peers()
        edges = self._prober.broken()
        tested = [edges[peer.name] for peer in peers if peer.name in edges]
        no_answer = len(peers) >= 2 and bool(tested) and all(tested)
        return no_answer and not self._members.who_spoke(now - self._timing.speech_s)

    def deadline_s(self) -> float:
        """When to settle; infinity while nothing has changed."""
        if self._unsettled or self._seen_flips != self._prober.flips:
            return self._settled_s + self._timing.settle_gap_s
        if self._is_any_broken:  # Who has fallen silent is no longer trusted, which no event tells.
            return self._settled_s + self._timing.speech_s / 2
        return self._grace_until_s if self._is_grace_used else float("inf")

    def settle(self, now: float, turn: Turn) -> None:
        """Watch whom we should, say what we see, judge; again while the verdict changes who is live."""
        if now < self.deadline_s():
            return
        self._unsettled, self._settled_s = True, now
        for _ in range(_SETTLE_ROUNDS_MAX):
            if not self._unsettled and self._seen_flips == self._prober.flips:
                return
            self._unsettled, self._seen_flips = False, self._prober.flips
            self._rewatch(now)
            self.isolated = isolated = self._is_isolated(now)
            self._is_any_broken = any(self._prober.broken().values())
            self._publish_edges(now, isolated)
            self._tell_isolation(now, isolated, turn)
            if isolated:
                self._enter(Judgement({}, frozenset({self._members.own.name}), {}))
                return
            changes = self._members.apply(now, self._judge(now))
            turn.changes += changes
            self._unsettled = bool(changes)
        # What still moves waits for news or for the next look: an undecided picture must not spin.
        self._unsettled = False

    def _judge(self, now: float) -> dict[str, Finding]:
        """The findings to enter: all, but for those that a deaf node must not make yet."""
        spoke = self._members.who_spoke(now - self._timing.speech_s)
        before = self.judgement.trusted
        self._enter(judge(self._members.subjects(self._records.ids), self._members.own.name, spoke))
        if 2 * len(self.judgement.trusted - before) >= len(self.judgement.trusted):
            # This node is back from the smaller side of a cut. What the others say of its companions, and said before
            # of who has come back since, is as old as the cut.
            self._grace_until_s = now + self._timing.grace_s
        findings = dict(self.judgement.findings)
        held_back = [
            name
            for name, found in findings.items()
            if found.state is MemberState.DOWN and self._members.entries[name].state is not MemberState.DOWN
        ]
        self._is_grace_used = now < self._grace_until_s and bool(held_back)
        for name in held_back if self._is_grace_used else ():
            del findings[name]
        return findings

    def _enter(self, judgement: Judgement) -> None:
        self.judgement = judgement
        self._members.trusted = judgement.trusted
        self.trusted_peers = judgement.trusted - {self._members.own.name}

    def _rewatch(self, now: float) -> None:
        entries = self._members.entries
        live, own = self._members.live(), self._members.own.name
        roster = tuple(
            sorted(
                (entry.name, entry.zone, entry.name in live)
                for entry in entries.values()
                if entry.state is not MemberState.LEFT or entry.name == own
            )
        )
        self.plan = watch_plan(roster, self._timing.observers)
        watched = {
            name: (entries[name].address, entries[name].state is MemberState.DOWN)
            for name in self.plan.targets.get(own, ())
        }
        if watched != self._roster:
            self._roster = watched
            self._prober.watch(now, watched)

    def _publish_edges(self, now: float, isolated: bool) -> None:
        broken = {member_id(name): flag for name, flag in self._prober.broken().items()}
        # Where most members are dead the living are few: who reaches whom is said of all of these.
        bounded = dict(sorted(broken.items(), key=lambda edge: (edge[1], edge[0]))[:EDGES_MAX])
        self._members.own.edges = broken
        self._members.own.edges_s = now
        self._say_edges(now, encode_edges(isolated=isolated, broken=bounded))

    def _tell_isolation(self, now: float, isolated: bool, turn: Turn) -> None:
        own = self._members.own
        was_isolated = own.rule is Rule.ISOLATED
        if isolated and not was_isolated:
            turn.changes.append(own.move(now, _ALONE))
        elif was_isolated and not isolated:
            self.forgive(now)
            turn.changes.append(own.move(now, Finding(MemberState.ALIVE, Rule.THIS_NODE, "this node")))
