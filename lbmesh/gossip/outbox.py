"""What this node sends, and when: sealed, packed, counted."""

from collections import Counter
from collections.abc import Collection, Iterable

from lbmesh.gossip.codec import encode
from lbmesh.gossip.identity import Rng
from lbmesh.gossip.keys import Keys
from lbmesh.gossip.limits import GossipTiming
from lbmesh.gossip.members import Members
from lbmesh.gossip.messages import Ping
from lbmesh.gossip.records import Records
from lbmesh.gossip.replies import Replies
from lbmesh.gossip.seal import Sealer, sealed_room
from lbmesh.gossip.seeds import Seeds
from lbmesh.gossip.sync import Sync, pack
from lbmesh.gossip.turn import Turn
from lbmesh.model.address import Address

_SOON_S = 0.05


class Outbox:
    """Seals what goes out and keeps the times of pushes and digests."""

    def __init__(
        self,
        sealer: Sealer,
        keys: Keys,
        records: Records,
        members: Members,
        sync: Sync,
        timing: GossipTiming,
        rng: Rng,
        now: float,
    ) -> None:
        self._sealer = sealer
        self._keys = keys
        self._records = records
        self._members = members
        self._sync = sync
        self._timing = timing
        self._rng = rng
        self._room = sealed_room(records.own.name)
        self._push_s = now
        self._digest_s = now + rng.random() * timing.digest_interval_s
        self.counters: Counter[str] = Counter()
        self.replies = Replies(self.counters)
        """What may still be answered, to each peer and to all."""

    def send(self, turn: Turn, address: Address, frames: Iterable[bytes], key_id: bytes | None = None) -> None:
        """Frames, each at most a datagram's room, in as few datagrams as hold them. `key_id`: the key to seal under,
        when it is not to be the one that suits whoever is there.
        """
        for payload in pack(frames, self._room):
            key = key_id or self._keys.key_for(address)
            datagram = self._sealer.seal(self._records.own.incarnation.epoch, payload, key)
            self.counters["datagrams_out"] += 1
            self.counters["bytes_out"] += len(datagram)
            if address == turn.stream:
                turn.units.append(datagram)
            else:
                turn.datagrams.append((address, datagram))

    def announce(self, now: float, keys: Iterable[str]) -> None:
        """Own rows have changed: push them."""
        self.relay(now, self._records.own.name, keys)

    def relay(self, now: float, owner: str, keys: Iterable[str]) -> None:
        """Rows of this owner are news here, and may be news to others."""
        if not self._sync.is_dirty:
            self._push_s = max(self._push_s, now)
        self._sync.mark(owner, keys)

    def hasten_digest(self, now: float) -> None:
        """A member has joined: compare notes soon."""
        self._digest_s = min(self._digest_s, now + _SOON_S)

    def deadline_s(self) -> float:
        """When the next push or digest is due."""
        return min(self._digest_s, self._push_s) if self._sync.is_dirty else self._digest_s

    def spread(self, now: float, turn: Turn) -> None:
        """Send the digests and the pushes that are due."""
        if now >= self._digest_s:
            self._send_digests(now, turn)
        if self._sync.is_dirty and now >= self._push_s:
            self._push(now, turn)

    def dial_seeds(self, now: float, turn: Turn, seeds: Seeds) -> None:
        """Ping the seeds that are due, and introduce this node."""
        live = self._members.live_peers()
        addresses = {entry.address for entry in live} | {self._members.own.address}
        for address, nonce in seeds.due(now, {entry.name for entry in live}, addresses):
            key = None if live else self._keys.next_dialled()
            self.send(turn, address, [encode(Ping(nonce)), *self.introduction()], key)

    def inquiry(self, name: str) -> bytes:
        """What is known of this owner, which asks for the rest."""
        return encode(self._sync.inquiry(name))

    def introduction(self) -> list[bytes]:
        """Who this node is, and what it knows: enough for the two to learn all of each other."""
        rows = [encode(batch) for batch in self._sync.delta(self._records.own, 0, 1)][:1]
        return rows + [encode(digest) for digest in self._sync.digests()[:1]]

    def _send_digests(self, now: float, turn: Turn) -> None:
        self._digest_s = now + self._timing.digest_interval_s * (0.9 + 0.2 * self._rng.random())
        self._records.own.beat += 1
        peers = self._members.peers_to_tell()
        if peers:
            (peer,) = self._rng.sample(peers, 1)
            self.send(turn, peer.address, [encode(digest) for digest in self._sync.digests()])

    def _push(self, now: float, turn: Turn) -> None:
        self._push_s = now + self._timing.push_interval_s
        peers = self._push_peers()
        for payload in self._sync.push() if peers else ():
            for address in peers:
                self.send(turn, address, [payload])

    def _push_peers(self) -> Collection[Address]:
        """Up to three members, one of them of another zone where there is one."""
        live = self._members.peers_to_tell()
        remote = [entry for entry in live if entry.zone != self._members.own.zone]
        first = self._rng.sample(remote, min(1, len(remote)))
        rest = [entry for entry in live if entry not in first]
        chosen = first + self._rng.sample(rest, min(len(rest), self._timing.push_peers - len(first)))
        return [entry.address for entry in chosen]
