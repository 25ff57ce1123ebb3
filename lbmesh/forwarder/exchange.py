"""One exchange: a request, its attempts at replicas, its response, its record.

A client's connection has one Exchange object and uses it again for each request: nothing is allocated a request.
"""

from time import monotonic
from typing import TYPE_CHECKING

from lbmesh.forward import failure as failures
from lbmesh.forward.failure import Failure, Fault, Stage
from lbmesh.forward.retry import IDEMPOTENT_METHODS, may_retry
from lbmesh.forwarder.durations import OTHER_METHOD
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.framing import BodyReader
from lbmesh.forwarder.serving import ReplicaState, ServiceState
from lbmesh.forwarder.timers import NEVER, PERIOD_S
from lbmesh.forwarder.upstream import UpstreamConnection
from lbmesh.http1.local_response import local_response
from lbmesh.http1.message import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from lbmesh.http1.response_rewrite import rewrite_for_client
from lbmesh.model.limits import INFORMATIONAL_RESPONSES_MAX, READS_PER_STEP, REPLAY_BYTES_MAX, STEP_S
from lbmesh.observe.access_log import json_fragment

if TYPE_CHECKING:
    from lbmesh.forwarder.client import ClientConnection

_STALE = (failures.UPSTREAM_CLOSED, failures.UPSTREAM_RESET)
"""How a pooled connection ends that the replica closed just as it was used again: nobody's fault."""


