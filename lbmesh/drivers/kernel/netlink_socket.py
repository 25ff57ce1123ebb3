"""A netlink socket. Light, as the sentinel has one, too."""

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from lbmesh.drivers.kernel.netlink import Message, Status, answers

NETFILTER = 12
_DATAGRAM_BYTES = 64 * 1024
_ANSWER_S = 0.5
"""The kernel answers before `send` returns; this only ends a wait for what a later kernel may leave out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request. `errno`: 0 for success."""

    errno: int
    messages: tuple[Message, ...] = ()


class Netlink:
    """One socket, opened when it is first needed. `protocol`: socket.NETLINK_ROUTE or NETFILTER."""

    def __init__(self, protocol: int) -> None:
        self._protocol = protocol
        self._socket: socket.socket | None = None
        self._sequence = 0

    def open(self) -> int:
        """Have a socket; an errno, 0 for success."""
        if self._socket is not None:
            return 0
        try:
            opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, self._protocol)
        except OSError as error:
            return error.errno or errno.EPERM
        opened.settimeout(_ANSWER_S)
        self._socket = opened
        return 0

    def next_sequence(self) -> int:
        """For the request that comes now."""
        self._sequence = self._sequence % 0xFFFF_FFFF + 1
        return self._sequence

    def ask(self, request: bytes) -> Answer:
        """Send it and take all that is answered, up to its first fault or its end."""
        if failed := self.open():
            return Answer(failed)
        assert self._socket is not None
        messages: list[Message] = []
        try:
            self._socket.sendto(request, (0, 0))
            while True:
                for one in answers(self._socket.recv(_DATAGRAM_BYTES), self._sequence):
                    if isinstance(one, Status):
                        return Answer(one.errno, tuple(messages))
                    messages.append(one)
        except OSError as error:
            return Answer(error.errno or errno.ETIMEDOUT)

    def listen(self, request: bytes) -> Iterator[tuple[Message, ...]]:
        """Send it and give what is answered datagram by datagram, up to its first fault or its end."""
        if self.open():
            return
        assert self._socket is not None
        try:
            self._socket.sendto(request, (0, 0))
            while True:
                said = tuple(answers(self._socket.recv(_DATAGRAM_BYTES), self._sequence))
                yield tuple(one for one in said if isinstance(one, Message))
                if any(isinstance(one, Status) for one in said):
                    return
        except OSError:
            return

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
