"""The only look into the cores that is not over their public face: their tables, to see that each keeps its bound."""

# ruff: noqa: SLF001

from collections.abc import Iterator

from lbmesh.control.plane import Plane
from lbmesh.gossip import catch_up, limits
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.members import MemberChange
from lbmesh.gossip.messages import Rows
from lbmesh.gossip.records import OwnerRecords
from lbmesh.gossip.replies import Reply
from lbmesh.gossip.signatures import authentic
from lbmesh.gossip.turn import Turn
from lbmesh.health.timers import REPLACED_MAX

ROWS_OF_GOSSIP = 8
"""Rows an owner has for the gossip's own ends, at most."""


def owners(gossip: Gossip) -> dict[str, OwnerRecords]:
    """Everybody's rows as this node knows them."""
    return gossip._records.owners


def versions(gossip: Gossip) -> dict[str, tuple[Incarnation, int]]:
    """How far each owner is known: its incarnation, and the sequence up to which there is no gap."""
    return {name: (known.incarnation, known.floor) for name, known in gossip._records.owners.items()}


def own_version(gossip: Gossip) -> tuple[Incarnation, int]:
    """How far this node has written."""
    own = gossip._records.own
    return own.incarnation, own.floor


def sizes(gossip: Gossip, members: int) -> Iterator[tuple[str, int, int]]:
    """Each table: its name, how much is in it, how much may be. `members`: names ever used in the mesh."""
    records, prober = gossip._records, gossip._prober
    rows = sum(len(known.rows) for known in records.owners.values())
    owners_max = min(members, limits.MEMBERS_MAX)
    yield "owners", len(records.owners), owners_max
    yield "ids", len(records.ids), owners_max
    yield "members", len(gossip._members.entries), owners_max
    yield "rows", rows, limits.ROWS_MAX
    yield "rows counted", records._row_count, rows
    yield "edges", len(prober.edges), owners_max
    yield "pings", max((len(edge.pings) for edge in prober.edges.values()), default=0), 8
    yield "dirty rows", len(gossip._sync._dirty), rows + limits.TOMBSTONES_MAX
    yield "seeds", len(gossip._seeds._seeds), limits.SEEDS_MAX
    yield "notices", len(gossip._notices._said), limits.NOTICES_MAX
    yield "replies", len(gossip._outbox.replies), min(limits.REPLY_PEERS_MAX, len(Reply) * members)
    yield "sources of strays", len(gossip._strays), min(limits.STRAY_SOURCES_MAX, members)
    yield "strays told of", len(gossip._strays._told), min(limits.STRAY_SOURCES_TOLD_MAX + 1, members)
    yield "failed sends", len(gossip._awareness._failed_s), min(limits.SENDS_FAILED_MAX, members)
    yield "open streams", len(gossip._streams._open), min(limits.STREAMS_MAX, members)
    yield "streams tried", len(gossip._streams._tried_s), owners_max
    yield "ids offered", len(gossip._catch_up._offered), owners_max
    yield "ranges of ids", len(gossip._catch_up._ranges), catch_up._RANGES_MAX
    yield from _key_sizes(gossip, members)
    for known in records.owners.values():
        yield (
            f"rows of {known.name}",
            len(known.rows),
            limits.ROWS_PER_OWNER_MAX + limits.TOMBSTONES_MAX + ROWS_OF_GOSSIP,
        )
        yield f"spans of {known.name}", len(known.spans), limits.SPANS_MAX


def _key_sizes(gossip: Gossip, members: int) -> Iterator[tuple[str, int, int]]:
    """The same of its keys, and of the sessions that speak under them."""
    keys, sessions = gossip._keys, gossip._opener._sessions
    peers = len(gossip._records.owners) - 1
    yield "words of rings", len(keys.words), peers
    yield "rings of earlier starts", len(keys._restarted), peers
    yield "sources of other keys", len(keys._heard_under), min(limits.KEY_SOURCES_MAX, members)
    entries, held = len(keys.ring._entries), len(keys.ring.held())
    yield "keys", held, limits.KEYS_MAX
    yield "notes of keys given up", entries - held, limits.KEY_NOTES_MAX - limits.KEYS_MAX
    yield "proven sessions", len(sessions._proven), limits.SESSIONS_MAX
    yield "unproven sessions", len(sessions._unproven), limits.SESSIONS_UNPROVEN_MAX
    # A cipher outlives its key until its session takes another: whose key is given up, of that there is a note.
    ciphers_max = min(entries, limits.KEYS_MAX)
    yield "ciphers to send under", len(gossip._outbox._sealer._ciphers), ciphers_max
    for session in (*sessions._proven.values(), *sessions._unproven.values()):
        yield f"ciphers of {session.key[0].decode()}", len(session.ciphers), ciphers_max


def health_sizes(plane: Plane, replicas: int, members: int) -> Iterator[tuple[str, int, int]]:
    """The same of a plane's health book."""
    book = plane._book
    yield "health records", len(book._records), replicas
    yield "health deadlines", len(book._timers._due_s), replicas
    yield "health timers", len(book._timers._heap), 2 * replicas + REPLACED_MAX
    credit = book._credit
    yield "words to credit", len(credit._said), replicas
    yield "tallies", len(credit._tallies), members
    yield "zones of words", len(credit._replica_zones), replicas
    for name, tally in credit._tallies.items():
        yield f"zones that {name} spoke of", max(len(tally.words), len(tally.contradicted)), len(credit._replica_zones)
    for record in book._records.values():
        yield f"opinions on {record.replica}", len(record.opinions), members


def introduce(gossip: Gossip, other: Gossip, now: float) -> list[MemberChange]:
    """Let a node know another as if it had been told long ago: nothing of it is passed on."""
    own = other._records.own
    turn = Turn()
    batch = Rows(own.name, own.incarnation, 0, own.floor, own.horizon, tuple(own.after(0)))
    if own.public_key is None:  # Checked once, and not again by each of a thousand.
        _, _, own.public_key = authentic(batch, None)
    owner = gossip._inbox._owners.admit(own.name, own.incarnation)
    assert owner is not None
    owner.public_key = own.public_key
    gossip._inbox._rows._merge(now, owner, batch, turn)
    gossip._sync._dirty.clear()
    return turn.changes
