"""Accepting clients from listening sockets that several forwarders share."""

import errno
import socket

import structlog

from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.proxied_arrival import ProxiedArrival
from lbmesh.forwarder.tls_client import open_client
from lbmesh.model.limits import LISTEN_BACKLOG

ACCEPTS_PER_STEP = 4
"""Connections taken from one listener before the others get their turn, and the other forwarders their share."""

_INHERITED_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)
"""Set on the listening socket once: what Linux accepts from it begins with them. A client that has vanished without a
word is noticed in two minutes, in a tunnel, too.
"""

_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_IPV4_MAPPED = "::ffff:"

log = structlog.get_logger(__name__)


class Listener:
    """One listening socket. It is paused while the forwarder is full or behind: clients then wait in the kernel's
    backlog. `accepted`: connections taken so far.
    """

    urgent = False

    __slots__ = ("_closed", "_engine", "_listening", "_number", "_socket", "accepted")

    def __init__(self, engine: Engine, listening: socket.socket, number: int) -> None:
        """`number`: of the listening sockets, from 0."""
        listening.setblocking(False)
        for level, option, value in _INHERITED_OPTIONS:
            listening.setsockopt(level, option, value)
        self._engine = engine
        self._number = number
        self._socket = listening
        self._listening = self._closed = False
        self.accepted = 0

    def open(self) -> None:
        """Listen, if nobody does so yet on this socket: there is something to serve from."""
        if not self._closed and not self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            self._socket.listen(LISTEN_BACKLOG)

    def resume(self) -> None:
        """Accept (again), unless the forwarder is full or behind."""
        if not self._listening and not self._closed and self._has_room() and not self._engine.overload.behind:
            self._listening = True
            self._engine.reactor.add_listener(self._socket.fileno(), self)

    def pause(self) -> None:
        """Accept nothing until `resume`."""
        if self._listening:
            self._listening = False
            self._engine.reactor.remove(self._socket.fileno())

    def close(self) -> None:
        """Stop for good."""
        self.pause()
        self._closed = True
        self._socket.close()

    def tcp_info(self, size: int) -> bytes:
        """The kernel's TCP_INFO of the listening socket."""
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)

    def set_backlog(self, connections: int) -> None:
        """How many connections may wait in the kernel. listen(2) on a listening socket changes just that."""
        self._socket.listen(connections)

    def on_ready(self, events: int) -> None:
        """Take what waits. Level-triggered: what is left over is reported again."""
        del events
        self.take(ACCEPTS_PER_STEP)

    def take(self, connections: int) -> None:
        """Accept up to so many now."""
        for _ in range(connections):
            serving = self._engine.serving
            if self._closed or serving is None or not self._has_room():
                self.pause()
                return
            try:
                connection, peer = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    log.error("no client can be accepted until descriptors are free", error=str(error))
                    self.pause()
                    return
                continue
            self.accepted += 1
            self._engine.counters.accepted += 1
            try:
                connection.setblocking(False)
            except OSError:
                connection.close()
                continue
            listener, peer_host = serving.listener(self._number), peer[0].removeprefix(_IPV4_MAPPED)
            if listener.proxies is None:
                open_client(self._engine, connection, peer_host, listener)
            else:
                ProxiedArrival(self._engine, connection, peer_host, listener)

    def on_crash(self) -> None:
        """A bug in accepting ends the one connection it was about; the listener goes on."""

    def _has_room(self) -> bool:
        serving = self._engine.serving
        return serving is not None and self._engine.counters.connections < serving.limits.connections_max
