"""One client's connection: reads requests one after the other, hands each to its exchange, writes the answers."""

import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any, Protocol

from lbmesh.forward.failure import CLIENT_CLOSED, DRAINED, INTERNAL, Failure
from lbmesh.forwarder.acknowledgement import acknowledge
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.exchange import Exchange
from lbmesh.forwarder.framing import BodyReader
from lbmesh.forwarder.listener_state import ListenerState
from lbmesh.forwarder.peer import Peer
from lbmesh.forwarder.reactor import BROKEN, HUNG_UP, WRITE
from lbmesh.forwarder.refusal import (
    BARE_LF,
    CONNECT_NOT_TAKEN,
    HEAD_TIMEOUT,
    SHED,
    TLS_ON_PLAIN_PORT,
    answer_refused,
    answer_turned_away,
    count_unserved,
    too_large,
)
from lbmesh.forwarder.route_state import RouteState
from lbmesh.forwarder.serving import Serving
from lbmesh.forwarder.timers import NEVER, PERIOD_S
from lbmesh.forwarder.tunnel import RESET_ON_CLOSE, Tunnel
from lbmesh.http1 import fast_lane, h11_lane
from lbmesh.http1.message import Refusal, RequestHead
from lbmesh.http1.response_rewrite import VIA, VIA_1_0
from lbmesh.model.address import Address
from lbmesh.model.limits import DISCARD_BYTES_MAX, HEAD_BYTES_MAX, READ_BYTES

LINGER_S = 2.0
"""How long a connection is still read from after its last answer went out."""

LINGER_BYTES_MAX = 1024 * 1024

parse_request = fast_lane.parse_request
State = Callable[[Any], None]
"""A method of the connection, or of what is derived from it."""


class Conversation(Protocol):
    """What the connection is busy with: an exchange, or the tunnel that came of one."""

    @property
    def active(self) -> bool: ...

    def client_progress(self) -> None:
        """The client took some of what had waited."""

    def on_deadline(self) -> None:
        """It took too long."""

    def abandon(self, failure: Failure) -> None:
        """Let go of everything; does nothing when it is over."""


