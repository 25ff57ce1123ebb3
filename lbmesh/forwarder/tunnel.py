"""A tunnel: what two connections become after 101 (RFC 9110 §7.8) or a successful CONNECT (§9.3.6).

Bytes go both ways as they come, and nobody looks into them. Each direction is held back by who takes from it, and ends
for itself: the end of one side's stream becomes the end of the other's, while the opposite direction goes on.
"""

from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from lbmesh.forward import failure as failures
from lbmesh.forward.failure import Failure
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.peer import Peer
from lbmesh.forwarder.record import exchange_line
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.waiting_room import WaitingRoom
from lbmesh.http1.message import RequestHead
from lbmesh.model.limits import READS_PER_STEP, STEP_S
from lbmesh.model.traffic import Timeouts

RESET_ON_CLOSE = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER, on and of no length: closing the socket sends a reset."""


class TunnelEnd(Protocol):
    """One side of a tunnel: a connection of HTTP/1, or a stream of HTTP/2 (RFC 8441).

    `outgoing`: bytes that it has not taken yet; while there are any, nothing is read for it. `readable`: more may be
    had.
    """

    outgoing: bytes
    readable: bool
    closed: bool

    def receive_or_raise(self) -> bytes | None:
        """One read: None when nothing is there, b"" at the end of the stream. Raises OSError when it broke."""

    def write(self, data: bytes) -> None:
        """Send, or keep what is not taken."""

    def end_output(self) -> None:
        """Nothing more will be written; what the peer still sends can be read."""

    def close(self) -> None:
        """Close in order."""

    def reset(self) -> None:
        """Close so that the peer cannot take what it has for all there was."""


class ClientEnd(TunnelEnd, Protocol):
    """The side that asked for the tunnel. It owns the deadline, and knows who asks."""

    @property
    def peer(self) -> Peer: ...
    @property
    def urgent(self) -> bool: ...

    def on_ready(self, events: int) -> None:
        """Be stepped, and the tunnel with it."""

    def on_crash(self) -> None:
        """Be ended by a bug of ours, and the tunnel with it."""

    def expect_within(self, seconds: float) -> None:
        """Have the tunnel's `on_deadline` called unless something moves by then."""

    def finish_and_close(self) -> None:
        """Close in order, and lose nothing that is on its way out (RFC 9112 §9.6)."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The request that opened a tunnel, for the record that is written at its end. `began`: monotonic seconds.
    `first_byte_s`: until the response's head came. `connect_s`: as `exchange_line` has it.
    """

    head: RequestHead
    status: int
    attempts: int
    began: float
    request_id: bytes
    request_bytes: int
    first_byte_s: float
    connect_s: float | None


