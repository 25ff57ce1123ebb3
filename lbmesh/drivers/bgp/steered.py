"""Which protocols of BIRD this node turns on and off, written down beside the rules that silence BGP. Pure.

What BIRD was told outlives a node that dies, and ends with the machine; so does what the kernel was. By that the next
run knows what may be on still that nobody looks after, as its front is not in the settings any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lbmesh.drivers.kernel import nf_tables
from lbmesh.drivers.kernel.lease_places import BGP_TABLE
from lbmesh.drivers.kernel.nf_tables import INET, Change, Place
from lbmesh.model.front import BgpDriver, Front

PLACE = Place(INET, BGP_TABLE, "steered")
"""A set of numbers, each with a comment: a protocol's name, which has no space in it, and BIRD's socket."""


@dataclass(frozen=True, slots=True, order=True)
class Steered:
    """One protocol, of the BIRD behind this socket."""

    socket: Path
    protocol: str

    def __str__(self) -> str:
        return f"{self.protocol} at {self.socket}"


def steered_of(fronts: Iterable[Front]) -> frozenset[Steered]:
    """All that belong to these fronts."""
    drivers = [front.driver for front in fronts if isinstance(front.driver, BgpDriver)]
    return frozenset(Steered(one.socket, protocol) for one in drivers for protocol in one.protocols)


def write_down(steered: Iterable[Steered]) -> list[Change]:
    """What makes the set hold these, and no others."""
    changes = [nf_tables.empty(PLACE)]
    for number, one in enumerate(sorted(steered)):
        words = nf_tables.commented(f"{one.protocol} {one.socket}")
        changes.append(nf_tables.add(PLACE, nf_tables.key(number.to_bytes(4, "big")) + words))
    return changes


def read_back(comments: Iterable[str]) -> frozenset[Steered]:
    """What the comments of the set's elements say; what is of another make is passed over."""
    pairs = (comment.partition(" ") for comment in comments)
    return frozenset(Steered(Path(socket), protocol) for protocol, _, socket in pairs if protocol and socket)
