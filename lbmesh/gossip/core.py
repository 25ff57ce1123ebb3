"""The gossip core: datagrams and time go in, datagrams and changes come out. No socket, no clock, no task.

`receive` all that has arrived before `tick`, so that no answer that is already here counts as missed.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from lbmesh.gossip.awareness import Awareness
from lbmesh.gossip.catch_up import CatchUp
from lbmesh.gossip.claims import Claims
from lbmesh.gossip.codec import MemberFacts, encode, encode_member
from lbmesh.gossip.digest_exchange import DigestExchange
from lbmesh.gossip.explain import explain_member
from lbmesh.gossip.forgeries import Forgeries
from lbmesh.gossip.identity import Identity, Incarnation, KeyRing, Rng, public_key_of
from lbmesh.gossip.inbox import Inbox
from lbmesh.gossip.intruders import Intruders
from lbmesh.gossip.key_orders import KeyOrders, RingPicture
from lbmesh.gossip.keys import Keys
from lbmesh.gossip.limits import KEY_BYTES_MAX, ROWS_PER_OWNER_MAX, SIGNATURE_BYTES, VALUE_BYTES_MAX, GossipTiming
from lbmesh.gossip.lookout import KeyFault, Lookout
from lbmesh.gossip.members import GOODBYE, Members
from lbmesh.gossip.messages import Ping
from lbmesh.gossip.namesakes import Namesakes
from lbmesh.gossip.notices import Notice, Notices
from lbmesh.gossip.outbox import Outbox
from lbmesh.gossip.owners import Owners
from lbmesh.gossip.picture import Picture
from lbmesh.gossip.probing import Prober
from lbmesh.gossip.proofs import Proofs
from lbmesh.gossip.records import EDGES_KEY, KEYS_KEY, MEMBER_KEY, Records, Row, is_internal, is_signed
from lbmesh.gossip.row_intake import RowIntake
from lbmesh.gossip.seal import Opener, Rejection, Sealer, sealed_room
from lbmesh.gossip.seeds import Seeds
from lbmesh.gossip.sessions import Sessions
from lbmesh.gossip.signatures import Signer
from lbmesh.gossip.strays import Strays
from lbmesh.gossip.streams import Streams
from lbmesh.gossip.sync import Sync
from lbmesh.gossip.turn import Output, Turn
from lbmesh.model.address import Address
from lbmesh.model.explanation import Explanation
from lbmesh.model.member import Member

__all__ = ["Gossip", "Output"]

_FAST = GossipTiming()


class Gossip:
    """One node's part in the mesh. All times are seconds of one monotonic clock, the caller's."""

    def __init__(
        self,
        *,
        identity: Identity,
        key_ring: KeyRing,
        seeds: tuple[Address, ...],
        rng: Rng,
        now: float,
        settings: GossipTiming = _FAST,
    ) -> None:
        self._identity = identity
        self._timing = settings
        self._records = Records(identity.name, identity.incarnation, Signer(identity).sign)
        self._members = Members(identity, now)
        self._prober = Prober(settings, rng)
        self._awareness = Awareness(settings)
        self._seeds = Seeds(seeds, now, settings, rng)
        self._claims = Claims(settings)
        self._sync = Sync(self._records, sealed_room(identity.name), settings.push_rounds)
        self._notices = Notices(settings)
        sessions = Sessions()
        self._keys = Keys(key_ring, self._members, settings, rng, self._say_keys)
        self.key_orders = KeyOrders(identity.name, self._keys, self._members)
        """Where operators' orders about the key ring go."""

        self._opener = Opener(self._keys.ring, sessions)
        sealer = Sealer(identity, self._keys.ring)
        self._outbox = Outbox(sealer, self._keys, self._records, self._members, self._sync, settings, rng, now)
        self._picture = Picture(self._members, self._prober, self._records, settings, self._say_edges)
        self._lookout = Lookout(self._seeds, self._members, self._notices, settings)
        self._strays = Strays(settings)
        self._catch_up = CatchUp(self._records, now + settings.hurry_s)
        self._streams = Streams(self._sync, settings)
        intruders = Intruders(self._notices, self._outbox.counters)
        forgeries = Forgeries(self._records, self._members, self._outbox, intruders, settings)
        proofs = Proofs(sessions, self._prober, self._seeds, rng, settings)
        namesakes = Namesakes(self._records, self._members, self._outbox, proofs, self._notices, self._claims, settings)
        owners = Owners(
            self._records,
            self._members,
            self._prober,
            self._keys,
            self._picture,
            self._sync,
            self._outbox,
            settings,
        )
        rows = RowIntake(
            owners,
            self._records,
            self._members,
            self._keys,
            self._picture,
            self._outbox,
            intruders,
            forgeries,
        )
        digests = DigestExchange(
            self._sync, self._members, self._outbox, self._streams, self._catch_up, namesakes, forgeries
        )
        self._inbox = Inbox(
            identity.session,
            owners,
            self._members,
            self._prober,
            self._seeds,
            proofs,
            namesakes,
            rows,
            digests,
            self._keys,
            self._outbox,
        )
        self._left = False
        self._stepped_s = now
        self._keys.settle(now)  # Before the member's row, so that nobody learns of a member without its keys.
        self._write(now, MEMBER_KEY, self._member_row(left=False))
        self._promised_s = float("inf")

    # What other rooms ask for.

    @property
    def counters(self) -> Counter[str]:
        """Datagrams and bytes, in and out, datagrams rejected by reason, and pauses of this node."""
        return self._outbox.counters

    @property
    def isolated(self) -> bool:
        """True while no peer answers or speaks though two or more should: the picture of them is frozen."""
        return self._picture.isolated

    @property
    def epoch(self) -> int:
        """The epoch this node speaks in: its identity's, or a higher one since it took its name back."""
        return self._records.own.incarnation.epoch

    def notices(self, now: float) -> tuple[Notice, ...]:
        """What an operator should look after now: name conflicts, silent seeds, other keys, bad datagrams."""
        return self._notices.standing(now) + self._strays.standing(now)

    @property
    def key_faults(self) -> tuple[KeyFault, ...]:
        """Datagrams this node's keys did not open, by reason, with the last one's source."""
        return tuple(self._lookout.key_faults.values())

    def unanswered_for_s(self, now: float) -> float:
        """Seconds without any seed's answer and without any live peer; 0 when all is well, or no seed is due."""
        return self._lookout.unanswered_for_s(now)

    def caught_up(self) -> bool:
        """True while this node trusts a peer, once it knows all that live peers knew when they told. Without trust,
        what it knows does not count yet.
        """
        return self._catch_up.is_done() and bool(self.trusted())

    def has_live_peer(self) -> bool:
        """True while another member may be reachable."""
        return bool(self._members.live_peers())

    def members(self) -> tuple[Member, ...]:
        """Everybody, this node included, by name."""
        return tuple(entry.as_member() for _, entry in sorted(self._members.entries.items()))

    def explain(self, now: float, name: str) -> Explanation | None:
        """Why a member is held for what it is; None for a name that is unknown."""
        explanation = explain_member(now, name, self._members, self._prober, self._picture)
        strikes = self._awareness.strikes(now)
        if explanation is None or name != self._identity.name or strikes < 1:
            return explanation
        doubt = f"this node doubts itself ({self._awareness.latest}): it lets peers miss more pings for a while"
        return replace(explanation, notes=(*explanation.notes, doubt))

    def rows(self, key_prefix: str) -> Iterator[Row]:
        """Rows whose key begins with the prefix, of this node and of members neither down nor left."""
        return self._records.live_rows(iter(self._members.live()), key_prefix)

    def row(self, owner: str, key: str) -> Row | None:
        """One row of this node or of a member neither down nor left; None when there is none."""
        return self._records.row(owner, key) if owner in self._members.live() else None

    def publish(self, now: float, key: str, value: bytes) -> None:
        """Write an own row. Raises ValueError when it is out of bounds or its key begins with "_"."""
        if is_internal(key) or not 1 <= len(key.encode()) <= KEY_BYTES_MAX:
            raise ValueError(f'row key "{key}" must be 1 to {KEY_BYTES_MAX} bytes and not begin with "_"')
        least, most = (1, VALUE_BYTES_MAX - SIGNATURE_BYTES) if is_signed(key) else (0, VALUE_BYTES_MAX)
        if not least <= len(value) <= most:
            raise ValueError(f'row "{key}" has a value of {len(value)} bytes, which must be {least} to {most}')
        if self._records.own.body(key) is None and self._records.own_row_count() >= ROWS_PER_OWNER_MAX:
            raise ValueError(f'no room for row "{key}": a node publishes at most {ROWS_PER_OWNER_MAX} rows')
        self._write(now, key, value)

    def withdraw(self, now: float, key: str) -> None:
        """Take an own row back; nothing happens when there is none. Raises ValueError for a key with "_"."""
        if is_internal(key):
            raise ValueError(f'row key "{key}" must not begin with "_"')
        self._write(now, key, None)

    # The key ring.

    def ring(self) -> RingPicture:
        """Who holds which key, and whose primary key is which."""
        return self.key_orders.picture()

    def keys_held(self) -> tuple[bytes, ...]:
        """Ids of the keys that open datagrams here, removed ones that somebody still needs among them."""
        return tuple(self._keys.ring.held())

    def keys_for(self, address: Address) -> tuple[bytes, ...]:
        """The keys that open datagrams here, before them all the one that those to this address are sealed under."""
        ring, first = self._keys.ring, self._keys.key_for(address)
        ordered = (first, *(identifier for identifier in ring.held() if identifier != first))
        return tuple(key for identifier in ordered if (key := ring.find(identifier)) is not None)

    def keys_stored(self, keys: tuple[bytes, ...], *, volatile: bool) -> None:
        """The key file holds these keys; `volatile`: it cannot be written, and memory is all there is."""
        self._keys.stored(keys, volatile=volatile)

    def seeds_resolved(self, seeds: tuple[Address, ...]) -> None:
        """Take the seeds' addresses as they resolve now; names among them are left out."""
        self._seeds.replace(seeds, self._stepped_s)

    def leave(self, now: float) -> Output:
        """Say goodbye to all live members; from now on this node is silent."""
        turn = Turn()
        if self._left:
            return turn.output()
        self._write(now, MEMBER_KEY, self._member_row(left=True))
        own = self._records.own
        goodbye = [encode(batch) for batch in self._sync.delta(own, own.floor - 1)]
        for peer in self._members.live_peers():
            self._outbox.send(turn, peer.address, goodbye)
        turn.changes.append(self._members.own.move(now, GOODBYE))
        self._left = True
        return turn.output()

    def next_deadline(self) -> float:
        """When to call `tick` at the latest; infinity once this node has left. Ask before each sleep: a step
        that comes much later than the last answer shows that this node stood still.
        """
        if self._left:
            return float("inf")
        due_s = min(
            self._prober.deadline_s(),
            self._seeds.deadline_s(),
            self._claims.deadline_s(),
            self._outbox.deadline_s(),
            self._picture.deadline_s(),
            self._keys.deadline_s(),
        )
        self._promised_s = max(due_s, self._stepped_s)
        return self._promised_s

    def trusted(self) -> frozenset[str]:
        """Peers whose words count now: those this node reaches over a chain of edges that are up."""
        return self._picture.trusted_peers

    # Steps.

    def send_failed(self, now: float, address: Address) -> None:
        """The system refused to send (no permission, no buffers, no route). When it does so to several, the trouble is
        here and not at the other end: missing answers count as ever, but accusations need more of them for a while.
        """
        self.counters["send_errors"] += 1
        self._awareness.send_failed(now, address, len(self._members.live_peers()))

    def stream_opened(self, address: Address) -> Output:
        """A stream that was asked for stands: what to send on it first."""
        turn = Turn(stream=address)
        self._outbox.send(turn, address, self._streams.opened(address))
        return turn.output()

    def stream_closed(self, address: Address) -> None:
        """A stream that was asked for has ended, or could not be opened. Datagrams repair what it left undone."""
        self._streams.closed(address)

    def receive_unit(self, now: float, address: Address, unit: bytes) -> Output:
        """Take one unit of a stream that leads to this address. Whatever it is, this never raises."""
        return self._take(now, address, unit, Turn(stream=address))

    def receive(self, now: float, source: Address, datagram: bytes) -> Output:
        """Take one datagram. Whatever it is, this never raises."""
        return self._take(now, source, datagram, Turn())

    def _take(self, now: float, source: Address, datagram: bytes, turn: Turn) -> Output:
        self.counters["datagrams_in"] += 1
        self.counters["bytes_in"] += len(datagram)
        if self._left:
            return self._finish(now, turn, Rejection.LEFT)
        self._notice_pause(now)
        opened = self._opener.open(datagram)
        if isinstance(opened, Rejection):
            rejected: Rejection | None = opened
            self._lookout.refused(now, source, opened, turn)
        else:
            self._keys.heard(source, opened.key_id)
            rejected = self._inbox.accept(now, source, opened, turn)
        if rejected is not None and (notice := self._strays.refused(now, source.host, rejected)):
            turn.notices.append(notice)
        return self._finish(now, turn, rejected)

    def tick(self, now: float, *, drained: bool = True) -> Output:
        """Do what is due. `drained`: all that has arrived was received; without that no silence is judged."""
        turn = Turn()
        if self._left:
            return turn.output()
        self._notice_pause(now)
        for address, nonce in self._prober.due(now, self._awareness.extra_misses(now), drained=drained):
            self._outbox.send(turn, address, [encode(Ping(nonce))])
        if now >= self._seeds.deadline_s():
            self._outbox.dial_seeds(now, turn, self._seeds)
            self._lookout.watch_seeds(now, turn)
        self._take_name_back(now)
        self._picture.settle(now, turn)
        self._outbox.spread(now, turn)
        return self._finish(now, turn, None)

    def _finish(self, now: float, turn: Turn, rejected: Rejection | None) -> Output:
        if rejected is not None:
            self.counters[f"rejected_{rejected}"] += 1
        if not self._left:
            self._picture.settle(now, turn)
            self._settle_keys(now, turn)
        return turn.output(rejected)

    def _settle_keys(self, now: float, turn: Turn) -> None:
        if turn.changes:
            self._keys.unsettle()
        if now < self._keys.deadline_s():
            return
        for address, gift in self._keys.settle(now):
            self._outbox.send(turn, address, [gift])
        turn.keys_to_store = self._keys.to_store()

    def _notice_pause(self, now: float) -> None:
        """A step far later than agreed means that this node stood still, not that the others did."""
        self._stepped_s = now
        late_s = now - self._promised_s
        if late_s <= self._timing.late_step_s:
            return
        self._awareness.strike(now, f"a step came {1000 * late_s:.0f} ms late")
        self.counters["late_steps"] += 1
        self._promised_s = now
        if late_s <= self._timing.lateness_is_pause_s:
            return
        self.counters["pauses"] += 1
        self._prober.forgive(now)
        self._picture.forgive(now)
        self._promised_s = float("inf")

    def _say_edges(self, now: float, value: bytes) -> None:
        self._write(now, EDGES_KEY, value)

    def _say_keys(self, now: float, value: bytes) -> None:
        self._write(now, KEYS_KEY, value)

    def _write(self, now: float, key: str, value: bytes | None) -> None:
        self._outbox.announce(now, self._records.write(now, key, value))

    def _member_row(self, *, left: bool) -> bytes:
        own = self._identity
        return encode_member(MemberFacts(own.zone, own.address, public_key_of(own.secret), left))

    def _take_name_back(self, now: float) -> None:
        epoch = self._claims.takeover(now)
        if epoch is not None:
            own = Incarnation(epoch, self._identity.incarnation.tag)
            self._outbox.announce(now, self._records.raise_epoch(now, own))
            self._members.own.epoch = epoch
