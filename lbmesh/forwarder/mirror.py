"""Copies of a route's requests for a service whose answers nobody waits for.

A copy is sent after the client's own request has gone its way, in a step of its own: nothing that happens to it delays
or fails the client's exchange. It is sent once, never again.
"""

from time import monotonic

from lbmesh.forward.failure import CONNECT_TIMEOUT, RESPONSE_TIMEOUT, Failure
from lbmesh.forward.retry import SAFE_METHODS
from lbmesh.forwarder.attempt_outcome import blame
from lbmesh.forwarder.connection_taking import take_connection
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.framing import BodyReader
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.route_state import MirrorState
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.forwarder.timers import NEVER, PERIOD_S
from lbmesh.forwarder.upstream import UpstreamConnection
from lbmesh.http1.message import RequestHead, ResponseHead
from lbmesh.model.limits import INFORMATIONAL_RESPONSES_MAX, MIRRORED_RESPONSE_BYTES_MAX, MIRRORS_IN_FLIGHT_MAX

MARK = b"X-Mirrored: 1\r\n"
"""Tells a copy from a request, in the logs of a replica that gets both."""

ANSWERED = "answered"
FAILED = "failed"
LEFT_OUT_BODY = "left_out_body"
LEFT_OUT_BUSY = "left_out_busy"
LEFT_OUT_NO_REPLICA = "left_out_no_replica"
LEFT_OUT_TUNNEL = "left_out_tunnel"


def mirror_request(engine: Engine, mirror: MirrorState, head: RequestHead, request: bytes, *, is_whole: bool) -> None:
    """Have a copy of a request sent, if it is to have one. `is_whole`: its body is in `request`, or it has none."""
    if not mirror.all_methods and head.method not in SAFE_METHODS:
        return
    if mirror.share < 1.0 and engine.random() >= mirror.share:
        return
    service, counters = mirror.service, engine.counters
    if head.method == b"CONNECT" or (head.demands is not None and head.demands.protocols):
        counters.mirrored[service.name, LEFT_OUT_TUNNEL] += 1
    elif not is_whole:
        counters.mirrored[service.name, LEFT_OUT_BODY] += 1
    elif counters.mirrors_in_flight >= MIRRORS_IN_FLIGHT_MAX:
        counters.mirrored[service.name, LEFT_OUT_BUSY] += 1
    else:
        fields, end, body = request.partition(b"\r\n\r\n")
        copy = b"%b\r\n%b%b%b" % (fields, MARK, end[2:], body)
        engine.reactor.again(MirroredRequest(engine, service, head, copy))


