"""From edges to a picture: whom to watch, what to say of it, and what it means."""

from collections.abc import Callable

from lbmesh.gossip.codec import encode_edges
from lbmesh.gossip.identity import member_id
from lbmesh.gossip.limits import EDGES_MAX, GossipTiming
from lbmesh.gossip.members import Members
from lbmesh.gossip.observers import observers_of
from lbmesh.gossip.probing import Prober
from lbmesh.gossip.records import Records
from lbmesh.gossip.turn import Turn
from lbmesh.gossip.verdict import judge
from lbmesh.model.member import MemberState

_SETTLE_ROUNDS_MAX = 3
_REASON_ALONE = "isolated: no peer answers, so the picture of them is frozen"


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
        self._seen_flips = 0
        self._grace_until_s = float("-inf")

    def unsettle(self) -> None:
        """Something a verdict rests on has changed."""
        self._unsettled = True

    def forgive(self, now: float) -> None:
        """This node was deaf for a while: no silence until now says anything, and what peers say of each other
        may be as old as the deafness. Condemn nobody until all have had time to answer and to speak.
        """
        self._members.hear_all(now)
        self._grace_until_s = now + self._timing.grace_s

    @property
    def isolated(self) -> bool:
        """True while no peer answers though two or more should."""
        peers = self._members.live_peers()
        edges = self._prober.broken()
        tested = [edges[peer.name] for peer in peers if peer.name in edges]
        return len(peers) >= 2 and bool(tested) and all(tested)

    def settle(self, now: float, turn: Turn) -> None:
        """Watch whom we should, say what we see, judge; again while the verdict changes who is live."""
        for _ in range(_SETTLE_ROUNDS_MAX):
            if not self._unsettled and self._seen_flips == self._prober.flips:
                return
            self._unsettled, self._seen_flips = False, self._prober.flips
            self._rewatch(now)
            isolated = self.isolated
            self._publish_edges(now, isolated)
            self._tell_isolation(now, isolated, turn)
            if isolated:
                return
            subjects = self._members.subjects(now, self._prober.edges, self._records.ids)
            findings = judge(subjects, self._members.own.name)
            if now < self._grace_until_s:
                findings = {n: found for n, found in findings.items() if found.state is not MemberState.DOWN}
            changes = self._members.apply(now, findings)
            turn.changes += changes
            self._unsettled = bool(changes)

    def _rewatch(self, now: float) -> None:
        entries = self._members.entries.values()
        roster = [(entry.name, entry.zone, entry.address, entry.state) for entry in entries]
        if roster == self._roster:
            return
        self._roster = roster
        live, own = self._members.live(), self._members.own.name
        targets = {
            entry.name: (entry.address, entry.state is MemberState.DOWN)
            for entry in entries
            if entry is not self._members.own
            and entry.state is not MemberState.LEFT
            and own in observers_of(entry.name, entry.zone, live, self._timing.observers)
        }
        self._prober.watch(now, targets)

    def _publish_edges(self, now: float, isolated: bool) -> None:
        broken = {member_id(name): flag for name, flag in self._prober.broken().items()}
        bounded = dict(sorted(broken.items())[:EDGES_MAX])
        self._members.own.edges = broken
        self._say_edges(now, encode_edges(isolated=isolated, broken=bounded))

    def _tell_isolation(self, now: float, isolated: bool, turn: Turn) -> None:
        own = self._members.own
        if isolated != (own.state is MemberState.IMPAIRED):
            if isolated:
                turn.changes.append(own.move(now, MemberState.IMPAIRED, _REASON_ALONE))
            else:
                self.forgive(now)
                turn.changes.append(own.move(now, MemberState.ALIVE, "this node"))
