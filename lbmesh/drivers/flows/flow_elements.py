"""What backups know of a front's connections, and who its backups are, as elements of sets (`flow_rules.py`). Pure."""

import ipaddress
from collections.abc import Iterable, Mapping

from lbmesh.drivers.flows.flow_rules import TABLE
from lbmesh.drivers.flows.tickles import is_of
from lbmesh.drivers.kernel import nf_tables
from lbmesh.drivers.kernel.netlink import Message
from lbmesh.drivers.kernel.nf_tables import FAMILIES, Change, Place

_HEIRS = ("heir1", "heir2")


def family_of(address: str) -> str:
    """Which table holds what belongs to this address."""
    return "ip6" if ":" in address else "ip"


def name_heirs(family: str, heirs: Mapping[str, tuple[str, ...]], *, retell: bool) -> list[Change]:
    """What must change so that copies go to these, and to no others. `heirs`: {front: up to two addresses on its
    segment}. `retell`: what was told already is to be told anew.
    """
    changes = [nf_tables.empty(Place(FAMILIES[family], TABLE, name)) for name in _HEIRS]
    if retell:
        changes.append(nf_tables.empty(Place(FAMILIES[family], TABLE, "told")))
    for front, addresses in heirs.items():
        for name, address in zip(_HEIRS, addresses, strict=False):
            element = nf_tables.key(_packed(front)) + nf_tables.leads_to(_packed(address))
            changes.append(nf_tables.add(Place(FAMILIES[family], TABLE, name), element))
    return changes


def list_known(family: str, sequence: int) -> bytes:
    """Ask for all connections that this node knows of."""
    return nf_tables.list_elements(Place(FAMILIES[family], TABLE, "known"), sequence)


def known_of(messages: Iterable[Message], front: str) -> bytes:
    """The keys of one front's connections in an answer, one after the other."""
    wanted = _packed(front)
    return b"".join(key for said in messages for key in nf_tables.keys(said) if is_of(key, wanted))


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed
