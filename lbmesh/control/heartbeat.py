"""The fast heartbeat as the plane sees it: who the sentinel's partners are, and what it finds about them.

Each node tells by a gossip row where its sentinel is reached: `!heartbeat` → {"port", "session" (hex), "front"}.
Until fronts can be configured, each node stands for one: its first listener.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lbmesh.config.settings import Settings
from lbmesh.control.inputs import Event, EventKind
from lbmesh.control.state import GoneState, HeartbeatState
from lbmesh.failover.datagram import SESSION_BYTES
from lbmesh.failover.plan import Lost
from lbmesh.failover.table import RingKey, Station, judges_of, partner_table
from lbmesh.failover.words import Back, Gone, Partner
from lbmesh.gossip.identity import key_id
from lbmesh.model.address import Address, is_unspecified, means_the_same_everywhere, parse_address
from lbmesh.model.member import Member

STATION_KEY = "!heartbeat"

GATHER_S = 0.05
"""Several changes within this time make one table."""

KEYS_LOOK_S = 1.0
"""How often the table is made anew without that: a key ring changes without a word to others."""

KEY_LINGER_S = 5.0
"""A key that has left the ring opens heartbeats for this long: partners may take a look later to leave it, too."""

FIRST_GATHER_S = 2.0
"""A new agent beside a sentinel that has partners first hears who lives: a table of nobody would end them all."""


class Heartbeat:
    """What an agent knows of its sentinel's heartbeat. `due_s`: when `table` is to be asked for next. `judges`: who
    judges this node.
    """

    def __init__(self, own: Station, *, generation: int, now: float) -> None:
        self.own = own
        self.counters: dict[str, int] = {}
        self.judges: tuple[str, ...] = ()
        self.due_s = now + (FIRST_GATHER_S if generation > 1 else 0.0)
        self._earliest_s = self.due_s
        self._opened_s: dict[bytes, float] = {}
        self._table: tuple[Partner, ...] | None = None
        self._gone: dict[str, GoneState] = {}

    def unsettle(self, now: float) -> None:
        """Somebody came or went, or says something new of its heartbeat."""
        self.due_s = min(self.due_s, max(now + GATHER_S, self._earliest_s))

    def table(
        self, now: float, peers: Collection[Station], keys: Mapping[str, Sequence[bytes]]
    ) -> tuple[Partner, ...] | None:
        """The table of partners; None when it stands as it is. `keys`: for each peer, the one to seal under, then all
        that open.
        """
        self.due_s = now + KEYS_LOOK_S
        self._opened_s.update((key, now) for held in keys.values() for key in held)
        self._opened_s = {key: at_s for key, at_s in self._opened_s.items() if now - at_s < KEY_LINGER_S}
        known = tuple(sorted(self._opened_s))
        rings = {name: _ring((*held, *(key for key in known if key not in held))) for name, held in keys.items()}
        table = partner_table(self.own, [peer for peer in peers if peer.name in rings], rings)
        names = {partner.name for partner in table}
        self._gone = {name: gone for name, gone in self._gone.items() if name in names}
        if table == self._table:
            return None
        self._table = table
        self.judges = judges_of(self.own, [peer for peer in peers if peer.name in rings])
        return table

    @property
    def newest(self) -> tuple[Partner, ...]:
        """The table that stands."""
        return self._table or ()

    def take(self, word: Gone | Back, now: float) -> Event | None:
        """What the sentinel finds; an event when it is news."""
        match word:
            case Gone(name=name, reason=reason, for_s=for_s, absent=absent):
                known = self._gone.get(name)
                self._gone[name] = GoneState(now - for_s, reason, absent)
                return None if known else Event(EventKind.PARTNER, name, "gone", reason, is_trouble=True)
            case Back(name=name, reason=reason):
                known = self._gone.pop(name, None)
                return Event(EventKind.PARTNER, name, "back", reason) if known else None

    def lost(self) -> dict[str, Lost]:
        """Who is gone, and who else has found that."""
        judges = {partner.name: frozenset(partner.judges) for partner in self.newest}
        return {name: Lost(judges[name], frozenset(gone.absent)) for name, gone in self._gone.items() if name in judges}

    def state(self) -> HeartbeatState:
        """For whoever asks."""
        watched = [partner for partner in self.newest if partner.watched]
        return HeartbeatState(
            partners=tuple(partner.name for partner in watched),
            judged=tuple(partner.name for partner in watched if partner.judges),
            gone=dict(self._gone),
            counters=self.counters,
        )


def own_station(settings: Settings, port: int, session: bytes) -> Station | None:
    """This node's; None for a node alone."""
    if settings.gossip is None:
        return None
    host, listener = settings.gossip.advertise.host, settings.listeners[0].bind
    front = Address(host, listener.port) if is_unspecified(listener.host) else listener
    return Station(settings.node.name, settings.node.zone, Address(host, port), session, front)


def station_value(station: Station) -> bytes:
    """The row's value."""
    fields = {"port": station.address.port, "session": station.session.hex(), "front": str(station.front)}
    return json.dumps(fields, separators=(",", ":")).encode()


def parse_station(member: Member, key: str, value: bytes) -> Station | None:
    """A peer's; None when the row is another one, or malformed: a hostile peer may have written it."""
    if key != STATION_KEY:
        return None
    try:
        fields: Any = json.loads(value)
        address = parse_address(f"{_bracketed(member.address.host)}:{fields['port']:d}")
        session, front = bytes.fromhex(fields["session"]), parse_address(fields["front"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if len(session) != SESSION_BYTES or not means_the_same_everywhere(front.host):
        return None
    return Station(member.name, member.zone, address, session, front)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _ring(keys: Sequence[bytes]) -> tuple[RingKey, ...]:
    return tuple(RingKey(key_id(key), key) for key in keys)
