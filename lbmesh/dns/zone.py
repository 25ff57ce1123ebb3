"""The zone as it stands in one picture: which names there are, and the records of each, made once and kept as bytes."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from lbmesh.dns.constants import Type
from lbmesh.dns.limits import ADDRESSES_PER_ANSWER_MAX, TURNS
from lbmesh.dns.names import mailbox_to_wire, parents, to_wire
from lbmesh.dns.query import HEADER_BYTES
from lbmesh.dns.records import (
    Authority,
    Sections,
    address_records,
    is_below,
    named_address_records,
    ns_records,
    offset_of,
    soa_record,
)
from lbmesh.model.dns import APEX, DnsName, DnsPicture, PublishedAddress

_FAMILIES = (Type.A, Type.AAAA)


class Node:
    """One name that exists. `addresses`: by type, of those that are answered. `kept`: its answers by (type, zone of the
    client, turn).
    """

    __slots__ = ("addresses", "kept", "ttl_s")

    def __init__(self) -> None:
        self.ttl_s = 0
        self.addresses: dict[Type, tuple[PublishedAddress, ...]] = {}
        self.kept: dict[tuple[int, str, int], Sections | None] = {}

    def set(self, addresses: Iterable[PublishedAddress], ttl_s: int) -> None:
        """Its addresses are those of these that are answered."""
        self.ttl_s = ttl_s
        for each in answered(addresses):
            type_ = Type.AAAA if ":" in each.address else Type.A
            self.addresses[type_] = (*self.addresses.get(type_, ()), each)

    def ordered(self, type_: Type, zone: str, turn: int) -> tuple[str, ...]:
        """Its addresses of a family, those of the client's zone first; those, and the rest, begin with
        another one at each turn.
        """
        addresses = self.addresses.get(type_, ())
        near = [each.address for each in addresses if each.zone == zone]
        far = [each.address for each in addresses if each.zone != zone]
        both = chain(rotated(near, turn), rotated(far, turn))
        return tuple(both)[:ADDRESSES_PER_ANSWER_MAX]


def answered(addresses: Iterable[PublishedAddress]) -> Iterator[PublishedAddress]:
    """Of each family those that are published; when none of them is, all: an empty answer helps nobody."""
    everything = tuple(addresses)
    for is_ipv6 in (False, True):
        family = tuple(each for each in everything if (":" in each.address) is is_ipv6)
        yield from tuple(each for each in family if each.is_published) or family


def rotated(items: Sequence[str], turn: int) -> Sequence[str]:
    """The items, from another one on at each turn; of more items than turns, every so many."""
    if not items:
        return items
    start = turn % len(items) if len(items) <= TURNS else turn * len(items) // TURNS
    return [*items[start:], *items[:start]]


def whole_s(seconds: float) -> int:
    """As a TTL, which 0 is not: it would have each client ask again."""
    return max(1, round(seconds))


class Zone:
    """All that is answered while one picture stands."""

    def __init__(self, picture: DnsPicture) -> None:
        policy = picture.policy
        self.name = to_wire(policy.zone)
        ttl_s, self._ns_ttl_s = whole_s(policy.ttl_s), whole_s(policy.ns_ttl_s)
        self._servers = [to_wire(server.name) for server in policy.name_servers]
        self._authority = Authority(
            server=self._servers[0],
            mailbox=mailbox_to_wire(policy.mailbox),
            # The same on all nodes with the same settings; nobody transfers the zone, so that it need not rise.
            serial=zlib.crc32(repr(policy).encode()),
            least_s=whole_s(policy.negative_ttl_s),
        )
        self.nodes: dict[bytes, Node] = {}
        self._negatives: dict[int, Sections] = {}
        known = {each.address: each for each in picture.addresses}
        self._node(self.name)
        for name in policy.names:
            own = (known[address] for address in name.addresses if address in known)
            self._node(self.wire_of(name)).set(own, ttl_s)
        for wire, server in zip(self._servers, policy.name_servers, strict=True):
            if is_below(wire, self.name):
                own = (PublishedAddress(each, "", True, "configured") for each in server.addresses)
                self._node(wire).set(own, self._ns_ttl_s)

    def wire_of(self, name: DnsName) -> bytes:
        """The name in full."""
        return self.name if name.name == APEX else to_wire(name.name)[:-1] + self.name

    def _node(self, wire: bytes) -> Node:
        """A name exists, and so does each between it and the zone (RFC 4592, 2.2.2)."""
        for name in parents(wire):
            self.nodes.setdefault(name, Node())
            if name == self.name:
                break
        return self.nodes[wire]

    def negative(self, name: bytes) -> Sections:
        """What says that a name, or what was asked of it, does not exist (RFC 2308, 2). Only its length counts."""
        at = offset_of(name, self.name)
        sections = self._negatives.get(at)
        if sections is None:
            sections = self._negatives[at] = Sections(authorities=1, records=self._soa(at))
        return sections

    def positive(self, name: bytes, node: Node, type_: int, zone: str, turn: int) -> Sections | None:
        """The records of this type, made new; None when there are none."""
        match type_:
            case Type.A | Type.AAAA:
                family = Type(type_)
                addresses = node.ordered(family, zone, turn)
                records = address_records(HEADER_BYTES, family, addresses, node.ttl_s)
                return Sections(answers=len(addresses), records=records) if addresses else None
            case Type.ANY:
                # RFC 8482, 4.1: one of the sets that are there.
                for each in (Type.A, Type.AAAA, Type.SOA):
                    if found := self.positive(name, node, each, zone, turn):
                        return found
                return None
            case Type.SOA if name == self.name:
                return Sections(answers=1, records=self._soa(HEADER_BYTES))
            case Type.NS if name == self.name:
                records = ns_records(HEADER_BYTES, self.name, self._servers, self._ns_ttl_s)
                extras, extra = self._glue()
                return Sections(len(self._servers), 0, records, extras, extra)
            case _:
                return None

    def _soa(self, at: int) -> bytes:
        return soa_record(at, self.name, self._authority, self._authority.least_s)

    def _glue(self) -> tuple[int, bytes]:
        """The addresses of the name servers in the zone: how many records, and these."""
        count, records = 0, b""
        for server in self._servers:
            for type_ in _FAMILIES:
                addresses = self.nodes[server].ordered(type_, "", 0) if server in self.nodes else ()
                count += len(addresses)
                records += named_address_records(server, type_, addresses, self._ns_ttl_s)
        return count, records
