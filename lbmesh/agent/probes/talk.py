"""One connection to a replica, plain or over TLS, that counts what it receives.

A new one for each probe, because that is what a client's request may need too. The sockets are trio's own: an httpx
client over them costs three times as much (docs/adr/0011).
"""

import socket
import ssl

import trio

from lbmesh.agent.limits import PROBE_READ_BYTES
from lbmesh.http1.proxy_header import write_own_proxy_header
from lbmesh.model.address import Address
from lbmesh.model.provenance import ProxyVersion

CUT_SHORT = "connection closed before a whole answer"
"""By FIN or RST: which of them it is depends on what the replica had read, and means the same."""


class Talk:
    """`lacks`: what has not come yet, for the reason of a probe whose time is up. `received`: bytes so far.

    `steps`: shared by all talks, so that in each pass of the loop one of them at most goes on with what it received.
    `proxy_protocol`: the header that comes before all else, TLS included.
    All methods raise OSError, trio.BrokenResourceError and what TLS raises below it. `close` must be called.
    """

    __slots__ = (
        "_address",
        "_context",
        "_proxy_protocol",
        "_server_name",
        "_socket",
        "_steps",
        "_stream",
        "lacks",
        "received",
    )

    def __init__(
        self,
        address: Address,
        context: ssl.SSLContext | None,
        server_name: str,
        steps: trio.Lock,
        proxy_protocol: ProxyVersion | None = None,
    ) -> None:
        self.lacks = "no connection"
        self.received = 0
        self._address = address
        self._context = context
        self._server_name = server_name
        self._proxy_protocol = proxy_protocol
        self._steps = steps
        self._socket: trio.socket.SocketType | None = None
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] | None = None

    async def open(self) -> None:
        """Connect, and shake hands if it is to be TLS."""
        host, port = self._address.host, self._address.port
        self._socket = trio.socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        await self._socket.connect((host, port))
        stream = trio.SocketStream(self._socket)
        if self._proxy_protocol is not None:
            own = self._socket.getsockname()
            await stream.send_all(write_own_proxy_header(self._proxy_protocol, Address(own[0], own[1]), self._address))
        if self._context is None:
            self._stream = stream
        else:
            self.lacks = "TLS: no end of the handshake"
            self._stream = trio.SSLStream(
                stream, self._context, server_hostname=self._server_name, https_compatible=True
            )
            await self._stream.do_handshake()
        self.lacks = "no answer"

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        assert self._stream is not None
        await self._stream.send_all(data)

    async def receive(self) -> bytes:
        """Some bytes, at most PROBE_READ_BYTES; b"" at the end."""
        assert self._stream is not None
        data = bytes(await self._stream.receive_some(PROBE_READ_BYTES))
        # trio runs all that is ready before it looks at the sockets again, so 128 probes would parse in a row. Who gets
        # this lock goes on in the next pass, and hands it to one who goes on in the pass after that.
        async with self._steps:
            pass
        self.received += len(data)
        self.lacks = "no whole answer"
        return data

    @property
    def protocol(self) -> str | None:
        """What the two sides chose by ALPN (RFC 7301)."""
        return self._stream.selected_alpn_protocol() if isinstance(self._stream, trio.SSLStream) else None

    @property
    def certificate(self) -> bytes | None:
        """The replica's certificate, in DER."""
        found: bytes | None = None
        if isinstance(self._stream, trio.SSLStream):
            found = self._stream.getpeercert(binary_form=True)
        return found

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        if self._socket is not None:
            self._socket.close()
