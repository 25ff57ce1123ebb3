"""DNS over UDP: each datagram that comes is answered at once, from the address that it was sent to."""

import socket
import struct
from time import monotonic

import trio

from lbmesh.dns.responder import Responder
from lbmesh.model.address import is_unspecified
from lbmesh.nameserver.limits import DATAGRAM_BYTES_MAX, DATAGRAMS_PER_BATCH

IP_PKTINFO = 8
"""ip(7); the socket module has it from Python 3.14 on."""

_IN_PKTINFO = struct.Struct("=I4s4s")
_IN6_PKTINFO = struct.Struct("=16sI")
_ANCILLARY_BYTES = socket.CMSG_SPACE(max(_IN_PKTINFO.size, _IN6_PKTINFO.size))

_Ancillary = list[tuple[int, int, bytes]]


class UdpServer:
    """One socket. Bound to a wildcard it must be told where a datagram went to, or answers would leave from the address
    that the way back begins with, and clients drop what comes from another one than they asked.
    """

    def __init__(self, udp: socket.socket, responder: Responder) -> None:
        self._socket = udp
        self._responder = responder
        self.unsent = 0
        udp.setblocking(False)
        self._is_wildcard = is_unspecified(udp.getsockname()[0])
        if self._is_wildcard and udp.family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif self._is_wildcard:
            udp.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)

    async def run(self) -> None:
        """Serve until cancelled."""
        drain = self._drain_wildcard if self._is_wildcard else self._drain
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            drain()

    def _drain(self) -> None:
        """Answer what has come, a batch at most: what is left makes the socket readable again at once."""
        receive, send, respond = self._socket.recvfrom, self._socket.sendto, self._responder.respond
        now = monotonic()
        for _ in range(DATAGRAMS_PER_BATCH):
            try:
                message, source = receive(DATAGRAM_BYTES_MAX)
                if source[1] and (answer := respond(message, source[0], now, is_udp=True)):
                    send(answer, source)
            except BlockingIOError:
                return
            except OSError:
                # What cannot be sent is lost, as it might have been on the way: the client asks again.
                self.unsent += 1

    def _drain_wildcard(self) -> None:
        receive, send, respond = self._socket.recvmsg, self._socket.sendmsg, self._responder.respond
        now = monotonic()
        for _ in range(DATAGRAMS_PER_BATCH):
            try:
                message, ancillary, _, source = receive(DATAGRAM_BYTES_MAX, _ANCILLARY_BYTES)
                if source[1] and (answer := respond(message, source[0], now, is_udp=True)):
                    send((answer,), _from_there(ancillary), 0, source)
            except BlockingIOError:
                return
            except OSError:
                self.unsent += 1


def _from_there(ancillary: _Ancillary) -> _Ancillary:
    """What makes an answer leave from the address that the query went to. The interface is left open: the routing table
    may know another way back.
    """
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            _, here, _ = _IN_PKTINFO.unpack_from(data)
            return [(level, kind, _IN_PKTINFO.pack(0, here, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            there, interface = _IN6_PKTINFO.unpack_from(data)
            # A link-local address means nothing without its link.
            is_link_local = there[0] == 0xFE and there[1] & 0xC0 == 0x80
            return [(level, kind, _IN6_PKTINFO.pack(there, interface if is_link_local else 0))]
    return []
