"""The plane's ear and mouth in the mesh: gossip's rows become opinions and back. Works for a node alone
too.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from lbmesh.control import ingress_rows
from lbmesh.control.events import key_file_event, member_event, notice_event
from lbmesh.control.front_book import FrontBook, PeerFronts
from lbmesh.control.front_rows import (
    CLAIM_PREFIX,
    VOTE_PREFIX,
    WILLING_KEY,
    claim_value,
    is_front_row,
    vote_value,
    willing_value,
)
from lbmesh.control.heartbeat import STATION_KEY, parse_station, station_value
from lbmesh.control.inputs import Event, EventKind, KeyOrder, KeyVerb, StreamStep
from lbmesh.control.opinions import KEY_PREFIX, opinion_key, opinion_value, parse_opinion, parse_replica
from lbmesh.control.zone_traffic import Peer
from lbmesh.failover.sight import FrontsOutput
from lbmesh.failover.table import Station
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import KeyRing
from lbmesh.gossip.key_orders import RingPicture, Said
from lbmesh.gossip.members import MemberChange
from lbmesh.gossip.records import Row
from lbmesh.gossip.turn import Output
from lbmesh.model.address import Address
from lbmesh.model.explanation import Explanation
from lbmesh.model.health import Opinion
from lbmesh.model.member import Member
from lbmesh.model.service import ReplicaId
from lbmesh.routing.locality import Ingress


@dataclass(frozen=True, slots=True)
class MeshNews:
    """What one step of gossip brought. `members_changed`: they, or whose words count. `unheard`: (observer, replica) of
    opinions taken back.
    """

    datagrams: tuple[tuple[Address, bytes], ...] = ()
    members_changed: bool = False
    heard: tuple[Opinion, ...] = ()
    unheard: tuple[tuple[str, ReplicaId], ...] = ()
    events: tuple[Event, ...] = ()
    stations_changed: bool = False
    fronts_changed: bool = False
    keys_to_store: tuple[bytes, ...] | None = None
    streams: tuple[Address, ...] = ()
    stream: StreamStep = StreamStep()  # noqa: RUF009


class Mesh:
    """Gossip in the words of the plane; without gossip, the mesh is this node."""

    def __init__(self, node: str, gossip: Gossip | None) -> None:
        self._node = node
        self._gossip = gossip
        self._trusted = self.trusted()
        self._fronts = FrontBook()
        self._key_fault: str | None = None
        self._parsed_ingress: dict[str, tuple[tuple[bytes, ...], Mapping[str, Ingress] | None]] = {}

    def receive(self, now: float, source: Address, datagram: bytes) -> MeshNews:
        """Take one datagram."""
        return self._news(self._gossip.receive(now, source, datagram)) if self._gossip else MeshNews()

    def send_failed(self, now: float, address: Address) -> None:
        """The system refused to send a datagram."""
        if self._gossip:
            self._gossip.send_failed(now, address)

    def explain(self, now: float, name: str) -> Explanation | None:
        """Why a member is held for what it is; None for a name that is unknown, and for a node alone."""
        return self._gossip.explain(now, name) if self._gossip else None

    def receive_unit(self, now: float, address: Address, unit: bytes) -> MeshNews:
        """Take one unit of a stream that leads to this address."""
        return self._news(self._gossip.receive_unit(now, address, unit)) if self._gossip else MeshNews()

    def stream_opened(self, address: Address) -> MeshNews:
        """A stream that was wanted stands."""
        return self._news(self._gossip.stream_opened(address)) if self._gossip else MeshNews()

    def stream_closed(self, address: Address) -> None:
        """A stream that was wanted has ended, or never stood."""
        if self._gossip:
            self._gossip.stream_closed(address)

    def tick(self, now: float, *, drained: bool = True) -> MeshNews:
        """Do what is due. `drained`: all datagrams that have arrived were received."""
        return self._news(self._gossip.tick(now, drained=drained)) if self._gossip else MeshNews()

    def leave(self, now: float) -> MeshNews:
        """Say goodbye."""
        return self._news(self._gossip.leave(now)) if self._gossip else MeshNews()

    def caught_up(self) -> bool:
        """True once this node knows what a live peer knows; a node alone lacks nothing."""
        return self._gossip is None or self._gossip.caught_up()

    def next_deadline(self) -> float:
        """When `tick` is due; infinite for a node alone."""
        return self._gossip.next_deadline() if self._gossip else float("inf")

    def members(self) -> tuple[Member, ...]:
        """Everybody gossip knows of; nobody for a node alone."""
        return self._gossip.members() if self._gossip else ()

    def trusted(self) -> frozenset[str]:
        """The peers whose words count now; nobody for a node alone."""
        return self._gossip.trusted() if self._gossip else frozenset()

    def counters(self) -> dict[str, int]:
        """Gossip's counters by name; datagrams that changed nothing are `rejected_<reason>`."""
        return dict(self._gossip.counters) if self._gossip else {}

    def notices(self, now: float) -> tuple[Event, ...]:
        """What holds now and calls for an operator: name conflicts, silent seeds, other keys."""
        faults = (key_file_event(self._key_fault),) if self._key_fault else ()
        return (*map(notice_event, self._gossip.notices(now)), *faults) if self._gossip else ()

    def ring(self) -> RingPicture | None:
        """Who holds which gossip key; None for a node alone."""
        return self._gossip.ring() if self._gossip else None

    @property
    def key_fault(self) -> str | None:
        """Why the key file cannot be written; None when it can."""
        return self._key_fault

    def order_key(self, order: KeyOrder) -> Said:
        """Change the key ring, or say why not."""
        if self._gossip is None:
            return Said(False, "this node is alone: it has no [gossip], and so no key ring")
        orders = self._gossip.key_orders
        match order.verb:
            case KeyVerb.INSTALL:
                return orders.install_held(order.key) if order.key else orders.install(order.fresh)
            case KeyVerb.USE:
                return orders.use(order.key)
            case KeyVerb.REMOVE:
                return orders.remove(order.key, force=order.force)
            case _:
                assert_never(order.verb)

    def follow_key_file(self, keys: tuple[bytes, ...]) -> tuple[Event, ...]:
        """An operator has changed the key file. Returns what could not be done."""
        problems = self._gossip.key_orders.follow_file(KeyRing(keys)) if self._gossip else ()
        return tuple(
            Event(EventKind.KEY_RING, "key file", "not followed", problem, is_trouble=True) for problem in problems
        )

    def keys_stored(self, keys: tuple[bytes, ...], fault: str | None) -> tuple[Event, ...]:
        """The key file holds the ring; or (`fault`) it does not, and memory alone does."""
        assert self._gossip is not None
        self._gossip.keys_stored(keys, volatile=fault is not None)
        is_news, self._key_fault = fault is not None and fault != self._key_fault, fault
        return (key_file_event(fault),) if fault is not None and is_news else ()

    def publish(self, now: float, words: Iterable[Opinion], withdrawn: Iterable[ReplicaId]) -> None:
        """Let the peers know this node's opinions; they go out with the next ticks."""
        if self._gossip is None:
            return
        for replica in withdrawn:
            if key := opinion_key(replica):
                self._gossip.withdraw(now, key)
        for word in words:
            if key := opinion_key(word.replica):
                self._gossip.publish(now, key, opinion_value(word))

    def publish_ingress(self, now: float, rows: tuple[bytes, ...]) -> None:
        """Let the peers know this node's traffic."""
        if self._gossip is None:
            return
        for key, value in zip(ingress_rows.KEYS, rows, strict=False):
            self._gossip.publish(now, key, value)
        for key in ingress_rows.KEYS[len(rows) :]:
            self._gossip.withdraw(now, key)

    def peers(self) -> tuple[Peer, ...]:
        """The live peers with what they say of their traffic; of who is not trusted only that it lives."""
        trusted = self.trusted()
        return tuple(
            Peer(member.zone, self._ingress(member.name) if member.name in trusted else None)
            for member in self.members()
            if member.state.is_live and member.name != self._node
        )

    def _ingress(self, name: str) -> Mapping[str, Ingress] | None:
        """Rows are parsed once: they change seldom, and are asked for each second."""
        assert self._gossip is not None
        rows = (self._gossip.row(name, key) for key in ingress_rows.KEYS)
        values = tuple(row.value for row in rows if row is not None)
        known = self._parsed_ingress.get(name)
        if known is None or known[0] != values:
            known = self._parsed_ingress[name] = values, ingress_rows.parse_rows(values)
        return known[1]

    def publish_station(self, now: float, station: Station) -> None:
        """Let the peers know where this node's heartbeat is reached."""
        if self._gossip:
            self._gossip.publish(now, STATION_KEY, station_value(station))

    def publish_fronts(self, now: float, said: FrontsOutput) -> None:
        """Let the peers know this node's claims and votes."""
        if self._gossip is None:
            return
        rows = {f"{CLAIM_PREFIX}{front}": claim_value(claim) if claim else None for front, claim in said.claims.items()}
        rows |= {f"{VOTE_PREFIX}{front}": vote_value(grant) if grant else None for front, grant in said.grants.items()}
        for key, value in rows.items():
            if value is None:
                self._gossip.withdraw(now, key)
            else:
                self._gossip.publish(now, key, value)

    def publish_willing(self, now: float, is_willing: bool | None) -> None:
        """Let the peers know whether this node takes fronts; None: it takes no part."""
        if self._gossip is None:
            return
        if is_willing is None:
            self._gossip.withdraw(now, WILLING_KEY)
        else:
            self._gossip.publish(now, WILLING_KEY, willing_value(is_willing=is_willing))

    def front_words(self) -> Mapping[str, PeerFronts]:
        """What the members say of fronts, dead ones among them."""
        return self._fronts.peers

    @property
    def is_isolated(self) -> bool:
        """Does no peer answer, though two or more should?"""
        return self._gossip is not None and self._gossip.isolated

    def stations(self) -> list[Station]:
        """Where the heartbeats of live peers are reached."""
        if self._gossip is None:
            return []
        living = {member.name: member for member in self.members() if member.state.is_live}
        rows = (row for row in self._gossip.rows(STATION_KEY) if row.owner != self._node and row.owner in living)
        # A session is one node's. Whoever says the same later has copied it, to stand where that node stood.
        by_session: dict[bytes, Station] = {}
        for row in sorted(rows, key=lambda row: (row.received_s, living[row.owner].since_s)):
            if station := parse_station(living[row.owner], row.key, row.value):
                by_session.setdefault(station.session, station)
        return list(by_session.values())

    def ring_keys(self) -> dict[str, tuple[bytes, ...]]:
        """For each live peer, the key to seal under, then all that open."""
        gossip = self._gossip
        if gossip is None:
            return {}
        return {member.name: gossip.keys_for(member.address) for member in self.members() if member.state.is_live}

    def opinions(self) -> Iterator[Opinion]:
        """All opinions of live peers."""
        return self._opinions(self._gossip.rows(KEY_PREFIX) if self._gossip else ())

    def _opinions(self, rows: Iterable[Row]) -> Iterator[Opinion]:
        zones = {member.name: member.zone for member in self.members() if member.state.is_live}
        return (opinion for row in rows if (opinion := self._opinion(row, zones)))

    def _rows(self, joined: Collection[str], changed: Iterable[tuple[str, str]]) -> Iterator[Row]:
        """All rows of who has joined, and those that changed. A look at all rows for each change would cost
        milliseconds a datagram with thousands of them.
        """
        if self._gossip is None:
            return
        if joined:
            yield from (row for row in self._gossip.rows(KEY_PREFIX) if row.owner in joined)
        for owner, key in changed:
            if owner not in joined and (row := self._gossip.row(owner, key)):
                yield row

    def _opinion(self, row: Row, zones: dict[str, str]) -> Opinion | None:
        replica = parse_replica(row.key)
        if replica is None or row.owner == self._node or row.owner not in zones:
            return None
        return parse_opinion(replica, row.value, observer=row.owner, zone=zones[row.owner], at_s=row.received_s)

    def _news(self, output: Output) -> MeshNews:
        """A peer that is new, or back, is heard with all it has said: its rows may have come before it."""
        before, trusted = self._trusted, self.trusted()
        trust_moved = trusted is not before and trusted != before
        self._trusted = trusted
        changed = {row for row in output.rows_changed if row[1].startswith(KEY_PREFIX)}
        fronts_changed = self._hear_fronts(output)
        joined = {change.name for change in output.member_changes if _is_new(change)}
        heard: tuple[Opinion, ...] = ()
        if changed or joined:
            heard = tuple(self._opinions(self._rows(joined, sorted(changed))))
            changed -= {(word.observer, opinion_key(word.replica) or "") for word in heard}
        return MeshNews(
            datagrams=output.datagrams,
            members_changed=bool(output.member_changes) or trust_moved,
            heard=heard,
            unheard=tuple((owner, replica) for owner, key in sorted(changed) if (replica := parse_replica(key))),
            events=(*map(member_event, output.member_changes), *map(notice_event, output.notices)),
            stations_changed=bool(output.member_changes) or any(key == STATION_KEY for _, key in output.rows_changed),
            fronts_changed=fronts_changed or bool(output.member_changes),
            keys_to_store=output.keys_to_store,
            streams=output.streams,
            stream=StreamStep(output.units, output.rejected is not None, output.stream_over),
        )

    def _hear_fronts(self, output: Output) -> bool:
        """Rows about fronts that changed, and all of who is live again: they may have come before."""
        gossip = self._gossip
        if gossip is None:
            return False
        joined = {change.name for change in output.member_changes if _is_new(change)}
        if joined:
            self._fronts.forget({member.name for member in self.members()} - joined)
            for prefix in (WILLING_KEY, CLAIM_PREFIX, VOTE_PREFIX):
                self._fronts.take(row for row in gossip.rows(prefix) if row.owner in joined)
        changed = [(owner, key) for owner, key in output.rows_changed if owner != self._node and is_front_row(key)]
        for owner, key in changed:
            if row := gossip.row(owner, key):
                self._fronts.take((row,))
            else:
                self._fronts.take_back(owner, key)
        return bool(changed)


def _is_new(change: MemberChange) -> bool:
    return change.after.is_live and not (change.before and change.before.is_live)
