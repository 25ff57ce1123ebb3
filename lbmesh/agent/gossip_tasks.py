"""Gossip's socket and the plane: what arrives goes in, what the plane says goes out."""

import errno
import socket
from time import monotonic

import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import DATAGRAM_BYTES_MAX, DATAGRAMS_PER_BATCH
from lbmesh.model.address import Address

_OTHER_END = (errno.ECONNREFUSED, errno.EHOSTUNREACH)
"""What the network says of the receiver; any other error is this node's own trouble."""


class GossipTasks:
    """Runs in the nursery until it is cancelled. A silence is judged only after the socket is drained: a datagram that
    has arrived must not count as missing because this process was busy.
    """

    def __init__(self, hub: Hub, udp: socket.socket, nursery: trio.Nursery) -> None:
        self._hub = hub
        self._socket = udp
        udp.setblocking(False)
        hub.on_outbox = self._flush
        hub.before_tick = self._drain
        nursery.start_soon(self._receive)

    async def _receive(self) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            self._drain()

    def _drain(self) -> bool:
        """Take what has arrived, a batch at most: what is left makes the socket readable again at once. True when
        nothing is left.
        """
        for _ in range(DATAGRAMS_PER_BATCH):
            try:
                datagram, (host, port, *_) = self._socket.recvfrom(DATAGRAM_BYTES_MAX)
            except BlockingIOError:
                return True
            except ConnectionError:
                continue
            self._hub.do(self._hub.plane.datagram(Address(host, port), datagram, monotonic()))
        return False

    def _flush(self) -> None:
        """Send what waits. What cannot be sent is lost, as it might have been on the way; gossip repairs that."""
        outbox = self._hub.outbox
        while outbox:
            address, datagram = outbox.popleft()
            try:
                self._socket.sendto(datagram, (address.host, address.port))
            except OSError as error:
                self._hub.figures.datagrams_unsent += 1
                if error.errno not in _OTHER_END:
                    self._hub.plane.send_failed(address, monotonic())
