"""TLS between two buffers in memory: bytes of the network on one side, bytes of HTTP on the other, no socket.

So one read of the kernel brings several records, records to be sent go out in one write with what stands around them,
and OpenSSL never has to be asked again with the same bytes. Measured beside SSLSocket, which reads each record twice
(docs/adr/0018).
"""

import ssl
from contextlib import suppress

RECORD_BYTES_MAX = 16 * 1024
"""Plain bytes of one record (RFC 8446, 5.1): one read of OpenSSL gives no more."""


class TlsChannel:
    """One connection's TLS. `ended`: the other side has said that nothing more comes (close_notify). `unsent`: records
    that wait to be taken.

    What raises ssl.SSLError leaves an alert to be taken by `records`.
    """

    __slots__ = ("_incoming", "_read", "_write", "ended", "tls", "unsent")

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self.unsent = ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming, self.unsent, server_side, server_hostname=server_hostname, session=session
        )
        self._read = self.tls.read
        self._write = self.tls.write
        self.ended = False

    def handshake(self, received: bytes) -> bool:
        """Go on with these bytes: True when it is done, False when more must come. Raises ssl.SSLError."""
        if received:
            self._incoming.write(received)
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def decrypt(self, received: bytes) -> bytes:
        """The plain bytes of all records that are whole now, b"" when none is. Raises ssl.SSLError."""
        incoming = self._incoming
        incoming.write(received)
        try:
            data = self._read(RECORD_BYTES_MAX)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            data = b""
        if not data:
            self.ended = True
        elif incoming.pending:
            return self._decrypt_more(data)
        return data

    def _decrypt_more(self, first: bytes) -> bytes:
        pieces = [first]
        while self._incoming.pending:
            try:
                data = self._read(RECORD_BYTES_MAX)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                self.ended = True
                break
            pieces.append(data)
        return b"".join(pieces)

    def encrypt(self, data: bytes) -> bytes:
        """The records for these bytes, and whatever else waits to be sent. Raises ssl.SSLError."""
        written = self._write(data) if data else 0
        if written < len(data):
            rest = memoryview(data)
            while written < len(data):
                written += self._write(rest[written:])
        return self.unsent.read()

    @property
    def has_records(self) -> bool:
        """Has OpenSSL something to send of itself: a part of a handshake, an alert, a ticket?"""
        return bool(self.unsent.pending)

    @property
    def has_received(self) -> bool:
        """Did bytes come behind the end of the handshake?"""
        return bool(self._incoming.pending)

    def records(self) -> bytes:
        """What OpenSSL has to send of itself."""
        return self.unsent.read()

    def farewell(self) -> bytes:
        """The close_notify, behind which nothing may be sent (RFC 8446, 6.1); b"" when there is none to say."""
        # It waits for the other side's, which nobody here does.
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        return self.unsent.read()


class PlainChannel:
    """The channel of a client that spoke plain HTTP where TLS is spoken, so that it can be told so."""

    ended = False
    has_records = False

    def decrypt(self, received: bytes) -> bytes:
        """As they are."""
        return received

    def encrypt(self, data: bytes) -> bytes:
        """As they are."""
        return data

    def records(self) -> bytes:
        """Nothing."""
        return b""

    def farewell(self) -> bytes:
        """Nothing."""
        return b""


PLAIN_CHANNEL = PlainChannel()


class ClosedChannel(PlainChannel):
    """The channel of a connection that has said farewell: what comes is thrown away, and nothing is sent."""

    def encrypt(self, data: bytes) -> bytes:
        """Nothing, for it would go out as it is."""
        del data
        return b""


CLOSED_CHANNEL = ClosedChannel()
