"""Leases as elements of sets that time out. Pure, and light, as the sentinel has them, too.

Before Linux 6.12 an element's timeout could not be changed, so it is deleted and added anew, in one transaction: no
packet ever sees it missing. What the kernel let lapse cannot be deleted, so it is not renewed either, however late the
process that tries it thaws. Its comment is the claim's epoch.
"""

from collections.abc import Iterable, Iterator

from lbmesh.drivers.kernel import nf_tables
from lbmesh.drivers.kernel.lease_places import keys_of
from lbmesh.drivers.kernel.netlink import Message
from lbmesh.drivers.kernel.nf_tables import Change

_EPOCH = "epoch "


def begin(lease: str, epoch: int, timeout_s: float, sequence: int) -> bytes:
    """One transaction after which the lease has so long a time, whether it was there before or not."""
    return nf_tables.transaction(sequence, (*_ended(lease), *_begun(lease, epoch, timeout_s)))


def renew(leases: Iterable[tuple[str, int]], timeout_s: float, sequence: int) -> bytes:
    """One transaction that gives each of these so long a time; none, and ENOENT, when one of them is not there any
    more. `leases`: (lease, epoch), not none.
    """
    changes = [change for lease, epoch in leases for change in (*_gone(lease), *_begun(lease, epoch, timeout_s))]
    return nf_tables.transaction(sequence, changes)


def end(lease: str, sequence: int) -> bytes:
    """One transaction after which there is no such lease; ENOENT when there is no place for one."""
    return nf_tables.transaction(sequence, _ended(lease))


def ask(lease: str, sequence: int) -> bytes:
    """Ask for one lease; ENOENT when there is none, or none any more."""
    place, key = keys_of(lease)[-1]
    return nf_tables.ask(place, nf_tables.key(key), sequence)


def epoch_of(said: Message) -> int | None:
    """The epoch of the lease in an answer; None for a message without one."""
    text = "".join(map(nf_tables.comment_of, nf_tables.elements(said)))
    number = text.removeprefix(_EPOCH)
    return int(number) if text.startswith(_EPOCH) and number.isdecimal() else None


def _begun(lease: str, epoch: int, timeout_s: float) -> Iterator[Change]:
    for place, value in keys_of(lease):
        yield nf_tables.add(place, nf_tables.key(value) + nf_tables.lasting(timeout_s, f"{_EPOCH}{epoch}"))


def _gone(lease: str) -> Iterator[Change]:
    for place, value in keys_of(lease):
        yield nf_tables.delete(place, nf_tables.key(value))


def _ended(lease: str) -> Iterator[Change]:
    # An element can be deleted only where it is, and adding it does nothing where it is.
    yield from _begun(lease, 0, 0.0)
    yield from _gone(lease)
