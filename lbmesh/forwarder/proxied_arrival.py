"""A connection that must begin with a PROXY header: nothing is served on it until one has said whom it is made for.

The header is looked at where it lies in the kernel, and taken out only when it is whole: what comes after it, HTTP or a
TLS handshake, is for the connection that takes over. Where a listener wants no header, nothing of this is met with.

Who sends HTTP instead is told so in HTTP, and served nothing: a person sees what is wrong, and another node that asks
whether this front lives (`sentinel/front_probe.py`), which is none of the proxies and may send no header, that it does.
"""

import socket

from lbmesh.forwarder.client import ClientConnection
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.listener_state import ListenerState
from lbmesh.forwarder.reactor import BROKEN
from lbmesh.forwarder.tls_client import open_client
from lbmesh.http1.message import Refusal
from lbmesh.http1.provenance import peer_address
from lbmesh.http1.proxy_header import ProxyFault, ProxyHeader, read_proxy_header
from lbmesh.model.limits import PROXY_HEADER_BYTES_MAX

STRANGERS_TIME_S = 1.0
"""Who may send no header can only say what it takes this port for; it has so long for that."""

_V1_WORD = b"PROXY"


class ProxiedArrival:
    """An accepted connection whose header has not come yet, or not all of it."""

    __slots__ = (
        "_came_s",
        "_engine",
        "_is_stranger",
        "_listener",
        "_peer_host",
        "_socket",
        "closed",
        "deadline",
        "descriptor",
    )

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
        self._is_stranger = peer_address(peer_host) not in listener.proxies
        time_s = engine.serving.limits.head_timeout_s
        self.deadline = self._came_s + (min(time_s, STRANGERS_TIME_S) if self._is_stranger else time_s)
        engine.reactor.add_stream(self.descriptor, self)
        engine.counters.connections += 1
        engine.wheel.watch(self)

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
        if self._is_stranger:
            self._refuse(data, "this peer is not among those that may send a PROXY header")
            return
        header = read_proxy_header(data)
        if isinstance(header, ProxyFault):
            self._refuse(data, header.detail)
        elif header is not None:
            self._hand_over(header)

    def _hand_over(self, header: ProxyHeader) -> None:
        """The header is whole: the connection goes on as any other, from where the header says."""
        engine, connection = self._engine, self._socket
        taken = connection.recv(header.size)
        assert len(taken) == header.size
        self._let_go()
        client = open_client(engine, connection, self._peer_host, self._listener)
        if header.source is not None and header.destination is not None:
            assert engine.serving is not None
            rules = engine.serving.provenance
            client.peer.stands_for(header.source, header.destination, rules, over_tls=header.over_tls)

    def _let_go(self) -> None:
        """The socket is another connection's from now on."""
        self.closed = True
        self._engine.reactor.remove(self.descriptor)
        self._engine.counters.connections -= 1

    def _refuse(self, data: bytes, detail: str) -> None:
        """What begins with a capital letter, and not as a header does, is taken for HTTP and answered."""
        if not data[:1].isupper() or data.startswith(_V1_WORD):
            self._fault(detail)
            return
        engine = self._engine
        engine.proxy_header_faults.note(self._peer_host, detail)
        self._let_go()
        client = ClientConnection(engine, self._socket, self._peer_host, self._listener)
        client.refuse(Refusal(400, "no_proxy_header", "connections to this port begin with a PROXY header"))

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
