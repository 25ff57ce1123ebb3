"""What an exchange needs of its client."""

from typing import Protocol

from lbmesh.forwarder.framing import BodyReader
from lbmesh.forwarder.tunnel import ClientEnd, Tunnel
from lbmesh.model.address import Address


class ClientSide(ClientEnd, Protocol):
    """The client's side of an exchange: today a whole HTTP/1 connection; a stream of HTTP/2 would do as well.

    `buffer`: bytes after the head that are read already. `outgoing`: bytes of the response that the client has not
    taken yet. An exchange whose client is gone is abandoned while it writes. `behind_since`: since when
    some of the response waits for the client.
    """

    buffer: bytes
    behind_since: float

    def ends(self) -> tuple[Address, Address] | None:
        """Where the request comes from, and where it came to; None when the client is gone."""

    def unacknowledged(self) -> int:
        """Bytes of the response that the client's kernel has not confirmed."""

    def receive(self) -> bytes | None:
        """More of the request; None when nothing is there, b"" at its end."""

    def acknowledge(self) -> None:
        """Confirm at once what was received: more is expected, and the client may hold it back until then (Nagle)."""

    def next_request(self) -> None:
        """The exchange is over."""

    def discard(self, rest: BodyReader) -> None:
        """The exchange is over; the next one follows behind the rest of this one's body."""

    def become_tunnel(self, tunnel: Tunnel) -> None:
        """The exchange is over; what comes now is the tunnel's."""
