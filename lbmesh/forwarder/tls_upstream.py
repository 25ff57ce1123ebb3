"""One connection to a replica over TLS: a handshake within the connect timeout, then the states of a plain one."""

import ssl
from errno import ECONNRESET

from lbmesh.forward import failure as failures
from lbmesh.forward.failure import Failure
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.tls_channel import TlsChannel
from lbmesh.forwarder.upstream import Requester, UpstreamConnection
from lbmesh.model.limits import READ_BYTES


def open_upstream(engine: Engine, replica: ReplicaState) -> UpstreamConnection:
    """A connection to this replica, as its service has it. Raises OSError when there are no descriptors left."""
    return UpstreamConnection(engine, replica) if replica.tls is None else TlsUpstreamConnection(engine, replica)


class TlsUpstreamConnection(UpstreamConnection):
    """What is sent and received goes through the channel; `outgoing` holds records."""

    __slots__ = ("_channel", "_in_queue", "_is_cut_off", "_session_kept")

    def __init__(self, engine: Engine, replica: ReplicaState) -> None:
        super().__init__(engine, replica)
        tls = replica.tls
        assert tls is not None
        self._in_queue = self._is_cut_off = self._session_kept = False
        self._channel = TlsChannel(tls.context, server_side=False, server_hostname=tls.server_name, session=tls.session)

    # Shaking hands

    def _connected(self) -> None:
        """The replica has accepted the connection, and is not taken for connected before the handshake is done."""
        self._state = TlsUpstreamConnection._shaking_hands
        self._wait_for_turn()

    def _shaking_hands(self) -> None:
        if self.readable:
            self._wait_for_turn()

    def _wait_for_turn(self) -> None:
        """Requests that find an empty pool all at once must not hold up those of other replicas."""
        if not self._in_queue:
            self._in_queue = True
            self._engine.replica_handshakes.add(self)

    def step_handshake(self) -> None:
        """Take what has come, nothing in the beginning, and go on as far as it leads."""
        self._in_queue = False
        received = b""
        if self.readable:
            try:
                received = self._recv(READ_BYTES)
            except BlockingIOError:
                self.readable = False
            except OSError as error:
                self._handshake_failed(failures.TLS_HANDSHAKE, error.strerror or "reset")
                return
            else:
                if not received:
                    self._handshake_failed(failures.TLS_HANDSHAKE, "the replica closed the connection")
                    return
                if len(received) < READ_BYTES and not self.hung_up:
                    self.readable = False
        self._shake(received)

    def _shake(self, received: bytes) -> None:
        try:
            done = self._channel.handshake(received)
        except ssl.SSLCertVerificationError as refused:
            self._handshake_failed(failures.BAD_CERTIFICATE, refused.verify_message)
            return
        except ssl.SSLError as error:
            self._handshake_failed(failures.TLS_HANDSHAKE, (error.reason or str(error)).replace("_", " ").lower())
            return
        if self._channel.has_records:
            super().write(self._channel.records())
        if done:
            super()._connected()
        elif self.readable and not self.closed:
            self._wait_for_turn()

    def _handshake_failed(self, failure: Failure, detail: str) -> None:
        if self._channel.has_records:
            super().write(self._channel.records())
        assert self._exchange is not None
        self._exchange.attempt_failed(failure, f"the TLS handshake with the replica failed: {detail}")

    # Through the channel

    def send_request(self, exchange: Requester) -> None:
        """Give the exchange's head (and small body) to the replica."""
        self._exchange = exchange
        self._state = TlsUpstreamConnection._awaiting_head
        try:
            records = self._channel.encrypt(exchange.request)
            # The end of the handshake goes first, also where the kernel has not taken it yet.
            sent = 0 if self.outgoing else self._send(records)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            exchange.attempt_failed(failures.UPSTREAM_RESET, f"sending to the replica failed: {error.strerror}")
            return
        if sent < len(records):
            self.outgoing += records[sent:]
        exchange.request_sent()

    def write(self, data: bytes) -> None:
        """Send a piece of the body, or keep what the kernel does not take."""
        try:
            records = self._channel.encrypt(data)
        except ssl.SSLError:
            self.hung_up = self.readable = True
            self._engine.reactor.again(self)
            return
        super().write(records)

    def _receive(self, exchange: Requester) -> bytes | None:
        """As ever; an end that the replica did not announce is none: anyone on the way can make one (RFC 8446, 6.1)."""
        channel = self._channel
        while not channel.ended:
            received = super()._receive(exchange)
            if received is None:
                return None
            if not received:
                detail = "the replica closed the connection without the end of TLS"
                exchange.attempt_failed(failures.UPSTREAM_CLOSED, detail)
                return None
            try:
                data = channel.decrypt(received)
            except ssl.SSLError as error:
                exchange.attempt_failed(failures.UPSTREAM_RESET, f"the replica broke TLS: {error.reason}")
                return None
            if channel.has_records:
                super().write(channel.records())
            if channel.ended:
                self.hung_up = self.readable = True
            if data:
                return data
            if not self.readable:
                return None
        return b""

    def receive_or_raise(self) -> bytes | None:
        """As ever; an end that was not announced is none."""
        channel = self._channel
        while not channel.ended:
            received = super().receive_or_raise()
            if received is None:
                return None
            if not received:
                raise ConnectionResetError(ECONNRESET, "the connection ended before TLS did")
            data = channel.decrypt(received)
            if channel.has_records:
                super().write(channel.records())
            if channel.ended:
                self.hung_up = self.readable = True
            if data:
                return data
            if not self.readable:
                return None
        return b""

    def end_output(self) -> None:
        """As ever, after the word that no more comes."""
        super().write(self._channel.farewell())
        if not self.outgoing:
            super().end_output()

    # Idle

    def pool(self) -> None:
        """As ever; the session is kept for the replica's next connection."""
        tls = self.replica.tls
        if not self._session_kept and tls is not None:
            self._session_kept = True
            tls.session = self._channel.tls.session
        super().pool()
        if not self.closed:
            self._state = TlsUpstreamConnection._resting

    def _has_leftovers(self) -> bool:
        return super()._has_leftovers() or self._channel.has_received

    def _resting(self) -> None:
        """Session tickets may come at any time; whatever else comes is the end, or belongs to no request."""
        if self.readable and not self._takes_tickets_only():
            self.close()

    def _takes_tickets_only(self) -> bool:
        try:
            received = self._recv(READ_BYTES)
            if not received or self._channel.decrypt(received) or self._channel.ended or self._channel.has_records:
                return False
        except BlockingIOError:
            pass
        except OSError:
            return False
        self.readable = False
        return not self.hung_up

    def is_quiet(self) -> bool:
        """Ask the kernel whether a pooled connection is still open and silent."""
        return self._takes_tickets_only() and super().is_quiet()

    def reset(self) -> None:
        """Without a farewell, or what was cut off would look whole."""
        self._is_cut_off = True
        super().reset()

    def close(self) -> None:
        """Close for good, with a farewell if it can be said."""
        if not self.closed and not self.connecting and not self.outgoing and not self._is_cut_off:
            try:
                self._send(self._channel.farewell())
            except OSError:
                self.hung_up = True
        if self._state is TlsUpstreamConnection._resting and self in self.replica.idle:
            self.replica.idle.remove(self)
        super().close()
