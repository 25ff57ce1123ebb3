"""Where a TCP connection comes from and where it goes."""

import socket

from lbmesh.model.address import Address


def socket_ends(connection: socket.socket) -> tuple[Address, Address]:
    """The other end of a TCP connection, and our own. Raises OSError when it is none any more."""
    remote, local = connection.getpeername(), connection.getsockname()
    return Address(remote[0], remote[1]), Address(local[0], local[1])
