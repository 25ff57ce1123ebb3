"""Leases in nf_tables' words (linux/netfilter/nf_tables.h): elements of a set that time out. Pure, and light.

Before Linux 6.12 an element's timeout could not be changed, so it is added (which does nothing where it is), deleted,
and added anew, in one transaction: no packet ever sees it missing. Its comment is the claim's epoch.
"""

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lbmesh.drivers.bgp import gate_rules
from lbmesh.drivers.vip.lease_rules import TABLE
from lbmesh.drivers.vip.netlink import ACK, CREATE, NESTED, REQUEST, Message, attribute, attributes, message

_SUBSYSTEM = 10
_BEGIN, _END = 0x10, 0x11
_NEW_RULE, _GET_RULE = _SUBSYSTEM << 8 | 6, _SUBSYSTEM << 8 | 7
_NEW, _GET, _DELETE = _SUBSYSTEM << 8 | 12, _SUBSYSTEM << 8 | 13, _SUBSYSTEM << 8 | 14
_INET, _ARP = 1, 3
_FAMILIES = {"inet": _INET, "arp": _ARP}
_LIST_TABLE, _LIST_SET, _LIST_ELEMENTS, _LIST_ONE = 1, 2, 3, 1
_KEY, _TIMEOUT, _USER_DATA, _VALUE = 1, 4, 6, 1
_COMMENT = 0
_EPOCH = "epoch "
_DUMP = 0x300


@dataclass(frozen=True, slots=True)
class _Place:
    """An element: family, table and set, and its key."""

    family: int
    table: str
    set: str
    key: bytes


def renew(leases: Iterable[tuple[str, int]], timeout_s: float, sequence: int) -> bytes:
    """One transaction that gives each of these so long a lease. `leases`: (address or BGP_LEASE, epoch), not none."""
    return _transaction(sequence, [(one, epoch, timeout_s) for one, epoch in leases])


def end(address: str, sequence: int) -> bytes:
    """One transaction after which this address, or BGP, has no lease."""
    return _transaction(sequence, [(address, 0, 0.0)])


def ask(address: str, sequence: int) -> bytes:
    """Ask for the lease of one address, or of BGP; ENOENT when there is none, or none any more."""
    place = _places(address)[-1]
    return _elements(_GET, REQUEST | ACK, sequence, place, _key(place))


def epoch_of(said: Message) -> int | None:
    """The epoch of the lease in an answer; None for a message without one."""
    if said.kind != _NEW:
        return None
    listed = attributes(attributes(said.body[4:]).get(_LIST_ELEMENTS, b""))
    data = attributes(listed.get(_LIST_ONE, b"")).get(_USER_DATA, b"")
    text = data[2:].rstrip(b"\0").decode(errors="replace")
    number = text.removeprefix(_EPOCH)
    return int(number) if text.startswith(_EPOCH) and number.isdecimal() else None


def list_rules(family: str, sequence: int, table: str = TABLE) -> bytes:
    """Ask for the rules of our table of this family, "arp" or "inet"."""
    body = _head(_FAMILIES[family]) + attribute(1, table.encode() + b"\0")
    return message(_GET_RULE, REQUEST | _DUMP, sequence, body)


def is_rule(said: Message, table: str = TABLE) -> bool:
    """Is this a rule of our table?"""
    return said.kind == _NEW_RULE and attributes(said.body[4:]).get(1) == table.encode() + b"\0"


def _transaction(sequence: int, wanted: list[tuple[str, int, float]]) -> bytes:
    """Only the last change is acknowledged: before that come the faults of those before it."""
    changes = [change for one in wanted for change in _changes(*one)]
    last = len(changes) - 1
    sent = (
        _elements(kind, flags | ACK * (number == last), sequence, place, element)
        for number, (kind, flags, place, element) in enumerate(changes)
    )
    begin = message(_BEGIN, REQUEST, sequence, _head(0, _SUBSYSTEM))
    return begin + b"".join(sent) + message(_END, REQUEST, sequence, _head(0, _SUBSYSTEM))


_Change = tuple[int, int, _Place, bytes]
"""Kind, flags; where; element."""


def _changes(address: str, epoch: int, timeout_s: float) -> Iterator[_Change]:
    comment = f"{_EPOCH}{epoch}".encode() + b"\0"
    for place in _places(address):
        key = _key(place)
        lasting = key + attribute(_TIMEOUT, struct.pack(">Q", max(1, round(timeout_s * 1000))))
        lasting += attribute(_USER_DATA, bytes([_COMMENT, len(comment)]) + comment)
        yield _NEW, REQUEST | CREATE, place, lasting
        yield _DELETE, REQUEST, place, key
        if timeout_s > 0:
            yield _NEW, REQUEST | CREATE, place, lasting


def _places(address: str) -> tuple[_Place, ...]:
    if address == gate_rules.BGP_LEASE:
        return tuple(_Place(_INET, gate_rules.TABLE, "lease", struct.pack(">H", port)) for port in gate_rules.PORTS)
    packed = ipaddress.ip_address(address).packed
    if len(packed) == 16:
        return (_Place(_INET, TABLE, "lease6", packed),)
    return (_Place(_ARP, TABLE, "lease4", packed), _Place(_INET, TABLE, "lease4", packed))


def _key(place: _Place) -> bytes:
    return attribute(_KEY | NESTED, attribute(_VALUE, place.key))


def _elements(kind: int, flags: int, sequence: int, place: _Place, element: bytes) -> bytes:
    listed = attribute(_LIST_ELEMENTS | NESTED, attribute(_LIST_ONE | NESTED, element))
    where = attribute(_LIST_TABLE, place.table.encode() + b"\0") + attribute(_LIST_SET, place.set.encode() + b"\0")
    return message(kind, flags, sequence, _head(place.family) + where + listed)


def _head(family: int, resource: int = 0) -> bytes:
    return struct.pack(">BBH", family, 0, resource)