class Tunnel:
    """Both directions, until both have ended, one side breaks, or nothing moves for too long.

    It holds its replica as a request does: tunnels count in `in_flight`, so that new ones go to who has fewer. Among
    the service's active requests they do not count: they may be open for days.
    """

    __slots__ = (
        "_down",
        "_engine",
        "_opening",
        "_replica",
        "_room",
        "_timeouts",
        "_up",
        "_upstream",
        "active",
        "client",
    )

    def __init__(
        self,
        engine: Engine,
        *,
        client: ClientEnd,
        upstream: TunnelEnd,
        replica: ReplicaState,
        room: WaitingRoom,
        timeouts: Timeouts,
        opening: Opening,
    ) -> None:
        self.active = True
        self.client = client
        self._upstream = upstream
        self._engine = engine
        self._replica = replica
        self._room = room
        self._timeouts = timeouts
        self._opening = opening
        self._up = _Direction(client, upstream)
        self._down = _Direction(upstream, client)
        engine.counters.tunnels += 1
        engine.counters.tunnels_opened += 1

    def start(self, head: bytes, from_replica: bytes, from_client: bytes) -> None:
        """Send the head that opens it, and what both sides have sent behind theirs already."""
        self.client.write(head)
        for direction, data in ((self._down, from_replica), (self._up, from_client)):
            if data and self.active:
                direction.pass_on(data)
        self.step()

    def step(self) -> None:
        """Something happened at one of the ends: carry what can be carried."""
        up, down, counters = self._up, self._down, self._engine.counters
        before_up, before_down = up.carried, down.carried
        more = False
        if self.active:
            try:
                more = up.carry()
            except OSError:
                self.abandon(failures.CLIENT_CLOSED)
                self.client.close()
        if self.active:
            try:
                more = down.carry() or more
            except OSError as error:
                self._replica_broke(error)
        counters.tunnel_bytes_in += up.carried - before_up
        counters.tunnel_bytes_out += down.carried - before_down
        if self.active:
            self._go_on(more)

    def _go_on(self, more: bool) -> None:
        """`more`: there may be more to carry at once."""
        if self._up.ended and self._down.ended:
            self._end("", "")
            self._upstream.close()
            self.client.close()
            return
        is_half_closed = self._up.ended or self._down.ended
        self.client.expect_within(self._timeouts.idle_s if is_half_closed else self._timeouts.tunnel_s)
        if more:
            self._engine.reactor.again(self.client)

    def client_progress(self) -> None:
        """The client took some of what had waited; the step that follows makes use of it."""

    def on_deadline(self) -> None:
        """Nothing has moved for too long."""
        self._end("tunnel_idle", "nothing came through the tunnel for as long as it may be silent")
        self._upstream.close()
        self.client.close()

    def abandon(self, failure: Failure) -> None:
        """The client's connection broke, the drain's time is up, or something crashed."""
        if not self.active:
            return
        self._end(failure.reason, "")
        if failure is failures.DRAINED:
            self._upstream.close()
            self.client.close()
        else:
            self._upstream.reset()

    def _replica_broke(self, error: OSError) -> None:
        """It reset the connection. If it had ended its stream before, it has merely closed for good: the client gets
        all that was sent to it.
        """
        if self._down.ended:
            self._end("", "")
            self.client.finish_and_close()
        else:
            self._end(failures.UPSTREAM_RESET.reason, f"the replica broke the tunnel: {error.strerror}")
            self.client.reset()
        self._upstream.close()

    def _end(self, reason: str, detail: str) -> None:
        """The one place where a tunnel ends: the replica is free of it, the log has its line."""
        self.active = False
        engine, opening = self._engine, self._opening
        engine.counters.tunnels -= 1
        self._replica.in_flight -= 1
        self._room.look(self._replica)
        if engine.access_log.enabled:
            engine.access_log.write(
                exchange_line(
                    engine.time_text.get(),
                    self.client.peer.log_fragment,
                    opening.head,
                    self._replica.log_fragment,
                    opening.status,
                    reason,
                    opening.attempts,
                    opening.request_bytes + self._up.carried,
                    self._down.carried,
                    monotonic() - opening.began,
                    opening.request_id,
                    detail,
                    opening.first_byte_s,
                    opening.connect_s,
                )
            )


class _Direction:
    """One way through. `carried`: bytes so far. `ended`: its source has no more, and its sink was told."""

    __slots__ = ("_sink", "_source", "carried", "ended")

    def __init__(self, source: TunnelEnd, sink: TunnelEnd) -> None:
        self._source = source
        self._sink = sink
        self.carried = 0
        self.ended = False

    def carry(self) -> bool:
        """Carry what is there, as far as the sink takes it; True when the others should have their turn before more."""
        source, sink = self._source, self._sink
        began = monotonic()
        for _ in range(READS_PER_STEP):
            if self.ended or sink.outgoing or not source.readable or sink.closed:
                return False
            data = source.receive_or_raise()
            if data is None:
                return False
            if data:
                self.pass_on(data)
            else:
                self.ended = True
                sink.end_output()
            if monotonic() - began > STEP_S:
                break
        return True

    def pass_on(self, data: bytes) -> None:
        """Bytes of the source to the sink."""
        self.carried += len(data)
        self._sink.write(data)