class Exchange:
    """The state of one request, from its head to its record in the log."""

    __slots__ = (
        "_attempt_began",
        "_began",
        "_body_begun",
        "_budgeted",
        "_bytes_in",
        "_bytes_out",
        "_engine",
        "_failure",
        "_informational",
        "_keep_alive",
        "_request_body",
        "_response_body",
        "_stage",
        "_tried",
        "active",
        "attempts",
        "client",
        "detail",
        "head",
        "replica",
        "request",
        "request_done",
        "request_id",
        "response",
        "service",
        "upstream",
    )

    head: RequestHead
    service: ServiceState

    def __init__(self, engine: Engine, client: "ClientConnection") -> None:
        self._engine = engine
        self.client = client
        self.active = False
        self.upstream: UpstreamConnection | None = None
        self.replica: ReplicaState | None = None
        self.response: ResponseHead | None = None
        self._tried: tuple[ReplicaState, ...] = ()
        self._request_body: BodyReader | None = None
        self._response_body: BodyReader | None = None
        self.detail = ""

    # The request

    def begin(self, head: RequestHead, service: ServiceState | None, request: bytes) -> None:
        """Start with a whole head; the client's buffer holds what came after it.

        `request`: the bytes to send on, but for the request id, which is made here unless the client sent one.
        """
        self.head = head
        self.active = True
        self._began = monotonic()
        self._bytes_out = self.attempts = self._informational = 0
        self._stage = Stage.NOT_SENT
        self._body_begun = self._budgeted = False
        self._keep_alive = head.keep_alive and not self._engine.draining
        request_id = head.request_id
        if request_id is None:
            request_id = self._engine.new_request_id()
            request += b"X-Request-Id: %b\r\n\r\n" % request_id
        else:
            request += b"\r\n"
        self.request_id = request_id
        self.request = request
        self._engine.counters.active += 1
        if head.body_length:
            self._begin_body(head.body_length)
        else:
            self.request_done = True
            self._bytes_in = 0
        if service is None:
            self._fail(failures.NO_ROUTE, "no route for this host and path")
            return
        self.service = service
        service.budget.active += 1
        self._budgeted = True
        replica, _ = service.balancer.pick()
        if replica is None:
            self._fail(failures.NO_REPLICA, f"no replica of service {service.name} can serve")
            return
        self._attempt(replica)

    def _begin_body(self, length: int) -> None:
        """A small body that is already here whole travels with the head, and can be sent again."""
        client = self.client
        self._bytes_in = 0
        if 0 < length <= min(len(client.buffer), REPLAY_BYTES_MAX):
            self.request += client.buffer[:length]
            client.buffer = client.buffer[length:]
            self._bytes_in = length
            self.request_done = True
        else:
            self.request_done = False
            self._request_body = BodyReader(length)

    def _attempt(self, replica: ReplicaState) -> None:
        """Send the request to one replica, over a pooled connection if there is one."""
        self.attempts += 1
        self.replica = replica
        replica.in_flight += 1
        replica.requests += 1
        idle = replica.idle
        while idle:
            upstream = idle.pop()
            if self.head.method in IDEMPOTENT_METHODS or upstream.is_quiet():
                self.upstream = upstream
                upstream.send_request(self)
                return
            upstream.close()
        connect_s = self.service.timeouts.connect_s
        self.client.deadline = self._engine.reactor.now + connect_s
        self._engine.wheel.look(self.client, connect_s)
        upstream = UpstreamConnection(self._engine, replica)
        self.upstream = upstream
        upstream.connect(self)

    def request_sent(self) -> None:
        """The upstream connection has taken the first bytes: from now on a repeat is not free."""
        self._stage = Stage.SENT
        client = self.client
        if self.request_done:
            response_s = self.service.timeouts.response_s
            client.deadline = self._engine.reactor.now + response_s
            if response_s < PERIOD_S:
                self._engine.wheel.look(client, response_s)
        else:
            client.deadline = self._engine.reactor.now + self.service.timeouts.idle_s
            self.pump_request()

    def pump_request(self) -> None:
        """Pass on what has come of the request's body, as far as the replica takes it."""
        upstream, client, body = self.upstream, self.client, self._request_body
        if upstream is None or self._stage is Stage.NOT_SENT or body is None:
            return
        began = monotonic()
        for _ in range(READS_PER_STEP):
            if self.request_done or upstream.outgoing:
                return
            if client.buffer:
                data, client.buffer = client.buffer, b""
            elif not client.readable:
                return
            else:
                received = client.receive()
                if received is None:
                    return
                if not received:
                    self._request_broken(failures.CLIENT_CLOSED, "the client closed before the end of its request")
                    return
                data = received
            self._pass_on(data, body, upstream)
            if not self.active or self.upstream is not upstream:
                return
            if monotonic() - began > STEP_S:
                break
        self._engine.reactor.again(client)

    def _pass_on(self, data: bytes, body: BodyReader, upstream: UpstreamConnection) -> None:
        """One piece of the body to the replica; what follows the body goes back to the client's buffer."""
        piece = body.take(data)
        if body.fault:
            self._request_broken(failures.BAD_BODY, body.fault)
            return
        self._body_begun = True
        self._bytes_in += len(piece)
        self.request_done = body.done
        timeouts = self.service.timeouts
        if body.done:
            self.client.buffer = body.rest
        awaiting = body.done and self.response is None
        self.client.deadline = self._engine.reactor.now + (timeouts.response_s if awaiting else timeouts.idle_s)
        if piece:
            upstream.write(piece)

    def upstream_progress(self) -> None:
        """The replica took what had waited."""
        self.client.deadline = self._engine.reactor.now + self.service.timeouts.idle_s
        if not self.request_done:
            self.pump_request()
        elif self.response is None:
            self.client.deadline = self._engine.reactor.now + self.service.timeouts.response_s

    def _request_broken(self, failure: Failure, detail: str) -> None:
        """The client's body ended too early or is malformed: nobody gets the rest."""
        self._drop_upstream()
        self._fail(failure, detail)

    # The response

    def respond(self, head: ResponseHead, head_out: bytes, data: bytes) -> int:
        """A final head with the bytes that came with it; `head_out` is what a keep-alive HTTP/1.1 client gets.

        Returns 1 when the whole response was in `data` and nothing more: the upstream connection may be used again.
        """
        now = monotonic()
        replica, client = self.replica, self.client
        assert replica is not None
        replica.observe_latency(now - self._attempt_began if self.attempts > 1 else now - self._began)
        status = head.status
        if status >= 500:
            replica.responses_5xx += 1
        length = head.body_length
        surplus = len(data) - head.head_bytes
        if surplus == length and self._keep_alive and self.head.minor_version == 1 and self.request_done:
            out = head_out + data[head.head_bytes :] if length else head_out
            self._bytes_out = length
            self._stage = Stage.ANSWERED
            client.write(out)
            if not self.active:
                return 0
            self._release_replica()
            self.upstream = None
            self._record(status, "", now)
            client.next_request()
            return 1
        return self._begin_response(head, data[head.head_bytes :])

    def _begin_response(self, head: ResponseHead, data: bytes) -> int:
        """Any other response: streamed, closing, for an HTTP/1.0 client, or ahead of the end of the request."""
        self.response = head
        self._stage = Stage.ANSWERED
        client, upstream = self.client, self.upstream
        assert upstream is not None
        if not self.request_done:
            self._keep_alive = False
        unframed = head.body_length == CHUNKED and self.head.minor_version == 0
        if head.body_length == UNTIL_CLOSE or unframed:
            self._keep_alive = False
        client.deadline = self._engine.reactor.now + self.service.timeouts.idle_s
        client.write(
            rewrite_for_client(
                head.head, minor_version=self.head.minor_version, keep_alive=self._keep_alive, without_framing=unframed
            )
        )
        if not self.active:
            return 0
        self._response_body = BodyReader(head.body_length, payload_only=unframed)
        upstream.relay(data)
        return 0

    def response_data(self, data: bytes) -> None:
        """A piece of the response's body for the client."""
        body, client = self._response_body, self.client
        assert body is not None
        piece = body.take(data)
        if piece:
            self._bytes_out += len(piece)
            client.deadline = self._engine.reactor.now + self.service.timeouts.idle_s
            client.write(piece)
            if not self.active:
                return
        if body.fault:
            self.attempt_failed(failures.BAD_RESPONSE, body.fault)
        elif body.done:
            self._complete(clean=not body.rest)

    def response_ended(self) -> None:
        """The replica closed the connection in the middle of the body, which ends it only if nothing else does."""
        assert self.response is not None
        if self.response.body_length == UNTIL_CLOSE:
            self._complete(clean=False)
        else:
            self.attempt_failed(failures.UPSTREAM_CLOSED, "the replica closed the connection within the body")

    def informational(self, head: ResponseHead) -> bool:
        """A 1xx response (RFC 9110 §15.2): passed on, unless the client speaks HTTP/1.0. False: there are too many."""
        self._informational += 1
        if self._informational > INFORMATIONAL_RESPONSES_MAX:
            return False
        if self.head.minor_version == 1:
            self.client.write(head.head + b"\r\n")
        return True

    def client_progress(self) -> None:
        """The client took what had waited."""
        if self.response is not None:
            self.client.deadline = self._engine.reactor.now + self.service.timeouts.idle_s
        upstream = self.upstream
        if upstream is not None and not self.client.outgoing:
            upstream.resume()

    def _complete(self, *, clean: bool) -> None:
        """The response is whole."""
        upstream, head, client = self.upstream, self.response, self.client
        assert upstream is not None
        assert head is not None
        self.upstream = None
        self._release_replica()
        if clean and head.keep_alive and self.request_done:
            upstream.pool()
        else:
            upstream.close()
        self._record(head.status, "", monotonic())
        if self._keep_alive:
            client.next_request()
        else:
            client.finish_and_close()

    # Failing

    def attempt_failed(self, failure: Failure, detail: str) -> None:
        """The attempt came to nothing: try another replica where that is safe, else tell the client."""
        upstream, replica = self.upstream, self.replica
        assert upstream is not None
        assert replica is not None
        stale = upstream.reused and self._stage is not Stage.ANSWERED and failure in _STALE
        self._drop_upstream()
        if not stale:
            self._blame(replica, failure)
        if may_retry(
            failure,
            stage=self._stage,
            method=self.head.method,
            body_replayable=not self._body_begun,
            retries_left=self.service.retries + 1 - self.attempts,
            budget=self.service.budget,
            already_retrying=self.attempts > 1,
        ):
            if self.attempts == 1:
                self.service.budget.retrying += 1
            self._tried = (*self._tried, replica) if not stale else self._tried
            other, _ = self.service.balancer.pick_other(self._tried)
            if other is not None:
                self._stage = Stage.NOT_SENT
                self._attempt_began = monotonic()
                self._attempt(other)
                return
        self._fail(failure, detail)

    def _blame(self, replica: ReplicaState, failure: Failure) -> None:
        """Count a failure against a replica and tell the agent."""
        replica.failures += 1
        if failure in failures.CONNECT_FAILURES:
            self.service.suspend(replica, self._engine.reactor.now)
        self._engine.report_failure(replica, failure.reason)

    def _fail(self, failure: Failure, detail: str) -> None:
        """No answer will come from a replica: give one, or cut off the one that was under way."""
        client = self.client
        self.detail = detail
        now = monotonic()
        if self._stage is Stage.ANSWERED or failure is failures.CLIENT_CLOSED:
            status = self.response.status if self.response is not None else failure.status
            self._record(status, failure.reason, now)
            client.reset()
            return
        keep_alive = self._keep_alive and self.request_done and failure.fault is not Fault.CLIENT
        to_head = self.head.method == b"HEAD"
        answer = local_response(
            failure.status,
            reason=failure.reason,
            detail=detail,
            request_id=self.request_id,
            keep_alive=keep_alive,
            to_head=to_head,
        )
        self._record(failure.status, failure.reason, now)
        client.write(answer)
        if client.closed:
            return
        if keep_alive:
            client.next_request()
        else:
            client.finish_and_close()

    def on_deadline(self) -> None:
        """The phase the exchange is in took too long; which one decides whose failure it is."""
        client, upstream = self.client, self.upstream
        assert upstream is not None
        client.deadline = NEVER
        if upstream.connecting:
            self.attempt_failed(failures.CONNECT_TIMEOUT, "the replica did not accept the connection in time")
        elif self.response is not None:
            if client.outgoing:
                self._stop(failures.CLIENT_IDLE, "the client did not take the response")
            else:
                self.attempt_failed(failures.UPSTREAM_IDLE, "the replica stopped within its response")
        elif self.request_done:
            self.attempt_failed(failures.RESPONSE_TIMEOUT, "the replica did not answer in time")
        elif upstream.outgoing:
            self.attempt_failed(failures.UPSTREAM_IDLE, "the replica did not take the request")
        else:
            self._request_broken(failures.CLIENT_IDLE, "the client stopped within its request")

    def _stop(self, failure: Failure, detail: str) -> None:
        self._drop_upstream()
        self._fail(failure, detail)

    def abandon(self, failure: Failure = failures.INTERNAL) -> None:
        """The client is gone, or the exchange crashed: let go of everything and record it."""
        if not self.active:
            return
        self._drop_upstream()
        status = self.response.status if self.response is not None else failure.status
        self._record(status, failure.reason, monotonic())

    def _drop_upstream(self) -> None:
        upstream = self.upstream
        if upstream is not None:
            self.upstream = None
            self._release_replica()
            upstream.close()

    def _release_replica(self) -> None:
        replica = self.replica
        assert replica is not None
        replica.in_flight -= 1

    # The record

    def _record(self, status: int, reason: str, now: float) -> None:
        """End the exchange: counters, histogram, one line in the access log."""
        engine, head, replica = self._engine, self.head, self.replica
        self.active = False
        engine.counters.active -= 1
        duration_s = now - self._began
        if self._budgeted:
            service = self.service
            service.budget.active -= 1
            if self.attempts > 1:
                service.budget.retrying -= 1
            service.durations.of(head.method, status, reason).record(duration_s)
        else:
            engine.unrouted.of(head.method, status, reason).record(duration_s)
        if engine.access_log.enabled:
            target = head.target
            if b"\\" in target:
                target = json_fragment(target)
            engine.access_log.write(
                b'{"time":"%b",%b"method":"%b","host":"%b","path":"%b","status":%d,"reason":"%b",%b"attempts":%d,'
                b'"bytes_in":%d,"bytes_out":%d,"duration_us":%d,"request_id":"%b"%b}\n'
                % (
                    engine.time_text.get(),
                    self.client.log_fragment,
                    head.method,
                    head.host,
                    target,
                    status,
                    reason.encode(),
                    replica.log_fragment if replica is not None else b"",
                    self.attempts,
                    self._bytes_in,
                    self._bytes_out,
                    int(duration_s * 1e6),
                    self.request_id,
                    b',"detail":"%b"' % json_fragment(self.detail.encode()) if self.detail else b"",
                )
            )
        self.replica = None
        self.response = None
        self._tried = ()
        self._request_body = self._response_body = None
        self.detail = ""
        self.request = b""

    def log_refusal(self, failure: Failure, detail: str, request_id: bytes) -> None:
        """Record a head that was refused before it became an exchange."""
        engine = self._engine
        engine.counters.refused += 1
        engine.unrouted.of(OTHER_METHOD, failure.status, failure.reason).record(0.0)
        if engine.access_log.enabled:
            engine.access_log.write(
                b'{"time":"%b",%b"status":%d,"reason":"%b","request_id":"%b","detail":"%b"}\n'
                % (
                    engine.time_text.get(),
                    self.client.log_fragment,
                    failure.status,
                    failure.reason.encode(),
                    request_id,
                    json_fragment(detail.encode()),
                )
            )
