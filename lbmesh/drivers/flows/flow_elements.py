"""What backups know of a front's connections, and who its backups are, as elements of sets (`flow_rules.py`). Pure."""

import ipaddress
from collections.abc import Iterable, Mapping

from lbmesh.drivers.flows.tickles import is_of
from lbmesh.drivers.kernel import nf_tables
from lbmesh.drivers.kernel.netlink import Message
from lbmesh.drivers.kernel.nf_tables import FAMILIES, Change, Place

HEIRS = ("heir1", "heir2")
"""Maps, of each family."""


def family_of(address: str) -> str:
    """Which table holds what belongs to this address."""
    return "ip6" if ":" in address else "ip"


def name_heirs(family: str, table: str, heirs: Mapping[str, tuple[str, ...]], *, retell: bool) -> list[Change]:
    """What must change so that copies go to these, and to no others. `heirs`: {front: up to two gateways}.
    `retell`: what was told already is to be told anew.
    """
    changes = [nf_tables.empty(Place(FAMILIES[family], table, name)) for name in HEIRS]
    if retell:
        changes.append(nf_tables.empty(Place(FAMILIES[family], table, "told")))
    for front, addresses in heirs.items():
        for name, address in zip(HEIRS, addresses, strict=False):
            element = nf_tables.key(_packed(front)) + nf_tables.leads_to(_packed(address))
            changes.append(nf_tables.add(Place(FAMILIES[family], table, name), element))
    return changes


def name_peers(table: str, peers: Iterable[str]) -> list[Change]:
    """What must change so that these are heard, and no others, of both families."""
    changes = [nf_tables.empty(Place(FAMILIES[family], table, "peers")) for family in ("ip", "ip6")]
    for peer in peers:
        changes.append(nf_tables.add(Place(FAMILIES[family_of(peer)], table, "peers"), nf_tables.key(_packed(peer))))
    return changes


def list_known(family: str, table: str, sequence: int) -> bytes:
    """Ask for all connections that this node knows of."""
    return nf_tables.list_elements(Place(FAMILIES[family], table, "known"), sequence)


def known_of(messages: Iterable[Message], front: str) -> bytes:
    """The keys of one front's connections in an answer, one after the other."""
    wanted = _packed(front)
    return b"".join(key for said in messages for key in nf_tables.keys(said) if is_of(key, wanted))


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed
