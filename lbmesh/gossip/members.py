"""The member table: what every node says of itself, and what the mesh finds about it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from lbmesh.gossip.codec import decode_edges, decode_member
from lbmesh.gossip.identity import Identity, member_id
from lbmesh.gossip.verdict import Finding, Rule, Subject
from lbmesh.model.address import Address
from lbmesh.model.explanation import TRANSITIONS_MAX
from lbmesh.model.member import Member, MemberState


@dataclass(frozen=True, slots=True)
class MemberChange:
    """A member's state changed, or (`before` is `after`) it restarted.
    `before` is None for a member that was unknown.
    """

    name: str
    before: MemberState | None
    after: MemberState
    reason: str


@dataclass(frozen=True, slots=True)
class Move:
    """One past change of a member's state, at `at_s`, and why."""

    before: MemberState | None
    after: MemberState
    at_s: float
    rule: Rule
    reason: str


@dataclass(slots=True)
class Entry:
    """One member. `spoke_s`: when it last spoke to this node."""

    name: str
    zone: str
    address: Address
    epoch: int
    state: MemberState
    since_s: float
    reason: str
    rule: Rule = Rule.JOINED
    isolated: bool = False
    edges: dict[int, bool] = field(default_factory=dict)
    edges_s: float = float("-inf")
    spoke_s: float = float("-inf")
    moves: deque[Move] = field(default_factory=lambda: deque(maxlen=TRANSITIONS_MAX))

    def move(self, now: float, finding: Finding) -> MemberChange:
        """Enter a state, and say so."""
        change = MemberChange(self.name, self.state, finding.state, finding.reason)
        self.moves.append(Move(self.state, finding.state, now, finding.rule, finding.reason))
        self.state, self.rule, self.reason, self.since_s = finding.state, finding.rule, finding.reason, now
        return change

    def as_member(self) -> Member:
        """The entry in the vocabulary of the other rooms."""
        return Member(self.name, self.zone, self.address, self.epoch, self.state, self.since_s, self.reason)


GOODBYE = Finding(MemberState.LEFT, Rule.LEFT, "left the mesh")
"""What a member finds on itself when it goes."""


class Members:
    """All members by name, this node among them."""

    def __init__(self, identity: Identity, now: float) -> None:
        self._own_id = member_id(identity.name)
        self.own = Entry(
            identity.name,
            identity.zone,
            identity.address,
            identity.epoch,
            MemberState.ALIVE,
            now,
            "this node",
            Rule.THIS_NODE,
        )
        self.entries: dict[str, Entry] = {identity.name: self.own}
        self.trusted: frozenset[str] = frozenset({identity.name})
        """Whose words count now, by the latest verdict."""

    def live(self) -> dict[str, str]:
        """{name: zone} of this node and of the members that may be reachable."""
        return {entry.name: entry.zone for entry in self.entries.values() if entry.state.is_live or entry is self.own}

    def live_peers(self) -> list[Entry]:
        """Members that may be reachable, without this node."""
        return [entry for entry in self.entries.values() if entry.state.is_live and entry is not self.own]

    def peers_to_tell(self) -> list[Entry]:
        """To whom it is worth to send: live peers that are trusted and that no broken edge keeps this node from; all
        live ones when there are none.
        """
        edges = self.own.edges
        live = self.live_peers()
        return [one for one in live if one.name in self.trusted and not edges.get(member_id(one.name))] or live

    def spoke(self, now: float, name: str) -> None:
        """The member spoke to this node."""
        if name in self.entries:
            self.entries[name].spoke_s = now

    def who_spoke(self, since_s: float) -> list[str]:
        """The live peers that have spoken to this node since then."""
        return [entry.name for entry in self.live_peers() if entry.spoke_s >= since_s]

    def learn(self, now: float, name: str, epoch: int, body: bytes) -> MemberChange | None:
        """Take what a member says of itself. Malformed rows and goodbyes of strangers change nothing."""
        facts = decode_member(body)
        if facts is None:
            return None
        zone, address, left = facts.zone, facts.address, facts.left
        entry = self.entries.get(name)
        if entry is None:
            if left:
                return None
            self.entries[name] = Entry(name, zone, address, epoch, MemberState.ALIVE, now, "joined")
            return MemberChange(name, None, MemberState.ALIVE, "joined")
        restarted = epoch > entry.epoch
        entry.zone, entry.address, entry.epoch = zone, address, epoch
        if left:
            return entry.move(now, GOODBYE) if entry.state is not MemberState.LEFT else None
        if entry.state is MemberState.LEFT:
            return entry.move(now, Finding(MemberState.ALIVE, Rule.JOINED, f"came back in epoch {epoch}"))
        if restarted and entry.state.is_live:
            return MemberChange(name, entry.state, entry.state, f"restarted in epoch {epoch}")
        return None

    def learn_edges(self, now: float, name: str, body: bytes) -> bool:
        """Take what a member says of its paths to others. True when it has lost its path to this node."""
        entry, edges = self.entries.get(name), decode_edges(body)
        if entry is None or edges is None:
            return False
        before = entry.edges.get(self._own_id)
        entry.isolated, entry.edges = edges
        entry.edges_s = now
        return not before and entry.edges.get(self._own_id, False)

    def subjects(self, names: Mapping[int, str]) -> list[Subject]:
        """Every member that has not left, as the verdict needs it. `names`: by member id."""
        return [
            Subject(
                entry.name,
                entry.zone,
                entry.state,
                {}
                if entry.isolated
                else {names[target]: broken for target, broken in entry.edges.items() if target in names},
            )
            for entry in self.entries.values()
            if entry.state is not MemberState.LEFT or entry is self.own
        ]

    def apply(self, now: float, findings: Mapping[str, Finding]) -> list[MemberChange]:
        """Enter the states that were found. Returns the changes. Who stays as it is has the newest reason."""
        changes = []
        for name, finding in findings.items():
            entry = self.entries[name]
            if entry.state is not finding.state:
                changes.append(entry.move(now, finding))
            elif finding.rule is not Rule.STILL_DOWN:
                entry.rule, entry.reason = finding.rule, finding.reason
        return changes

    def most_forgettable(self) -> str | None:
        """The member to give up when the table is full: the one that left first, else the longest down."""
        for state in (MemberState.LEFT, MemberState.DOWN):
            gone = [entry for entry in self.entries.values() if entry.state is state and entry is not self.own]
            if gone:
                return min(gone, key=lambda entry: entry.since_s).name
        return None
