"""One connection to a replica: connecting, idle in the pool, or serving one exchange."""

import socket
from collections.abc import Callable
from contextlib import suppress
from errno import ECONNREFUSED, EINPROGRESS
from time import monotonic
from typing import Any, Protocol

from lbmesh.forward import failure as failures
from lbmesh.forward.failure import Failure
from lbmesh.forwarder.acknowledgement import acknowledge
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.reactor import HUNG_UP, WRITE
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.socket_ends import socket_ends
from lbmesh.forwarder.tunnel import RESET_ON_CLOSE, Tunnel
from lbmesh.http1 import fast_lane, h11_lane, response_rewrite
from lbmesh.http1.message import Refusal, RequestHead, ResponseHead
from lbmesh.http1.proxy_header import write_own_proxy_header, write_proxy_header
from lbmesh.http1.response_rewrite import VIA_LAST
from lbmesh.model.address import Address
from lbmesh.model.limits import HEAD_BYTES_MAX, READ_BYTES, READS_PER_STEP, STEP_S

REMEMBERED_HEAD_BYTES_MAX = 1024
_NO_HEAD = bytes(HEAD_BYTES_MAX + READ_BYTES + 1)
"""Remembered before there is a head: longer than all that is ever compared with it, so that nothing starts with it."""

parse_response = fast_lane.parse_response
State = Callable[[Any], None]
"""A method of the connection, or of what is derived from it."""


class Receiver(Protocol):
    """Who takes the response. `outgoing`: bytes that it has not taken yet; while there are any, reading stops."""

    @property
    def outgoing(self) -> bytes: ...

    def ends(self) -> tuple[Address, Address] | None:
        """The two ends of the client's connection, for a PROXY header; None when there is none."""

    def on_crash(self) -> None:
        """The exchange was ended by a bug of ours."""


class Asker(Protocol):
    """Who has a request. `request`: the head, and a small body with it."""

    @property
    def request(self) -> bytes: ...
    @property
    def head(self) -> RequestHead: ...
    @property
    def active(self) -> bool: ...
    @property
    def client(self) -> Receiver: ...

    def respond(self, head: ResponseHead, head_out: bytes, data: bytes) -> None:
        """The final head, and all the bytes that it came with."""


class Requester(Asker, Protocol):
    """Whose request a connection carries."""

    def connected(self) -> None:
        """The connection was made, to carry this request first; TLS and all."""

    def request_sent(self) -> None:
        """The first bytes are out."""

    def upstream_progress(self) -> None:
        """What had waited to be sent is out."""

    def informational(self, head: ResponseHead) -> bool:
        """A 1xx response; False when it is one too many."""

    def switch_protocols(self, head: ResponseHead, head_out: bytes, data: bytes) -> None:
        """101: what follows the head (`data`, and all that comes) is no HTTP."""

    def response_data(self, data: bytes) -> None:
        """A piece of the body."""

    def response_ended(self) -> None:
        """The replica closed the connection."""

    def attempt_failed(self, failure: Failure, detail: str) -> None:
        """Nothing more will come."""


