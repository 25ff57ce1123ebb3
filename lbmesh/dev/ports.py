"""Ports for the world: the friendly ones where they are free, else whichever the kernel gives."""

import errno
import socket
from contextlib import ExitStack
from types import TracebackType

from lbmesh.dev.failure import CannotRunError
from lbmesh.dev.world import Transport


class PortChooser:
    """Finds free ports, and holds them until closed, so that no two answers are alike.

    Between the close and the bind of whom the port is for, somebody else could take it. On addresses such as
    127.0.1.1, which the kernel never chooses by itself, nobody does.
    """

    def __init__(self) -> None:
        self._held = ExitStack()

    def __enter__(self) -> "PortChooser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def choose(self, host: str, wanted: int, transport: Transport) -> int:
        """`wanted` or another port. Raises CannotRunError when this machine does not have the address."""
        kind = socket.SOCK_STREAM if transport is Transport.TCP else socket.SOCK_DGRAM
        try:
            return self._hold(host, wanted, kind)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotRunError(
                    f"{host} cannot be used: {error.strerror}. `lbmesh dev` needs a Linux whose loopback "
                    "interface is up with 127.0.0.1/8: see `ip address show lo`"
                ) from error
        return self._hold(host, 0, kind)

    def _hold(self, host: str, port: int, kind: socket.SocketKind) -> int:
        held = self._held.enter_context(socket.socket(socket.AF_INET, kind))
        if kind == socket.SOCK_STREAM:
            # As the balancers bind: what an earlier mesh left in TIME_WAIT does not matter.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, port))
        if kind == socket.SOCK_STREAM:
            # Two sockets with SO_REUSEADDR may be bound to one port; only one may listen.
            held.listen(1)
        bound: int = held.getsockname()[1]
        return bound
