"""One interface's packet socket for hellos: says who this node is, hears who the others are."""

import socket

import trio

from lbmesh.drivers.flows.hellos import ETHER_LOCAL, Hello, frame, hello_of
from lbmesh.drivers.flows.limits import NEIGHBOURS_MAX
from lbmesh.drivers.kernel.addresses import Link

_FRAME_BYTES = 2048


class Greeter:
    """`heard`: the last hello of each node, by its name. Raises OSError as a packet socket does."""

    def __init__(self, interface: str, link: Link) -> None:
        self.link = link
        self.heard: dict[str, Hello] = {}
        self._socket = trio.socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._address = (interface, ETHER_LOCAL)

    async def run(self) -> None:
        """Hear, until the link goes or the socket is closed."""
        try:
            await self._socket.bind(self._address)
            while True:
                heard, sender = await self._socket.recvfrom(_FRAME_BYTES)
                hello = None if sender[2] == socket.PACKET_OUTGOING else hello_of(heard)
                if hello is not None and (hello.name in self.heard or len(self.heard) < NEIGHBOURS_MAX):
                    self.heard[hello.name] = hello
        except (OSError, trio.ClosedResourceError):
            self._socket.close()

    @property
    def is_open(self) -> bool:
        """Does it hear?"""
        return self._socket.fileno() >= 0

    async def say(self, hello: Hello) -> None:
        """Tell everybody. Raises OSError, or trio.ClosedResourceError."""
        await self._socket.sendto(frame(hello, self.link.mac), self._address)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
