"""What one step of the core calls for."""

from dataclasses import dataclass, field

from lbmesh.gossip.members import MemberChange
from lbmesh.gossip.notices import Notice
from lbmesh.model.address import Address


@dataclass(frozen=True, slots=True)
class Output:
    """What one step calls for. `rows_changed`: (owner, key). `notices`: warnings for an operator. `streams`: addresses
    to open a stream to. `units`: what to send back on the stream that the step was about, and `stream_over`: it is to
    be closed. `keys_to_store`: what the key file is to hold, the primary key first; to be answered with `keys_stored`.
    `rejected`: why a datagram changed nothing.
    """

    datagrams: tuple[tuple[Address, bytes], ...] = ()
    member_changes: tuple[MemberChange, ...] = ()
    rows_changed: tuple[tuple[str, str], ...] = ()
    notices: tuple[Notice, ...] = ()
    streams: tuple[Address, ...] = ()
    units: tuple[bytes, ...] = ()
    stream_over: bool = False
    keys_to_store: tuple[bytes, ...] | None = field(default=None, repr=False)
    rejected: str | None = None


@dataclass(slots=True)
class Turn:
    """One step's output while it is being made. `stream`: where the stream leads that the step is about."""

    datagrams: list[tuple[Address, bytes]] = field(default_factory=list)
    changes: list[MemberChange] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    stream: Address | None = None
    streams: list[Address] = field(default_factory=list)
    units: list[bytes] = field(default_factory=list)
    stream_over: bool = False
    keys_to_store: tuple[bytes, ...] | None = None

    def output(self, rejected: str | None = None) -> Output:
        """The finished output."""
        return Output(
            tuple(self.datagrams),
            tuple(self.changes),
            tuple(self.rows),
            tuple(self.notices),
            tuple(self.streams),
            tuple(self.units),
            self.stream_over,
            self.keys_to_store,
            rejected,
        )
