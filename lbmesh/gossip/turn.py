"""What one step of the core calls for."""

from dataclasses import dataclass, field

from lbmesh.gossip.members import MemberChange
from lbmesh.gossip.notices import Notice
from lbmesh.model.address import Address


@dataclass(frozen=True, slots=True)
class Output:
    """What one step calls for. `rows_changed`: (owner, key). `notices`: warnings for an operator.
    `keys_to_store`: what the key file is to hold, the primary key first; to be answered with `keys_stored`.
    `rejected`: why a datagram changed nothing.
    """

    datagrams: tuple[tuple[Address, bytes], ...] = ()
    member_changes: tuple[MemberChange, ...] = ()
    rows_changed: tuple[tuple[str, str], ...] = ()
    notices: tuple[Notice, ...] = ()
    keys_to_store: tuple[bytes, ...] | None = field(default=None, repr=False)
    rejected: str | None = None


@dataclass(slots=True)
class Turn:
    """One step's output while it is being made."""

    datagrams: list[tuple[Address, bytes]] = field(default_factory=list)
    changes: list[MemberChange] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    keys_to_store: tuple[bytes, ...] | None = None

    def output(self, rejected: str | None = None) -> Output:
        """The finished output."""
        return Output(
            tuple(self.datagrams),
            tuple(self.changes),
            tuple(self.rows),
            tuple(self.notices),
            self.keys_to_store,
            rejected,
        )
