"""The only look into the cores that is not over their public face: their tables, to see that each keeps its bound."""

# ruff: noqa: SLF001

from collections.abc import Iterator

from lbmesh.control.plane import Plane
from lbmesh.gossip import limits
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import Incarnation
from lbmesh.gossip.members import MemberChange
from lbmesh.gossip.messages import Rows
from lbmesh.gossip.records import OwnerRecords
from lbmesh.gossip.replies import Reply
from lbmesh.gossip.turn import Turn
from lbmesh.model.address import Address

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
    yield "sessions", len(gossip._opener), limits.SESSIONS_MAX + limits.SESSIONS_UNPROVEN_MAX
    yield "replies", len(gossip._outbox.replies), 2 * len(Reply) * owners_max
    for known in records.owners.values():
        yield (
            f"rows of {known.name}",
            len(known.rows),
            limits.ROWS_PER_OWNER_MAX + limits.TOMBSTONES_MAX + ROWS_OF_GOSSIP,
        )
        yield f"spans of {known.name}", len(known.spans), limits.SPANS_MAX


def health_sizes(plane: Plane, replicas: int, members: int) -> Iterator[tuple[str, int, int]]:
    """The same of a plane's health book."""
    book = plane._book
    yield "health records", len(book._records), replicas
    yield "health timers", len(book._timers._heap), 64 * replicas + 64
    for record in book._records.values():
        yield f"opinions on {record.replica}", len(record.opinions), members


def introduce(gossip: Gossip, other: Gossip, address: Address, now: float) -> list[MemberChange]:
    """Let a node know another as if it had been told long ago: nothing of it is passed on."""
    own = other._records.own
    turn = Turn()
    batch = Rows(own.name, own.incarnation, 0, own.floor, own.horizon, tuple(own.after(0)))
    gossip._inbox._handle(now, address, own.name, batch, turn)
    gossip._sync._dirty.clear()
    return turn.changes