class MirroredRequest:
    """One copy, from its place in the reactor's next round to the last byte of an answer that is thrown away.

    It is a Requester to its connection, the Receiver of what comes back, and has deadlines of its own.
    """

    urgent = False

    __slots__ = (
        "_began",
        "_body",
        "_engine",
        "_informational",
        "_received_bytes",
        "_replica",
        "_response",
        "_service",
        "_upstream",
        "active",
        "closed",
        "deadline",
        "head",
        "outgoing",
        "request",
    )

    def __init__(self, engine: Engine, service: ServiceState, head: RequestHead, request: bytes) -> None:
        self._engine = engine
        self._service = service
        self.head = head
        self.request = request
        self.active = True
        self.closed = False
        self.deadline = NEVER
        self.outgoing = b""
        self._informational = self._received_bytes = 0
        self._replica: ReplicaState | None = None
        self._upstream: UpstreamConnection | None = None
        self._response: ResponseHead | None = None
        self._body: BodyReader | None = None
        engine.counters.mirrors_in_flight += 1

    @property
    def client(self) -> "MirroredRequest":
        """It takes its own answer."""
        return self

    # Sending

    def on_ready(self, events: int) -> None:
        """The reactor's next round: go."""
        del events
        if self._replica is None and self.active:
            self._begin()

    def _begin(self) -> None:
        replica, _ = self._service.balancer.pick()
        if replica is None:
            self._end(LEFT_OUT_NO_REPLICA)
            return
        if not self._service.room.has_room(replica):
            self._end(LEFT_OUT_BUSY)
            return
        self._replica = replica
        self._began = monotonic()
        self._engine.wheel.watch(self)
        try:
            self._upstream = upstream = take_connection(self._engine, replica, is_repeatable=False)
        except OSError:
            self._end(FAILED)
            return
        if upstream.connecting:
            self._expect_within(self._service.timeouts.connect_s)
            upstream.connect(self)
        else:
            upstream.send_request(self)

    def _expect_within(self, seconds: float) -> None:
        self.deadline = self._engine.reactor.now + seconds
        if seconds < PERIOD_S:
            self._engine.wheel.look(self, seconds)

    def ends(self) -> None:
        """Nobody waits for the answer."""

    def connected(self) -> None:
        """A connection was made."""
        self._service.room.look()

    def request_sent(self) -> None:
        """Now the replica has its time to answer."""
        self._expect_within(self._service.timeouts.response_s)

    def upstream_progress(self) -> None:
        """The replica took all that had waited."""
        self._expect_within(self._service.timeouts.response_s)

    # Receiving

    def informational(self, head: ResponseHead) -> bool:
        """Nobody is told."""
        del head
        self._informational += 1
        return self._informational <= INFORMATIONAL_RESPONSES_MAX

    def respond(self, head: ResponseHead, head_out: bytes, data: bytes) -> None:
        """Take note, and let the body come."""
        del head_out
        upstream, replica = self._upstream, self._replica
        assert upstream is not None
        assert replica is not None
        self._response = head
        replica.observe_latency(monotonic() - self._began)
        if head.status >= 500:
            replica.responses_5xx += 1
        self._body = BodyReader(head.body_length)
        upstream.relay(data[head.head_bytes :])

    def switch_protocols(self, head: ResponseHead, head_out: bytes, data: bytes) -> None:
        """Not for a copy: it asks for no other protocol."""
        del head, head_out, data
        self._end(FAILED)

    def response_data(self, data: bytes) -> None:
        """A piece to throw away."""
        body = self._body
        assert body is not None
        self._received_bytes += len(data)
        body.take(data)
        if body.fault or self._received_bytes > MIRRORED_RESPONSE_BYTES_MAX:
            self._end(FAILED if body.fault else ANSWERED)
        elif body.done:
            self._end(ANSWERED, is_clean=not body.rest)
        else:
            self._expect_within(self._service.timeouts.idle_s)

    def response_ended(self) -> None:
        """The replica closed the connection: that is an end as good as any here."""
        self._end(ANSWERED)

    # Ending

    def attempt_failed(self, failure: Failure, detail: str) -> None:
        """The copy is lost. The replica's failure counts as any other."""
        del detail
        self._fail(failure)

    def on_deadline(self) -> None:
        """The replica takes too long."""
        assert self._upstream is not None
        self._fail(CONNECT_TIMEOUT if self._upstream.connecting else RESPONSE_TIMEOUT)

    def _fail(self, failure: Failure) -> None:
        assert self._replica is not None
        blame(self._engine, self._service, self._replica, failure, monotonic() - self._began)
        self._end(FAILED)

    def on_crash(self) -> None:
        """A bug of ours ends the copy, and nothing else."""
        self._end(FAILED)

    def _end(self, outcome: str, *, is_clean: bool = False) -> None:
        """Let go of everything; may be called again."""
        if not self.active:
            return
        self.active = False
        self.closed = True
        self._engine.counters.mirrors_in_flight -= 1
        self._engine.counters.mirrored[self._service.name, outcome] += 1
        if self._replica is not None:
            self._replica.in_flight -= 1
            if not self._service.room.admits:
                self._service.room.look(self._replica)
        upstream, response = self._upstream, self._response
        self._upstream = None
        if upstream is None:
            return
        if is_clean and response is not None and response.keep_alive:
            upstream.pool()
        else:
            upstream.close()
