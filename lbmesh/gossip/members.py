"""The member table: what every node says of itself, and what the mesh finds about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lbmesh.gossip.codec import decode_edges, decode_member
from lbmesh.gossip.identity import Identity
from lbmesh.gossip.limits import GossipTiming
from lbmesh.gossip.verdict import Finding, Subject
from lbmesh.model.address import Address
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


@dataclass(slots=True)
class Entry:
    """One member. `heard_s`: when it last gave a sign of life, directly or by a peer's word of its beat."""

    name: str
    zone: str
    address: Address
    epoch: int
    state: MemberState
    since_s: float
    reason: str
    heard_s: float
    isolated: bool = False
    edges: dict[int, bool] = field(default_factory=dict)

    def move(self, now: float, state: MemberState, reason: str) -> MemberChange:
        """Enter a state, and say so."""
        change = MemberChange(self.name, self.state, state, reason)
        self.state, self.since_s, self.reason = state, now, reason
        return change

    def as_member(self) -> Member:
        """The entry in the vocabulary of the other rooms."""
        return Member(self.name, self.zone, self.address, self.epoch, self.state, self.since_s, self.reason)


class Members:
    """All members by name, this node among them."""

    def __init__(self, identity: Identity, now: float, timing: GossipTiming) -> None:
        self._timing = timing
        self.own = Entry(
            identity.name,
            identity.zone,
            identity.address,
            identity.epoch,
            MemberState.ALIVE,
            now,
            "this node",
            now,
        )
        self.entries: dict[str, Entry] = {identity.name: self.own}

    def live(self) -> dict[str, str]:
        """{name: zone} of this node and of the members that may be reachable."""
        return {entry.name: entry.zone for entry in self.entries.values() if entry.state.is_live or entry is self.own}

    def live_peers(self) -> list[Entry]:
        """Members that may be reachable, without this node."""
        return [entry for entry in self.entries.values() if entry.state.is_live and entry is not self.own]

    def heard(self, now: float, name: str) -> None:
        """The member gave a sign of life."""
        entry = self.entries.get(name)
        if entry is not None:
            entry.heard_s = now

    def hear_all(self, now: float) -> None:
        """This node was deaf for a while: no silence until now says anything about anybody."""
        for entry in self.entries.values():
            entry.heard_s = now

    def learn(self, now: float, name: str, epoch: int, value: bytes) -> MemberChange | None:
        """Take what a member says of itself. Malformed values and goodbyes of strangers change nothing."""
        facts = decode_member(value)
        if facts is None:
            return None
        zone, address, left = facts
        entry = self.entries.get(name)
        if entry is None:
            if left:
                return None
            self.entries[name] = Entry(name, zone, address, epoch, MemberState.ALIVE, now, "joined", now)
            return MemberChange(name, None, MemberState.ALIVE, "joined")
        restarted = epoch > entry.epoch
        entry.zone, entry.address, entry.epoch = zone, address, epoch
        if left:
            return entry.move(now, MemberState.LEFT, "left the mesh") if entry.state is not MemberState.LEFT else None
        if entry.state is MemberState.LEFT:
            entry.heard_s = now
            return entry.move(now, MemberState.ALIVE, f"came back in epoch {epoch}")
        if restarted and entry.state.is_live:
            return MemberChange(name, entry.state, entry.state, f"restarted in epoch {epoch}")
        return None

    def learn_edges(self, name: str, value: bytes) -> None:
        """Take what a member says of its paths to others."""
        entry, edges = self.entries.get(name), decode_edges(value)
        if entry is not None and edges is not None:
            entry.isolated, entry.edges = edges

    def subjects(self, now: float, watched: Mapping[str, object], names: Mapping[int, str]) -> list[Subject]:
        """Every member that has not left, as the verdict needs it."""
        return [
            Subject(
                entry.name,
                entry.zone,
                entry.state,
                self._is_fresh(now, entry, watched),
                {} if entry.isolated else {names.get(target, ""): broken for target, broken in entry.edges.items()},
            )
            for entry in self.entries.values()
            if entry.state is not MemberState.LEFT or entry is self.own
        ]

    def _is_fresh(self, now: float, entry: Entry, watched: Mapping[str, object]) -> bool:
        if entry is self.own:
            return True
        timing = self._timing
        bound_s = timing.silent_watched_s if entry.name in watched else timing.silent_unwatched_s
        return not entry.isolated and now - entry.heard_s <= bound_s

    def apply(self, now: float, findings: Mapping[str, Finding]) -> list[MemberChange]:
        """Enter the states that were found. Returns the changes."""
        changes = []
        for name, finding in findings.items():
            entry = self.entries[name]
            if entry.state is not finding.state:
                changes.append(entry.move(now, finding.state, finding.reason))
        return changes

    def most_forgettable(self) -> str | None:
        """The member to give up when the table is full: the one that left first, else the longest down."""
        for state in (MemberState.LEFT, MemberState.DOWN):
            gone = [entry for entry in self.entries.values() if entry.state is state and entry is not self.own]
            if gone:
                return min(gone, key=lambda entry: entry.since_s).name
        return None
