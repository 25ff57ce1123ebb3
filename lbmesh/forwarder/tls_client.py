"""One client's connection over TLS: a handshake first, then the same states over what it decrypts.

Only what touches the network differs: `outgoing` holds records, `receive` gives what they held.
"""

import socket
import ssl
from errno import ECONNRESET

from lbmesh.forwarder.client import ClientConnection
from lbmesh.forwarder.client_certificate import certificate_fields, certificate_fragment
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.handshakes import failure_reason
from lbmesh.forwarder.listener_state import ListenerState
from lbmesh.forwarder.tls_channel import CLOSED_CHANNEL, PLAIN_CHANNEL, PlainChannel, TlsChannel
from lbmesh.http1.message import Refusal
from lbmesh.model.limits import READ_BYTES
from lbmesh.model.tls import ClientAuth

_HANDSHAKE_RECORD = 0x16
"""The first byte of a record that belongs to a handshake (RFC 8446, 5.1)."""

_VERSION_TEXTS = {"TLSv1.2": b"1.2", "TLSv1.3": b"1.3"}


def open_client(engine: Engine, connection: socket.socket, peer_host: str, listener: ListenerState) -> ClientConnection:
    """A client's connection, as its listener has it."""
    kind = ClientConnection if listener.context is None else TlsClientConnection
    return kind(engine, connection, peer_host, listener)


