"""Leases as elements of sets that time out. Pure, and light, as the sentinel has them, too.

Before Linux 6.12 an element's timeout could not be changed, so it is added (which does nothing where it is), deleted,
and added anew, in one transaction: no packet ever sees it missing. Its comment is the claim's epoch.
"""

import ipaddress
import struct
from collections.abc import Iterable, Iterator

from lbmesh.drivers.bgp import gate_rules
from lbmesh.drivers.vip import nf_tables
from lbmesh.drivers.vip.lease_rules import TABLE
from lbmesh.drivers.vip.netlink import Message
from lbmesh.drivers.vip.nf_tables import ARP, INET, Change, Place

_FAMILIES = {"inet": INET, "arp": ARP}
_EPOCH = "epoch "


def renew(leases: Iterable[tuple[str, int]], timeout_s: float, sequence: int) -> bytes:
    """One transaction that gives each of these so long a lease. `leases`: (address or BGP_LEASE, epoch), not none."""
    changes = [change for address, epoch in leases for change in _changes(address, epoch, timeout_s)]
    return nf_tables.transaction(sequence, changes)


def end(address: str, sequence: int) -> bytes:
    """One transaction after which this address, or BGP, has no lease."""
    return nf_tables.transaction(sequence, _changes(address, 0, 0.0))


def ask(address: str, sequence: int) -> bytes:
    """Ask for the lease of one address, or of BGP; ENOENT when there is none, or none any more."""
    place, key = _keys(address)[-1]
    return nf_tables.ask(place, nf_tables.key(key), sequence)


def epoch_of(said: Message) -> int | None:
    """The epoch of the lease in an answer; None for a message without one."""
    text = "".join(map(nf_tables.comment_of, nf_tables.elements(said)))
    number = text.removeprefix(_EPOCH)
    return int(number) if text.startswith(_EPOCH) and number.isdecimal() else None


def list_rules(family: str, sequence: int) -> bytes:
    """Ask for the rules of our table of this family, "arp" or "inet"."""
    return nf_tables.list_rules(_FAMILIES[family], TABLE, sequence)


def is_rule(said: Message) -> bool:
    """Is this a rule of our table?"""
    return nf_tables.is_rule(said, TABLE)


def _changes(address: str, epoch: int, timeout_s: float) -> Iterator[Change]:
    for place, value in _keys(address):
        key = nf_tables.key(value)
        lasting = key + nf_tables.lasting(timeout_s, f"{_EPOCH}{epoch}")
        yield nf_tables.add(place, lasting)
        yield nf_tables.delete(place, key)
        if timeout_s > 0:
            yield nf_tables.add(place, lasting)


def _keys(address: str) -> tuple[tuple[Place, bytes], ...]:
    """Where a lease is, and by which key."""
    if address == gate_rules.BGP_LEASE:
        gate = Place(INET, gate_rules.TABLE, "lease")
        return tuple((gate, struct.pack(">H", port)) for port in gate_rules.PORTS)
    packed = ipaddress.ip_address(address).packed
    if len(packed) == 16:
        return ((Place(INET, TABLE, "lease6"), packed),)
    return ((Place(ARP, TABLE, "lease4"), packed), (Place(INET, TABLE, "lease4"), packed))
