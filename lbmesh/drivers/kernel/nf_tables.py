"""Sets of nf_tables in netlink's words (linux/netfilter/nf_tables.h): elements put in, taken out, listed. Pure.

What belongs together goes to the kernel as one transaction: a packet sees all of it or nothing.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lbmesh.drivers.kernel.netlink import ACK, CREATE, NESTED, REQUEST, Message, attribute, attributes, each, message

ARP, INET, IPV4, IPV6 = 3, 1, 2, 10
FAMILIES = {"arp": ARP, "inet": INET, "ip": IPV4, "ip6": IPV6}
"""Of tables, as the kernel and as nft(8) calls them."""

_SUBSYSTEM = 10
_BEGIN, _END = 0x10, 0x11
_GET_RULE, _NEW_RULE = _SUBSYSTEM << 8 | 7, _SUBSYSTEM << 8 | 6
_NEW, _GET, _DELETE = _SUBSYSTEM << 8 | 12, _SUBSYSTEM << 8 | 13, _SUBSYSTEM << 8 | 14
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS, _LIST_ONE = 1, 2, 3, 1
_RULE_TABLE = 1
_KEY, _DATA, _TIMEOUT, _USER_DATA, _VALUE = 1, 2, 4, 6, 1
_COMMENT = 0
COMMENT_BYTES_MAX = 253
"""With its head and its end it is NFT_USERDATA_MAXLEN."""

_DUMP = 0x300
_HEAD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Place:
    """A set or map in a table."""

    family: int
    table: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One message of a transaction."""

    kind: int
    flags: int
    body: bytes


def add(place: Place, element: bytes) -> Change:
    """Put an element in, which does nothing where it is already."""
    return Change(_NEW, REQUEST | CREATE, _elements(place, element))


def delete(place: Place, element: bytes) -> Change:
    """Take an element out; ENOENT fails the transaction where it is not."""
    return Change(_DELETE, REQUEST, _elements(place, element))


def empty(place: Place) -> Change:
    """Take all elements out."""
    return Change(_DELETE, REQUEST, _head(place.family) + _names(place))


def key(value: bytes) -> bytes:
    """An element of this key."""
    return attribute(_KEY | NESTED, attribute(_VALUE, value))


def leads_to(value: bytes) -> bytes:
    """What an element of a map leads to, to be added to its key."""
    return attribute(_DATA | NESTED, attribute(_VALUE, value))


def lasting(timeout_s: float, comment: str) -> bytes:
    """An element's timeout, 1 ms at least, and its comment, to be added to its key."""
    return attribute(_TIMEOUT, struct.pack(">Q", max(1, round(timeout_s * 1000)))) + commented(comment)


def commented(comment: str) -> bytes:
    """An element's comment, to be added to its key; what is over COMMENT_BYTES_MAX is cut off."""
    text = comment.encode()[:COMMENT_BYTES_MAX] + b"\0"
    return attribute(_USER_DATA, bytes([_COMMENT, len(text)]) + text)


def transaction(sequence: int, changes: Iterable[Change]) -> bytes:
    """All of these or none. Only the last is acknowledged: before that come the faults of those before it."""
    *before, last = changes
    sent = [message(one.kind, one.flags, sequence, one.body) for one in before]
    sent.append(message(last.kind, last.flags | ACK, sequence, last.body))
    begin, end = (message(kind, REQUEST, sequence, _head(0, _SUBSYSTEM)) for kind in (_BEGIN, _END))
    return begin + b"".join(sent) + end


def ask(place: Place, element: bytes, sequence: int) -> bytes:
    """Ask for one element; ENOENT when it is not there."""
    return message(_GET, REQUEST | ACK, sequence, _elements(place, element))


def list_elements(place: Place, sequence: int) -> bytes:
    """Ask for all elements."""
    return message(_GET, REQUEST | _DUMP, sequence, _head(place.family) + _names(place))


def keys(said: Message) -> Iterator[bytes]:
    """The key of each element in an answer, and nothing else of it: there may be very many."""
    if said.kind == _NEW:
        listed = attributes(said.body[_HEAD_BYTES:]).get(_LIST_ELEMENTS, b"")
        for _, one in each(listed):
            yield next((value[_HEAD_BYTES:] for kind, value in each(one) if kind == _KEY), b"")


def elements(said: Message) -> Iterator[dict[int, bytes]]:
    """The attributes of each element in an answer; none for another message."""
    if said.kind == _NEW:
        listed = attributes(said.body[_HEAD_BYTES:]).get(_LIST_ELEMENTS, b"")
        yield from (attributes(one) for _, one in each(listed))


def key_of(element: dict[int, bytes]) -> bytes:
    """An element's key."""
    return element.get(_KEY, b"\0" * 4)[4:]


def comment_of(element: dict[int, bytes]) -> str:
    """An element's comment, "" without one."""
    return element.get(_USER_DATA, b"")[2:].rstrip(b"\0").decode(errors="replace")


def list_rules(family: int, table: str, sequence: int) -> bytes:
    """Ask for the rules of one table."""
    return message(_GET_RULE, REQUEST | _DUMP, sequence, _head(family) + attribute(_RULE_TABLE, table.encode() + b"\0"))


def is_rule(said: Message, table: str) -> bool:
    """Is this a rule of that table?"""
    return said.kind == _NEW_RULE and attributes(said.body[_HEAD_BYTES:]).get(_RULE_TABLE) == table.encode() + b"\0"


def _elements(place: Place, element: bytes) -> bytes:
    listed = attribute(_LIST_ELEMENTS | NESTED, attribute(_LIST_ONE | NESTED, element))
    return _head(place.family) + _names(place) + listed


def _names(place: Place) -> bytes:
    return attribute(_LIST_TABLE, place.table.encode() + b"\0") + attribute(_LIST_SET, place.name.encode() + b"\0")


def _head(family: int, resource: int = 0) -> bytes:
    return struct.pack(">BBH", family, 0, resource)
