"""Two connected TCP sockets on loopback."""

import socket


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """The one that connected, and the one that was accepted, which does not block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        there = socket.create_connection(listening.getsockname())
        here, _ = listening.accept()
    here.setblocking(False)
    return there, here