class ClientConnection:
    """A state machine, one method a state: reading a head, in an exchange, discarding, in a tunnel, finishing,
    lingering.

    `conversation`: its exchange, until that becomes a tunnel. `peer`: who is at the other end.
    """

    __slots__ = (
        "_discarded",
        "_head_began",
        "_recv",
        "_remainder",
        "_remembered",
        "_remembered_meaning",
        "_send",
        "_socket",
        "_state",
        "_waits_s",
        "behind_since",
        "buffer",
        "closed",
        "conversation",
        "deadline",
        "descriptor",
        "engine",
        "exchange",
        "hung_up",
        "outgoing",
        "peer",
        "readable",
    )

    def __init__(self, engine: Engine, connection: socket.socket, peer_host: str, listener: ListenerState) -> None:
        self.engine = engine
        self.descriptor = connection.fileno()
        self.buffer = b""
        """Bytes read and not yet understood."""
        self.outgoing = b""
        """Bytes the kernel did not take yet."""
        self.behind_since = 0.0
        self.readable = False
        self.hung_up = False
        self.closed = False
        assert engine.serving is not None
        self.peer = Peer(peer_host, listener.scheme, engine.serving.provenance)
        self.exchange = Exchange(engine, self)
        self.conversation: Conversation = self.exchange
        self._remainder: BodyReader | None = None
        self._remembered = b""
        self._remembered_meaning: tuple[Serving, RequestHead, RouteState | None, bytes] | None = None
        self._socket = connection
        self._recv = connection.recv
        self._send = connection.send
        self._state: State = ClientConnection._reading_head
        self._head_began = False
        self._discarded = 0
        self._waits_s = engine.serving.limits.head_timeout_s
        self.deadline = engine.reactor.now + self._waits_s
        engine.reactor.add_stream(self.descriptor, self)
        engine.counters.connections += 1
        engine.wheel.watch(self)

    @property
    def urgent(self) -> bool:
        """Is a request under way, or a tunnel open?"""
        return self.conversation.active

    def on_ready(self, events: int) -> None:
        """Step: first what waits to be written, then the state."""
        if events & ~WRITE:
            self.readable = True
            if events & HUNG_UP:
                self.hung_up = True
                if events & BROKEN:
                    self._gone()
                    return
        if self.outgoing:
            self._flush()
        if not self.closed:
            self._state(self)

    def on_crash(self) -> None:
        """End the connection and its exchange; what was sent of an answer must not look whole."""
        try:
            self.conversation.abandon(INTERNAL)
        finally:
            self.reset()

    def on_deadline(self) -> None:
        """The phase the connection is in has lasted too long."""
        if self.conversation.active:
            self.deadline = NEVER
            self.conversation.on_deadline()
        elif self._head_began:
            self.refuse(HEAD_TIMEOUT)
        elif self.outgoing:
            self.reset()
        else:
            self.close()

    def expect_within(self, seconds: float) -> None:
        """What comes next must come within this time."""
        self.deadline = self.engine.reactor.now + seconds
        if seconds < PERIOD_S:
            self.engine.wheel.look(self, seconds)

    def ends(self) -> tuple[Address, Address] | None:
        """Where the request comes from and where it came to; None when the client is gone."""
        return self.peer.ends(self._socket)

    # Reading a head

    def _reading_head(self) -> None:
        if not self.readable or self.outgoing:
            return
        if self.engine.overload.behind and self._turned_away():
            return
        data = self.receive()
        if data is None:
            return
        if not data:
            self.close()
            return
        if self.buffer:
            self._longer_head(data)
        else:
            self._parse(data)

    def _turned_away(self) -> bool:
        """This process is behind: a client that has left meanwhile is served no more, and of the others not all."""
        engine = self.engine
        if self.hung_up:
            count_unserved(engine, CLIENT_CLOSED)
            self.close()
            return True
        if not engine.overload.refuses() or self.receive() is None:
            return False
        self.write(answer_turned_away(engine))
        self.close()
        return True

    def _parse(self, data: bytes) -> None:
        """`data` starts with a request head, or with a part of one."""
        if data == self._remembered:
            assert self._remembered_meaning is not None
            serving, known_head, route, request = self._remembered_meaning
            if serving is self.engine.serving:
                self.buffer = b""
                self._state = ClientConnection._in_exchange
                self.exchange.begin(known_head, route, request)
                return
        head = parse_request(data)
        if head is None:
            self._parse_carefully(data)
        else:
            self._begin(head, data)

    def _longer_head(self, data: bytes) -> None:
        """More of a head that came in pieces: parsed once it is complete."""
        searched = max(0, len(self.buffer) - 3)
        data = self.buffer + data
        if data.find(b"\r\n\r\n", searched) >= 0:
            self._parse(data)
        else:
            self._incomplete(data)

    def _parse_carefully(self, data: bytes) -> None:
        """Not plainly valid: incomplete, unusual or wrong."""
        if data[:2] == _TLS_HANDSHAKE:
            self.refuse(TLS_ON_PLAIN_PORT)
            return
        data = _without_empty_lines(data)
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._incomplete(data)
            return
        head = h11_lane.parse_request(data[: end + 4]) if end + 4 <= HEAD_BYTES_MAX else too_large(data)
        if isinstance(head, Refusal):
            self.refuse(head, to_head=data.startswith(b"HEAD "))
        elif head.method == b"CONNECT" and not self._takes_connect(head):
            self.refuse(CONNECT_NOT_TAKEN)
        else:
            self._begin(head, data)

    def _takes_connect(self, head: RequestHead) -> bool:
        serving = self.engine.serving
        assert serving is not None
        route = serving.match(head.host, head.target)
        return route is not None and route.takes_connect

    def _incomplete(self, data: bytes) -> None:
        self.buffer = data
        if len(data) > HEAD_BYTES_MAX:
            self.refuse(too_large(data))
        elif b"\n\n" in data or data.count(b"\n") != data.count(b"\r\n"):
            self.refuse(BARE_LF)
        elif data and not self._head_began:
            self._head_began = True
            serving = self.engine.serving
            assert serving is not None
            self._waits_s = serving.limits.head_timeout_s
            self.expect_within(self._waits_s)
        if self.readable and not self.closed:
            self.engine.reactor.again(self)

    def _begin(self, head: RequestHead, data: bytes) -> None:
        """A whole head is there: find its route and start the exchange."""
        self._state = ClientConnection._in_exchange
        serving = self.engine.serving
        assert serving is not None
        route = serving.match(head.host, head.target, head)
        peer = self.peer
        if serving.provenance is peer.plain_rules:
            introduction = peer.forwarded + head.host + b"\r\n"
        else:
            head, introduction = peer.introduce(serving.provenance, head, data)
        if not head.minor_version:
            introduction = introduction.replace(VIA, VIA_1_0, 1)
        request = head.head + introduction
        if head.head_bytes == len(data):
            self.buffer = b""
            if head.body_length == 0 and head.request_id is None and len(data) <= peer.remembered_bytes_max:
                self._remembered = data
                self._remembered_meaning = serving, head, route, request
        else:
            self.buffer = data[head.head_bytes :]
        self.exchange.begin(head, route, request)

    def _forget(self) -> None:
        """Let go of the remembered head, and of the View it was routed by."""
        self._remembered = b""
        self._remembered_meaning = None

    def next_request(self) -> None:
        """The exchange is over and the connection stays: go on with what is already there."""
        self._state = ClientConnection._reading_head
        self._expect_taking()
        self._head_began = False
        if self.buffer:
            self._state = ClientConnection._reading_buffered
            self.engine.reactor.again(self)
        elif self.readable:
            self.engine.reactor.again(self)

    def _reading_buffered(self) -> None:
        """A pipelined request (RFC 9112 §9.3.2) stands in the buffer; answers before it must be out first."""
        if self.outgoing:
            return
        self._state = ClientConnection._reading_head
        data, self.buffer = self.buffer, b""
        if data.find(b"\r\n\r\n") >= 0:
            self._parse(data)
        else:
            self._incomplete(_without_empty_lines(data))

    # In an exchange

    def _in_exchange(self) -> None:
        if self.exchange.waiting:
            if self.hung_up:
                self._gone()
        elif not self.exchange.request_read:
            self.exchange.pump_request()
        elif self.hung_up:
            self.exchange.client_left()

    def discard(self, rest: BodyReader) -> None:
        """The answer is out ahead of the end of its request: read what is left of that, then go on."""
        self._remainder = rest
        self._discarded = 0
        self._state = ClientConnection._discarding
        self._expect_taking()
        self._discarding()

    def _discarding(self) -> None:
        """The rest of a request that is answered."""
        rest = self._remainder
        assert rest is not None
        while not rest.done:
            if self.buffer:
                data, self.buffer = self.buffer, b""
            elif not self.readable:
                return
            else:
                received = self.receive()
                if received is None:
                    return
                data = received
            self._discarded += len(data)
            rest.take(data)
            if not data or rest.fault or self._discarded > DISCARD_BYTES_MAX + READ_BYTES:
                self.finish_and_close()
                return
        self._remainder = None
        self.buffer = rest.rest
        self.next_request()

    def become_tunnel(self, tunnel: Tunnel) -> None:
        """The exchange switched protocols: no other request will follow."""
        self._forget()
        self.conversation = tunnel
        self._state = ClientConnection._tunnelling

    def _tunnelling(self) -> None:
        assert isinstance(self.conversation, Tunnel)
        self.conversation.step()

    def receive_or_raise(self) -> bytes | None:
        """See `TunnelEnd`."""
        try:
            data = self._recv(READ_BYTES)
        except BlockingIOError:
            self.readable = False
            return None
        if len(data) < READ_BYTES and not self.hung_up:
            self.readable = False
        return data

    def end_output(self) -> None:
        """See `TunnelEnd`; what went wrong shows when this connection is read from."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def receive(self) -> bytes | None:
        """One read: None when nothing is there, b"" at the end of the stream or when it broke."""
        try:
            data = self._recv(READ_BYTES)
        except BlockingIOError:
            self.readable = False
            return None
        except OSError:
            self.hung_up = True
            return b""
        if len(data) < READ_BYTES and not self.hung_up:
            self.readable = False
        return data

    def write(self, data: bytes) -> None:
        """Send, or keep what the kernel does not take."""
        if self.outgoing:
            self.outgoing += data
            return
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._gone()
            return
        if sent < len(data):
            self.outgoing = data[sent:]
            self.behind_since = self.engine.reactor.now

    def unacknowledged(self) -> int:
        """Bytes that the client's kernel has not confirmed: those kept here and those in our kernel."""
        in_kernel = int.from_bytes(ioctl(self.descriptor, TIOCOUTQ, bytes(4)), sys.byteorder)
        return len(self.outgoing) + in_kernel

    def acknowledge(self) -> None:
        """See `ClientSide`."""
        acknowledge(self._socket)

    def _flush(self) -> None:
        try:
            sent = self._send(self.outgoing)
        except BlockingIOError:
            return
        except OSError:
            self._gone()
            return
        self.outgoing = self.outgoing[sent:]
        if self.conversation.active:
            self.conversation.client_progress()
        elif not self.outgoing:
            self._expect_taking()

    # Ending

    def refuse(self, refusal: Refusal, *, to_head: bool = False) -> None:
        """Answer a head that is not forwarded, log it, close. `to_head`: the answer is one to HEAD, without a body."""
        self.write(answer_refused(self.engine, self.peer.own_log_fragment, refusal, to_head=to_head))
        self.finish_and_close()

    def finish_and_close(self) -> None:
        """No further request: write what is left, then linger, then close."""
        if self.closed:
            return
        self.buffer = b""
        self._forget()
        self._head_began = False
        self._state = ClientConnection._finishing
        self._expect_taking()
        self._finishing()

    def _finishing(self) -> None:
        """The last answer is on its way out."""
        if self.outgoing:
            return
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._state = ClientConnection._lingering
        self.expect_within(LINGER_S)
        self._lingering()

    def _lingering(self) -> None:
        """Read to the end, so that the answer is not lost in a reset (RFC 9112 §9.6)."""
        while self.readable:
            data = self.receive()
            if data is None:
                return
            self._discarded += len(data)
            if not data or self._discarded > LINGER_BYTES_MAX:
                self.close()
                return

    def _expect_taking(self) -> None:
        """What waits of an answer must be taken, and then the next request must come, in this time."""
        serving = self.engine.serving
        assert serving is not None
        limits = serving.limits
        self._waits_s = limits.keepalive_timeout_s
        if self.outgoing and limits.body_rate_min:
            self._waits_s += len(self.outgoing) / limits.body_rate_min
        self.deadline = self.engine.reactor.now + self._waits_s

    def waiting_since(self) -> float | None:
        """Since when the connection waits for a request head or the rest of one; None when it does not."""
        if self._state is not ClientConnection._reading_head or self.outgoing:
            return None
        return self.deadline - self._waits_s

    def shed(self) -> None:
        """Make room for others: the forwarder is full, and this connection waits."""
        if self._head_began:
            self.refuse(SHED)
        else:
            self.close()

    def close_when_idle(self) -> None:
        """Draining: close at once if no request is under way or in sight."""
        waiting = self._state is ClientConnection._reading_head
        if waiting and not self.readable and not self.buffer and not self.outgoing:
            self.close()

    def cut_off(self) -> None:
        """The drain's time is up."""
        self.conversation.abandon(DRAINED)
        self.reset()

    def _gone(self) -> None:
        """The client reset the connection or vanished."""
        if self.conversation.active:
            self.conversation.abandon(CLIENT_CLOSED)
        self.close()

    def reset(self) -> None:
        """Close so that the client cannot take a cut-off response for a whole one."""
        if not self.closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.close()

    def close(self) -> None:
        """Close for good; may be called again."""
        if self.closed:
            return
        self.closed = True
        self.outgoing = self.buffer = b""
        self._forget()
        self.engine.counters.connections -= 1
        self.engine.reactor.close(self.descriptor, _Release(self._socket, self.exchange))


class _Release:
    """The end of a connection, behind the batch: nobody steps it any more. The ring that it makes with its exchange is
    taken apart, so that both are freed at once, and not when the garbage collector comes by.
    """

    __slots__ = ("_exchange", "_socket")

    def __init__(self, connection: socket.socket, exchange: Exchange) -> None:
        self._socket = connection
        self._exchange = exchange

    def close(self) -> None:
        """Close the socket, let go of the rest."""
        self._socket.close()
        del self._exchange.client


def _without_empty_lines(data: bytes) -> bytes:
    """The data without the empty lines in front (RFC 9112 §2.2), however many and however they are cut."""
    start = 0
    while data.startswith(b"\r\n", start):
        start += 2
    return data[start:]


_TLS_HANDSHAKE = b"\x16\x03"
"""How one begins (RFC 8446, 5.1)."""