class UpstreamConnection:
    """A state machine, one method a state."""

    urgent = True

    __slots__ = (
        "_buffer",
        "_engine",
        "_exchange",
        "_recv",
        "_remembered",
        "_remembered_head",
        "_remembered_out",
        "_send",
        "_socket",
        "_state",
        "_tunnel",
        "_write_error",
        "closed",
        "connecting",
        "descriptor",
        "hung_up",
        "idle_since",
        "outgoing",
        "readable",
        "replica",
        "reused",
    )

    def __init__(self, engine: Engine, replica: ReplicaState) -> None:
        self._engine = engine
        self.replica = replica
        self._exchange: Requester | None = None
        self._tunnel: Tunnel | None = None
        self._write_error: OSError | None = None
        self._buffer = b""
        self.outgoing = b""
        self.readable = self.hung_up = self.closed = self.reused = False
        self.connecting = True
        self.idle_since = 0.0
        self._remembered = _NO_HEAD
        self._remembered_head: ResponseHead | None = None
        self._remembered_out = b""
        self._state: State = UpstreamConnection._connecting
        self._socket = socket.socket(replica.address_family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._recv = self._socket.recv
        self._send = self._socket.send
        self.descriptor = self._socket.fileno()

    # Connecting

    def connect(self, exchange: Requester) -> None:
        """Start the handshake; the exchange's request follows when it is done."""
        self._exchange = exchange
        self.replica.connecting += 1
        code = self._socket.connect_ex(self.replica.socket_address)
        self._engine.reactor.add_stream(self.descriptor, self)
        if code not in (0, EINPROGRESS):
            self._connect_failed(code)

    def _connecting(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._connect_failed(code)
        elif self._is_connected():
            assert self._exchange is not None
            if self.replica.proxy_protocol is None or self._send_proxy_header(self._exchange):
                self._connected()

    def _connected(self) -> None:
        """The replica can be spoken to."""
        self.connecting = False
        self.replica.connecting -= 1
        assert self._exchange is not None
        self._exchange.connected()
        self.send_request(self._exchange)
        if self.readable:
            self._engine.reactor.again(self)

    def _send_proxy_header(self, exchange: Requester) -> bool:
        """Before all else, and in one piece (the PROXY protocol's section 2). False: the attempt has failed."""
        version = self.replica.proxy_protocol
        assert version is not None
        try:
            ends = exchange.client.ends()
            replica, local = socket_ends(self._socket)
            header = write_proxy_header(version, *ends) if ends else write_own_proxy_header(version, local, replica)
            whole = self._send(header) == len(header)
        except OSError as error:
            whole, said = False, error.strerror
        else:
            said = "it takes only a part"
        if not whole:
            exchange.attempt_failed(failures.UPSTREAM_RESET, f"sending a PROXY header to the replica failed: {said}")
        return whole

    def _is_connected(self) -> bool:
        try:
            self._socket.getpeername()
        except OSError:
            return False
        return True

    def _connect_failed(self, code: int) -> None:
        failure = failures.CONNECT_REFUSED if code == ECONNREFUSED else failures.CONNECT_FAILED
        assert self._exchange is not None
        self._exchange.attempt_failed(failure, f"connecting to the replica failed: {socket_error_text(code)}")

    # Readiness

    def on_ready(self, events: int) -> None:
        """Step: first what waits to be written, then the state."""
        if events & ~WRITE:
            self.readable = True
            if events & HUNG_UP:
                self.hung_up = True
        if self.outgoing:
            self._flush()
        if not self.closed:
            self._state(self)

    def on_crash(self) -> None:
        """End the exchange and the connection."""
        user = self._exchange or self._tunnel
        try:
            if user is not None:
                user.client.on_crash()
        finally:
            self.close()

    # Sending

    def send_request(self, exchange: Requester) -> None:
        """Give the exchange's head (and small body) to the replica."""
        self._exchange = exchange
        self._state = UpstreamConnection._awaiting_head
        request = exchange.request
        try:
            sent = self._send(request)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            exchange.attempt_failed(failures.UPSTREAM_RESET, f"sending to the replica failed: {error.strerror}")
            return
        if sent < len(request):
            self.outgoing = request[sent:]
        exchange.request_sent()

    def hand_over(self, exchange: Requester) -> None:
        """What comes from now on is this exchange's."""
        self._exchange = exchange

    def write(self, data: bytes) -> None:
        """Send a piece of the body, or keep what the kernel does not take."""
        if self.outgoing:
            self.outgoing += data
            return
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._write_error = error
            self.hung_up = self.readable = True
            self._engine.reactor.again(self)
            return
        if sent < len(data):
            self.outgoing = data[sent:]

    def _flush(self) -> None:
        try:
            sent = self._send(self.outgoing)
        except BlockingIOError:
            return
        except OSError as error:
            self._write_error = error
            self.outgoing = b""
            self.hung_up = self.readable = True
            return
        self.outgoing = self.outgoing[sent:]
        if not self.outgoing and self._exchange is not None and not self.connecting:
            self._exchange.upstream_progress()

    # Receiving

    def _receive(self, exchange: Requester) -> bytes | None:
        """One read: b"" at the end of the stream; None when nothing is there or the attempt has failed."""
        try:
            data = self._recv(READ_BYTES)
        except BlockingIOError:
            self.readable = False
            return None
        except OSError as error:
            exchange.attempt_failed(failures.UPSTREAM_RESET, f"the replica broke the connection: {error.strerror}")
            return None
        if len(data) < READ_BYTES and not self.hung_up:
            self.readable = False
        return data

    def _awaiting_head(self) -> None:
        if not self.readable:
            return
        exchange = self._exchange
        assert exchange is not None
        data = self._receive(exchange)
        if data is None:
            return
        if not data:
            exchange.attempt_failed(failures.UPSTREAM_CLOSED, "the replica closed the connection without an answer")
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if data.startswith(self._remembered) and exchange.head.method != b"HEAD":
            head = self._remembered_head
            assert head is not None
            head_out = self._remembered_out
        else:
            to_head = exchange.head.method == b"HEAD"
            head = parse_response(data, to_head=to_head)
            if head is None:
                self._parse_carefully(exchange, data)
                return
            has_date = response_rewrite.has_date(head.head)
            if not has_date:
                head = self._dated(head)
            head_out = head.head + VIA_LAST
            if head.head_bytes <= REMEMBERED_HEAD_BYTES_MAX and not to_head:
                self._remembered = data[: head.head_bytes]
                self._remembered_head = head
                self._remembered_out = head_out
                if not has_date:
                    self._engine.http_clock.forget_later(self)
        exchange.respond(head, head_out, data)

    def _parse_carefully(self, exchange: Requester, data: bytes) -> None:
        """Not plainly valid: incomplete, informational, unusual or wrong."""
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0 and len(data) <= HEAD_BYTES_MAX:
                self._buffer = data
                if self.readable:
                    self._engine.reactor.again(self)
                return
            if end < 0 or end + 4 > HEAD_BYTES_MAX:
                exchange.attempt_failed(failures.BAD_RESPONSE, f"a response head of more than {HEAD_BYTES_MAX} bytes")
                return
            demands = exchange.head.demands
            head = h11_lane.parse_response(
                data[: end + 4], method=exchange.head.method, offered=demands.protocols if demands is not None else ()
            )
            if isinstance(head, Refusal):
                exchange.attempt_failed(failures.BAD_RESPONSE, head.detail)
                return
            self.replica.speaks_http_1_0 = head.minor_version == 0
            if head.status >= 200:
                head = head if response_rewrite.has_date(head.head) else self._dated(head)
                exchange.respond(head, head.head + response_rewrite.via(head.minor_version) + b"\r\n", data)
                return
            if head.status == 101:
                exchange.switch_protocols(head, head.head + VIA_LAST, data[end + 4 :])
                return
            if not exchange.informational(head):
                exchange.attempt_failed(failures.BAD_RESPONSE, "too many informational responses")
                return
            if not exchange.active:
                return
            data = data[end + 4 :]

    def _dated(self, head: ResponseHead) -> ResponseHead:
        """A response that does not say when it was made is dated by who passes it on (RFC 9110 §6.6.1)."""
        return head._replace(head=head.head + self._engine.http_clock.line)

    def forget_date(self) -> None:
        """The remembered head has the date of a second that is over."""
        self._remembered = b"\0"

    def relay(self, data: bytes) -> None:
        """The response's head is out: pass its body on, beginning with `data`."""
        exchange = self._exchange
        assert exchange is not None
        self._state = UpstreamConnection._relaying
        exchange.response_data(data)
        if not self.closed and self._state is UpstreamConnection._relaying:
            self._relaying()

    def resume(self) -> None:
        """The client can take more."""
        if self._state is UpstreamConnection._relaying and self.readable:
            self._relaying()

    def _relaying(self) -> None:
        exchange = self._exchange
        assert exchange is not None
        client = exchange.client
        began = monotonic()
        for _ in range(READS_PER_STEP):
            if client.outgoing:
                return
            if not self.readable:
                acknowledge(self._socket)
                return
            data = self._receive(exchange)
            if data is None:
                return
            if not data:
                exchange.response_ended()
                return
            exchange.response_data(data)
            if self._exchange is not exchange:
                return
            if monotonic() - began > STEP_S:
                break
        self._engine.reactor.again(self)

    # In a tunnel

    def begin_tunnel(self, tunnel: Tunnel) -> None:
        """The response switched protocols: no request will follow on this connection."""
        self._exchange = None
        self._tunnel = tunnel
        self._remembered = self._remembered_out = b"\0"
        self._remembered_head = None
        self._state = UpstreamConnection._tunnelling

    def _tunnelling(self) -> None:
        assert self._tunnel is not None
        self._tunnel.step()

    def receive_or_raise(self) -> bytes | None:
        """See `TunnelEnd`."""
        if self._write_error is not None:
            raise self._write_error
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

    # Idle

    def pool(self) -> None:
        """The exchange is over: keep the connection for the next one, if nothing of this one is left in it."""
        replica = self.replica
        if self._has_leftovers() or replica.retired or len(replica.idle) >= replica.idle_max:
            self.close()
            return
        self._exchange = None
        self.reused = True
        self._state = UpstreamConnection._idle
        self.idle_since = self._engine.reactor.now
        replica.idle.append(self)

    def _has_leftovers(self) -> bool:
        """True when a byte of the request is unsent, when more has come than the response, or when it is closing."""
        return bool(self.outgoing or self._buffer) or self.readable or self.hung_up

    def _idle(self) -> None:
        """Whatever comes now is the end, or belongs to no request."""
        if self.readable:
            self.close()

    def is_quiet(self) -> bool:
        """Ask the kernel whether a pooled connection is still open and silent."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def reset(self) -> None:
        """Close so that the replica cannot take what it has for all there was."""
        if not self.closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.close()

    def close(self) -> None:
        """Close for good; may be called again."""
        if self.closed:
            return
        self.closed = True
        if self.connecting:
            self.replica.connecting -= 1
        self._exchange = self._tunnel = None
        self.outgoing = self._buffer = b""
        if self._state is UpstreamConnection._idle and self in self.replica.idle:
            self.replica.idle.remove(self)
        self._engine.reactor.close(self.descriptor, self._socket)


def socket_error_text(code: int) -> str:
    """An errno in words."""
    return OSError(code, "").strerror or f"error {code}"
