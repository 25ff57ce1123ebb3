"""One front's packet socket on its interface: asks who has the address, tells who has it, hears what others tell."""

import contextlib
import ctypes
import socket
import struct
from collections.abc import Iterator
from typing import Any

import trio

from lbmesh.drivers.kernel.addresses import Link
from lbmesh.drivers.vip import frames
from lbmesh.drivers.vip.frames import Claim, Mark

_SO_ATTACH_FILTER = 26
_FRAME_BYTES = 2048


class Segment:
    """Raises OSError: EPERM without CAP_NET_RAW, ENODEV without the interface."""

    def __init__(self, interface: str, link: Link, address: str) -> None:
        self._address = address
        self.link = link
        # Without a protocol until it is bound: nothing that the filter would drop gets in before.
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        try:
            _attach(opened, frames.packet_filter(address))
            opened.setblocking(False)
            opened.bind((interface, frames.ether_type(address)))
        except OSError:
            opened.close()
            raise
        self._opened = opened
        self._socket = trio.socket.from_stdlib_socket(opened)

    def close(self) -> None:
        """Close the socket, which waits for some milliseconds until no processor has it in hand."""
        self._socket.close()

    async def probe(self) -> None:
        """Ask who has the address."""
        await self._socket.send(frames.probe(self._address, self.link.mac))

    async def announce(self, mark: Mark) -> None:
        """Tell everybody that it is here."""
        await self._socket.send(frames.announcement(self._address, self.link.mac, mark))

    def forget(self) -> None:
        """Take away what was said and not heard yet."""
        with contextlib.suppress(OSError):
            while self._opened.recv(_FRAME_BYTES):
                pass

    async def hear(self) -> Claim:
        """Wait until somebody else says who has the address. Raises OSError when the link goes."""
        while True:
            if claim := self._claim(*await self._socket.recvfrom(_FRAME_BYTES)):
                return claim

    def unheard(self) -> Iterator[Claim]:
        """What has come and was not heard yet."""
        with contextlib.suppress(OSError):
            while True:
                if claim := self._claim(*self._opened.recvfrom(_FRAME_BYTES)):
                    yield claim

    def _claim(self, frame: bytes, sender: Any) -> Claim | None:
        """Of another machine."""
        claim = None if sender[2] == socket.PACKET_OUTGOING else frames.claim_of(frame, self._address)
        return claim if claim is not None and claim.mac != self.link.mac else None


def _attach(opened: socket.socket, program: list[tuple[int, int, int, int]]) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in program))
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))