class TlsClientConnection(ClientConnection):
    """A client that speaks TLS, or ought to."""

    __slots__ = ("_channel", "_client_auth", "_in_queue", "_tls", "_unsent")

    def __init__(self, engine: Engine, connection: socket.socket, peer_host: str, listener: ListenerState) -> None:
        super().__init__(engine, connection, peer_host, listener)
        assert listener.context is not None
        assert listener.policy.tls is not None
        self._tls = TlsChannel(listener.context.door, server_side=True)
        self._channel: TlsChannel | PlainChannel = self._tls
        self._unsent = self._tls.unsent
        self._client_auth = listener.policy.tls.client_auth
        self._in_queue = False
        self._state = TlsClientConnection._shaking_hands

    # Shaking hands

    def _shaking_hands(self) -> None:
        """Wait for a turn: the arithmetic of one is worth ten requests."""
        if self.readable and not self._in_queue:
            self._in_queue = True
            self.engine.client_handshakes.add(self)

    def step_handshake(self) -> None:
        """Take what has come, and go on as far as it leads."""
        self._in_queue = False
        try:
            received = self._recv(READ_BYTES)
        except BlockingIOError:
            self.readable = False
            return
        except OSError as error:
            self._handshake_failed("closed", error.strerror or "reset")
            return
        if not received:
            self._handshake_failed("closed", "the client closed before the end of the handshake")
            return
        if not self._head_began and received[0] != _HANDSHAKE_RECORD:
            self._not_tls(received)
            return
        self._head_began = True
        if len(received) < READ_BYTES and not self.hung_up:
            self.readable = False
        self._go_on(received)

    def _go_on(self, received: bytes) -> None:
        try:
            done = self._tls.handshake(received)
        except ssl.SSLError as error:
            self._send_records()
            self._handshake_failed(failure_reason(error), error.reason or str(error))
            return
        self._send_records()
        if self.closed:
            return
        if done:
            self._secured()
        elif self.readable:
            self._shaking_hands()

    def _secured(self) -> None:
        """The handshake is done: what follows is HTTP."""
        secured = self._tls.tls
        self.engine.handshakes.done += 1
        self.engine.handshakes.resumed += bool(secured.session_reused)
        log_fragment, identity = b'"tls":"%b",' % _VERSION_TEXTS[secured.version() or ""], b""
        if self._client_auth is not ClientAuth.OFF:
            certificate = secured.getpeercert(binary_form=True)
            if certificate:
                identity = certificate_fields(certificate)
                log_fragment += certificate_fragment(certificate)
        self.peer.is_secured(log_fragment, identity)
        self._head_began = False
        serving = self.engine.serving
        assert serving is not None
        self.expect_within(serving.limits.head_timeout_s)
        self._state = TlsClientConnection._reading_head
        data = self._decrypt(b"") if self._tls.has_received else b""
        if data:
            self.buffer = data
            self._state = TlsClientConnection._reading_buffered
        if data or self.readable:
            self.engine.reactor.again(self)

    def _not_tls(self, received: bytes) -> None:
        """What begins with a capital letter is taken for HTTP, and answered so that whoever wrote it can read why."""
        if received[:1].isupper():
            self._channel = PLAIN_CHANNEL
            self.engine.handshakes.fail("plain_http", self.peer.host, "a plain HTTP request")
            self.refuse(Refusal(400, "plain_http", "this port speaks TLS: use https"))
        else:
            self._handshake_failed("not_tls", "the first byte is no TLS handshake's")

    def _handshake_failed(self, reason: str, detail: str) -> None:
        self.engine.handshakes.fail(reason, self.peer.host, detail)
        self._channel = CLOSED_CHANNEL
        self.close()

    def _gone(self) -> None:
        """As ever; a client that left within its handshake may have said why."""
        if not self._is_shaking:
            super()._gone()
            return
        reason, detail = "closed", "the client broke the connection off"
        try:
            self._tls.handshake(self._recv(READ_BYTES))
        except ssl.SSLError as error:
            reason, detail = failure_reason(error), error.reason or str(error)
        except OSError as error:
            detail = error.strerror or detail
        self._handshake_failed(reason, detail)

    @property
    def _is_shaking(self) -> bool:
        return self._state is TlsClientConnection._shaking_hands

    def on_deadline(self) -> None:
        """As ever, but that a handshake which takes too long is no request."""
        if self._is_shaking:
            self._handshake_failed("timeout", "the handshake was not done in time")
        else:
            super().on_deadline()

    def close_when_idle(self) -> None:
        """Draining: a client that has not begun its handshake is idle, too."""
        if self._is_shaking and not self._head_began and not self.readable:
            self._handshake_failed("drained", "this balancer stops")
        else:
            super().close_when_idle()

    def waiting_since(self) -> float | None:
        """As ever, and since when a handshake waits."""
        return self.deadline - self._waits_s if self._is_shaking else super().waiting_since()

    def shed(self) -> None:
        """As ever, but that nothing can be said before the handshake is done."""
        if self._is_shaking:
            self._handshake_failed("overloaded", "this balancer is full")
        else:
            super().shed()

    # The same as ever, through the channel

    def receive(self) -> bytes | None:
        """Whatever whole records have come: None when none has, b"" at the end of the stream or when it broke."""
        channel = self._channel
        while not channel.ended:
            try:
                received = self._recv(READ_BYTES)
            except BlockingIOError:
                self.readable = False
                return None
            except OSError:
                self.hung_up = True
                return b""
            if not received:
                return b""
            if len(received) < READ_BYTES and not self.hung_up:
                self.readable = False
            data = self._decrypt(received)
            if data:
                return data
            if self.closed or not self.readable:
                return None
        return b""

    def receive_or_raise(self) -> bytes | None:
        """As ever; an end that was not announced is none (RFC 8446, 6.1)."""
        while not self._tls.ended:
            received = super().receive_or_raise()
            if received is None:
                return None
            if not received:
                raise ConnectionResetError(ECONNRESET, "the connection ended before TLS did")
            data = self._tls.decrypt(received)
            self._send_records()
            if self._tls.ended:
                self.hung_up = self.readable = True
            if data:
                return data
            if self.closed or not self.readable:
                return None
        return b""

    def end_output(self) -> None:
        """As ever, after the word that no more comes."""
        super().write(self._tls.farewell())
        if not self.outgoing:
            super().end_output()

    def _decrypt(self, received: bytes) -> bytes:
        """What is told to be over, or is broken, stays readable, so that whoever waits for more learns of it."""
        channel = self._channel
        try:
            data = channel.decrypt(received)
        except ssl.SSLError:
            self._tls.ended = True
            data = b""
        if self._unsent.pending:
            self._send_records()
        if channel.ended:
            self.hung_up = self.readable = True
        return data

    def write(self, data: bytes) -> None:
        """Send, or keep what the kernel does not take."""
        try:
            records = self._channel.encrypt(data)
        except ssl.SSLError:
            self._gone()
            return
        super().write(records)

    def _send_records(self) -> None:
        if self._tls.has_records:
            super().write(self._tls.records())

    # Ending

    def finish_and_close(self) -> None:
        """The last records end with the word that no more come."""
        if not self.closed:
            self._say_farewell()
        super().finish_and_close()

    def _say_farewell(self) -> None:
        channel, self._channel = self._channel, CLOSED_CHANNEL
        farewell = channel.farewell()
        if farewell:
            super().write(farewell)

    def reset(self) -> None:
        """Without a farewell, or a cut-off response would look whole."""
        self._channel = CLOSED_CHANNEL
        super().reset()

    def close(self) -> None:
        """Say that no more comes, unless that was said, or a record is half sent."""
        if not self.closed and not self.outgoing:
            self._say_farewell()
        super().close()
