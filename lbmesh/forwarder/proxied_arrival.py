"""A connection that must begin with a PROXY header: nothing is served on it until one has said whom it is made for.

The header is looked at where it lies in the kernel, and taken out only when it is whole: what comes after it, HTTP or a
TLS handshake, is for the connection that takes over. Where a listener wants no header, nothing of this is met with.
"""

import socket

from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.listener_state import ListenerState
from lbmesh.forwarder.reactor import BROKEN
from lbmesh.forwarder.tls_client import open_client
from lbmesh.http1.provenance import peer_address
from lbmesh.http1.proxy_header import ProxyFault, ProxyHeader, read_proxy_header
from lbmesh.model.limits import PROXY_HEADER_BYTES_MAX


class ProxiedArrival:
    """An accepted connection whose header has not come yet, or not all of it."""

    __slots__ = ("_came_s", "_engine", "_listener", "_peer_host", "_socket", "closed", "deadline", "descriptor")

    urgent = False

    def __init__(self, engine: Engine, connection: socket.socket, peer_host: str, listener: ListenerState) -> None:
        assert engine.serving is not None
        assert listener.proxies is not None
        self._engine = engine
        self._socket = connection
        self._peer_host = peer_host
        self._listener = listener
        self.descriptor = connection.fileno()
        self.closed = False
        self._came_s = engine.reactor.now
        self.deadline = self._came_s + engine.serving.limits.head_timeout_s
        engine.reactor.add_stream(self.descriptor, self)
        engine.counters.connections += 1
        engine.wheel.watch(self)
        if peer_address(peer_host) not in listener.proxies:
            self._fault("this peer is not among those that may send a PROXY header")

    def on_ready(self, events: int) -> None:
        """Step: look at all that has come so far."""
        if self.closed:
            return
        if events & BROKEN:
            self.close()
            return
        try:
            data = self._socket.recv(PROXY_HEADER_BYTES_MAX, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self.close()
            return
        header = read_proxy_header(data)
        if isinstance(header, ProxyFault):
            self._fault(header.detail)
        elif header is not None:
            self._hand_over(header)

    def _hand_over(self, header: ProxyHeader) -> None:
        """The header is whole: the connection goes on as any other, from where the header says."""
        engine, connection = self._engine, self._socket
        taken = connection.recv(header.size)
        assert len(taken) == header.size
        self.closed = True
        engine.reactor.remove(self.descriptor)
        engine.counters.connections -= 1
        client = open_client(engine, connection, self._peer_host, self._listener)
        if header.source is not None and header.destination is not None:
            assert engine.serving is not None
            rules = engine.serving.provenance
            client.peer.stands_for(header.source, header.destination, rules, over_tls=header.over_tls)

    def on_deadline(self) -> None:
        """The header was to come as soon as a request's head."""
        self._fault("no whole PROXY header came in time")

    def _fault(self, detail: str) -> None:
        self._engine.proxy_header_faults.note(self._peer_host, detail)
        self.close()

    def waiting_since(self) -> float:
        """As long as it is here it waits."""
        return self._came_s

    def shed(self) -> None:
        """Make room for others: the forwarder is full."""
        self.close()

    def close_when_idle(self) -> None:
        """Draining: nothing is under way here."""
        self.close()

    def cut_off(self) -> None:
        """The drain's time is up."""
        self.close()

    def on_crash(self) -> None:
        """A bug of ours ends it."""
        self.close()

    def close(self) -> None:
        """Close for good; may be called again."""
        if not self.closed:
            self.closed = True
            self._engine.counters.connections -= 1
            self._engine.reactor.close(self.descriptor, self._socket)
