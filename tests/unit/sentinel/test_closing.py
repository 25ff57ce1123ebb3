"""Listeners that are let go of, on real sockets."""

import errno
import select
import socket

from lbmesh.sentinel.closing import begin_no_more, close_listeners

PATIENCE_MS = 10_000
_SO_LOCK_FILTER = 44
"""<asm-generic/socket.h>: nobody sets a filter after that, whatever his privileges."""


def begin(listener: socket.socket) -> socket.socket:
    """A connection that is asked for."""
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
    return client


def fate_of(client: socket.socket) -> int:
    """How its connect ended: an errno, or 0."""
    poll = select.poll()
    poll.register(client, select.POLLOUT)
    assert poll.poll(PATIENCE_MS)
    return client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def test_who_asks_from_then_on_is_refused_and_never_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begin_no_more(listener)
        client = begin(listener)
    with client:
        assert fate_of(client) == errno.ECONNREFUSED


def test_who_has_connected_is_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, begin(listener) as client:
        assert fate_of(client) == 0
        begin_no_more(listener)
        accepted, _ = listener.accept()
        with accepted:
            client.setblocking(True)
            client.sendall(b"question")
            assert accepted.recv(100) == b"question"
            accepted.sendall(b"answer")
            assert client.recv(100) == b"answer"


def test_a_listener_that_others_have_too_goes_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as kept:
        assert close_listeners([kept.dup()], own=[]) == ""
        with begin(kept) as client:
            assert fate_of(client) == 0


def test_a_listener_that_takes_no_filter_is_closed_all_the_same() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, _SO_LOCK_FILTER, 1)
    assert close_listeners([listener], own=[listener]) == "operation not permitted: give the service CAP_NET_ADMIN"
    assert listener.fileno() == -1
