"""One partner as the heartbeat's core remembers it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from lbmesh.failover.datagram import LEAVING, PARTNER, Heartbeat, short
from lbmesh.failover.limits import ATTENTION_S, SILENCE_S
from lbmesh.failover.words import Gone, Partner


@dataclass(slots=True)
class PeerProbe:
    """A question to a peer's front. `alive`: None while it is open."""

    number: int
    since_s: float
    alive: bool | None = None
    detail: str = ""


@dataclass(slots=True)
class Peer:
    """`counter`: the highest heard. `heard_s`: when, minus infinity for never since it became a partner; `said`: what.

    `suspected_s`: since when its silence is suspicious. `until_s`: for one that is no partner any more, how long it is
    told so. `probe`: the last one since it was heard.
    """

    partner: Partner
    session: bytes
    counter: int
    heard_s: float = -inf
    said: Heartbeat | None = None
    suspected_s: float | None = None
    until_s: float = inf
    probe: PeerProbe | None = None
    gone: Gone | None = None
    gone_s: float = inf
    answered_s: float = -inf
    openers: dict[bytes, bytes] = field(default_factory=dict)
    seal_id: bytes = b""
    seal_key: bytes = b""

    def take(self, partner: Partner) -> None:
        """Its row of the table is this one now."""
        if partner.watched and not self.partner.watched:
            self.heard_s, self.said = -inf, None
        self.partner, self.until_s = partner, inf
        self.openers = {bytes.fromhex(key.id): bytes.fromhex(key.open) for key in partner.keys}
        first = partner.keys[0]
        self.seal_id, self.seal_key = bytes.fromhex(first.id), bytes.fromhex(first.seal)

    def hear(self, now: float, heartbeat: Heartbeat) -> None:
        """It lives."""
        self.counter, self.heard_s, self.said = heartbeat.counter, now, heartbeat
        self.suspected_s = self.probe = None

    @property
    def is_partner(self) -> bool:
        """True while heartbeats are exchanged with it and expected of it."""
        return self.partner.watched and self.until_s == inf

    @property
    def is_expected(self) -> bool:
        """True when its silence would mean something: it was heard, takes us for a partner, and does not leave."""
        said = self.said
        return self.is_partner and said is not None and bool(said.flags & PARTNER) and not said.flags & LEAVING

    def is_silent(self, now: float) -> bool:
        """True when it should have been heard, and was not."""
        return self.is_expected and now >= self.heard_s + SILENCE_S

    def is_overdue(self, now: float) -> bool:
        """True when it may be about to fall silent, or has, and nothing is decided."""
        return self.gone is None and self.is_expected and now >= self.heard_s + ATTENTION_S

    def is_fresh(self, now: float) -> bool:
        """True when what it said last still counts."""
        return now < self.heard_s + SILENCE_S

    @property
    def hangs(self) -> bool:
        """True when it says that none of its forwarders gets on."""
        said = self.said
        return self.is_expected and said is not None and said.hung >= said.forwarders > 0

    def calls_silent(self, session: bytes) -> bool:
        """True when what it said last names this session among the silent."""
        return self.said is not None and short(session) in self.said.silent

    def forgive(self, now: float) -> None:
        """Count its silence from now on only."""
        self.suspected_s = self.probe = None
        if self.gone is None and self.heard_s > -inf:
            self.heard_s = now


def names_of(peers: Iterable[Peer]) -> tuple[bytes, ...]:
    """The peers as heartbeats name them."""
    return tuple(short(peer.session) for peer in peers)
