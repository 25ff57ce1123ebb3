"""One exchange: a request, its attempts at replicas, its response, its record.

A client's connection has one Exchange object and uses it again for each request: nothing is allocated a request.
"""

from time import monotonic

from lbmesh.forward import failure as failures
from lbmesh.forward.failure import Failure, Fault, Stage
from lbmesh.forward.retry import IDEMPOTENT_METHODS
from lbmesh.forwarder.attempt_outcome import observe_given_up, observe_refusal
from lbmesh.forwarder.client_side import ClientSide
from lbmesh.forwarder.connection_taking import take_connection
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.further_attempts import FurtherAttempts
from lbmesh.forwarder.hedge import plan_hedge
from lbmesh.forwarder.mirror import mirror_request
from lbmesh.forwarder.overdue import meet_deadline
from lbmesh.forwarder.own_answer import own_answer
from lbmesh.forwarder.pace import Paced
from lbmesh.forwarder.record import exchange_line
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.request_body import RequestBody, take_small_body
from lbmesh.forwarder.route_state import RouteState
from lbmesh.forwarder.ruled_request import Rewritten, RuledRequest
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.forwarder.streamed_response import StreamedResponse
from lbmesh.forwarder.tunnel import Opening
from lbmesh.forwarder.tunnel_opening import open_tunnel
from lbmesh.forwarder.upstream import UpstreamConnection
from lbmesh.http1.message import NO_HEAD, RequestHead, ResponseHead
from lbmesh.http1.response_rewrite import VIA_LAST, rewrite_for_tunnel, via
from lbmesh.model.limits import INFORMATIONAL_RESPONSES_MAX
from lbmesh.routing.asked import Asked
from lbmesh.routing.rules import Answer, ReadyRules


class Exchange:
    """The state of one request, from its head to its record in the log.

    `bytes_in`, `bytes_out`: of the request's body and of the response's, so far. `request_read`: the whole request was
    taken from the client (it may still wait to be sent). `waiting`: the service has no place for the request yet.
    """

    __deletable__ = ("client",)
    """For mypyc, which else lets no attribute be deleted."""

    __slots__ = (
        "_connect_s",
        "_ends_at",
        "_engine",
        "_further",
        "_holds_replica",
        "_informational",
        "_keep_alive",
        "_request_id",
        "_response",
        "_retries",
        "_rewritten",
        "_ruled",
        "_service",
        "_streamed",
        "_timeouts",
        "active",
        "attempt_began",
        "attempts",
        "began",
        "bytes_in",
        "bytes_out",
        "client",
        "head",
        "replica",
        "request",
        "request_body",
        "request_read",
        "stage",
        "upstream",
        "waiting",
    )

    def __init__(self, engine: Engine, client: ClientSide) -> None:
        self._engine = engine
        self.client = client
        self.active = False
        self.head: RequestHead = NO_HEAD
        self.request = b""
        self.request_read = True
        self._service: ServiceState | None = None
        self.upstream: UpstreamConnection | None = None
        self.replica: ReplicaState | None = None
        self._response: ResponseHead | None = None
        self.request_body: RequestBody | None = None
        self._streamed: StreamedResponse | None = None
        self._further: FurtherAttempts | None = None
        self._holds_replica = self.waiting = False
        self._connect_s: float | None = None
        self.began = 0.0
        self._ruled: RuledRequest | None = None
        self._rewritten: Rewritten | None = None
        self._ends_at: float | None = None

    # The request

    def begin(self, head: RequestHead, route: RouteState | None, request: bytes) -> None:
        """Start with a whole head; the client's buffer holds what came after it.

        `request`: the bytes to send on, but for the request id, which is made here unless the client sent one.
        """
        engine = self._engine
        self.head = head
        self.active = True
        self.began = self.attempt_began = monotonic()
        self.bytes_in = self.bytes_out = self.attempts = self._informational = 0
        self.stage = Stage.NOT_SENT
        self._keep_alive = head.keep_alive and not engine.draining
        request_id = head.request_id
        if request_id is None:
            request_id = engine.new_request_id()
            request += b"X-Request-Id: %b\r\n\r\n" % request_id
        else:
            request += b"\r\n"
        self._request_id = request_id
        self.request = request
        self.request_read = True
        engine.counters.active += 1
        if head.body_length:
            self._begin_body(head.body_length)
        if route is None:
            assert engine.serving is not None
            self.fail(*engine.serving.why_unrouted(head))
            return
        if route.rules is None:
            service = route.only or route.draw()
            self._timeouts, self._retries = service.timeouts, service.retries
        else:
            obeyed = self._obey(route, route.rules)
            if obeyed is None:
                return
            service = obeyed
        self._service = service
        if self._timeouts.request_s is not None:
            self._ends_at = engine.reactor.now + self._timeouts.request_s
        budget = service.budget
        if budget.begun - budget.ended >= service.room.admits or not self.enter_service():
            self._wait(service)

    def enter_service(self) -> bool:
        """Make the first attempt; False, and nothing happens, when no replica has room for one more request."""
        service = self._service
        assert service is not None
        room = service.room
        affinity = service.affinity
        if affinity is None:
            replica, _ = service.balancer.pick()
        else:
            replica, _ = affinity.pick(self.head, self.client.peer.address)
        if replica is not None and not (
            replica.in_flight < room.limits.replica_connections
            and (replica.idle or replica.connecting < room.limits.connecting)
        ):
            replica = service.pick_with_room()
            if replica is None:
                return False
        if self.waiting:
            self.waiting = False
            room.leave(self)
            self.attempt_began = monotonic()
        service.budget.begun += 1
        if replica is None:
            self.fail(failures.NO_REPLICA, f"no replica of service {service.name} can serve")
        else:
            if service.watch is not None and service.watch.delay is not None and affinity is None:
                plan_hedge(self._engine.hedges, self, service.watch, service.watch.delay.delay_s)
            self._attempt(replica)
        return True

    def _wait(self, service: ServiceState) -> None:
        """The service has as much to do as it may: queue for a place. A step finds out if the client has left."""
        self.waiting = True
        limits = service.room.limits
        if service.room.enter(self, self._engine.reactor):
            self._expect_within(limits.pending_timeout_s)
            self._engine.reactor.again(self.client)
        else:
            self.fail(failures.QUEUE_FULL, f"{limits.pending} requests wait for service {service.name} already")

    def on_crash(self) -> None:
        """A bug of ours met this exchange outside its connections' steps."""
        self.client.on_crash()

    def _obey(self, route: RouteState, rules: ReadyRules) -> ServiceState | None:
        """Do what the route's rules say; the service that the request goes to, or None when it has its answer."""
        head, peer = self.head, self.client.peer
        asked = Asked(head, peer.address, peer.scheme)
        self._ruled = ruled = RuledRequest(rules, asked, self._request_id, self._rewritten)
        outcome = ruled.obey(self.request, self._engine.reactor.now)
        if isinstance(outcome, Answer):
            # It counts for the service that the route leads to, if there is one only.
            self._service = route.only
            if route.only is not None:
                route.only.budget.begun += 1
            self._reply(outcome, keep_alive=self._keep_alive)
            return None
        self.request = outcome
        if self.request_body is not None:
            self.request_body.limit(rules.max_body_bytes)
        service = route.choose(asked)
        self._timeouts, self._retries = route.policy_for(service)
        if route.mirror is not None:
            mirror_request(self._engine, route.mirror, head, self.request, is_whole=self.request_read)
        return service

    def _begin_body(self, length: int) -> None:
        small = take_small_body(self.client, length)
        if small:
            self.request += small
            self.bytes_in = length
        else:
            self.request_read = False
            self.request_body = RequestBody(self, self._engine, length)

    def _attempt(self, replica: ReplicaState) -> None:
        """Send the request to one replica, over a pooled connection if there is one."""
        self.attempts += 1
        self.replica = replica
        self._holds_replica = True
        try:
            self.upstream = upstream = take_connection(self._engine, replica, self.head.method in IDEMPOTENT_METHODS)
        except OSError as error:
            self.fail(failures.OVERLOADED, f"this balancer can open no more connections: {error.strerror}")
            return
        if upstream.connecting:
            self._expect_within(self._timeouts.connect_s)
            upstream.connect(self)
        else:
            upstream.send_request(self)

    def connected(self) -> None:
        """A connection was made for this attempt."""
        self._connect_s = monotonic() - self.attempt_began
        service = self._service
        if service is not None and not service.room.admits:
            service.room.look()

    def request_sent(self) -> None:
        """The upstream connection has taken the first bytes: from now on a repeat is not free."""
        self.stage = Stage.SENT
        if self.request_read:
            if self._ends_at is None:
                self.client.expect_within(self._timeouts.response_s)
            else:
                self._expect_within(self._timeouts.response_s)
        else:
            assert self.upstream is not None
            assert self.request_body is not None
            self.request_body.follow_head(self.upstream, self._timeouts.idle_s)

    def expect_progress(self) -> None:
        """Something moved: the phase the exchange is in begins, or goes on."""
        seconds = self._timeouts.idle_s
        body = self._body_under_way()
        if self.request_read and self._response is None:
            seconds = self._timeouts.response_s
        elif body is not None and body.pace is not None:
            seconds = body.pace.look_after(seconds)
        self._expect_within(seconds)

    def _body_under_way(self) -> Paced | None:
        """The response's hides the request's: there is one silence, and one pace."""
        if self._response is not None:
            return self._streamed
        return None if self.request_read else self.request_body

    def _expect_within(self, seconds: float) -> None:
        """What comes next must come within this time, and within that of the whole request."""
        if self._ends_at is not None:
            seconds = min(seconds, max(0.0, self._ends_at - self._engine.reactor.now))
        self.client.expect_within(seconds)

    def pump_request(self) -> None:
        """Pass on what has come of the request's body, as far as the replica takes it."""
        upstream, body = self.upstream, self.request_body
        if upstream is not None and self.stage is not Stage.NOT_SENT and body is not None:
            body.pump()

    def upstream_progress(self) -> None:
        """The replica took all that had waited."""
        self.expect_progress()
        if not self.request_read:
            self.pump_request()

    # The response

    def respond(self, head: ResponseHead, head_out: bytes, data: bytes) -> None:
        """A final head with the bytes that came with it; `head_out` is what a keep-alive HTTP/1.1 client gets."""
        now = monotonic()
        replica, service = self.replica, self._service
        assert replica is not None
        assert service is not None
        if head.status < 429:
            replica.observe_latency(now - self.attempt_began)
        else:
            observe_refusal(head, service, replica, now - self.attempt_began)
        if self._further is not None:
            self._further.answered()
        if service.watch is not None and head.status < 429:
            service.watch.observe(now - self.attempt_began, now)
        if self._ruled is not None:
            head_out, head = self._ruled.edit_response(head, head_out, via(head.minor_version) + b"\r\n")
        if service.affinity is not None:
            head_out, head = service.affinity.with_cookie(self.head, replica, head_out, head)
        self._response = head
        self.stage = Stage.ANSWERED
        length = head.body_length
        if (
            len(data) - head.head_bytes == length
            and self._keep_alive
            and self.request_read
            and self.head.minor_version == 1
        ):
            self.bytes_out = length
            self.client.write(head_out + data[head.head_bytes :] if length else head_out)
            if self.active:
                self.complete(clean=True, now=now)
        else:
            self._begin_response(head, data[head.head_bytes :])

    def _begin_response(self, head: ResponseHead, data: bytes) -> None:
        """Any other response: streamed, closing, for an HTTP/1.0 client, or ahead of the end of the request."""
        assert self.upstream is not None
        if self.head.method == b"CONNECT" and 200 <= head.status < 300:
            self._open_tunnel(head, rewrite_for_tunnel(head.head, via=via(head.minor_version)), data)
            return
        unread = None if self.request_read else self.request_body
        self._streamed = StreamedResponse(self, self._engine, head, keep_alive=self._keep_alive, unread=unread)
        self.expect_progress()
        self._streamed.send_head()
        if self.active:
            self.upstream.relay(data)

    def response_data(self, data: bytes) -> None:
        """A piece of the response's body for the client."""
        assert self._streamed is not None
        self._streamed.pass_on(data)

    def response_ended(self) -> None:
        """The replica closed the connection after the response's head."""
        assert self._streamed is not None
        self._streamed.ended()

    def informational(self, head: ResponseHead) -> bool:
        """A 1xx response (RFC 9110 §15.2): passed on, unless the client speaks HTTP/1.0. False: there are too many."""
        self._informational += 1
        if self._informational > INFORMATIONAL_RESPONSES_MAX:
            return False
        if self.head.minor_version == 1:
            self.client.write(head.head + b"\r\n")
        return True

    def client_progress(self) -> None:
        """The client took some of what had waited."""
        upstream, body = self.upstream, self._streamed
        if upstream is None:
            return
        if body is not None:
            if not body.client_took(self._timeouts.idle_s):
                return
            self.expect_progress()
        if not self.client.outgoing:
            upstream.resume()

    def complete(self, *, clean: bool, now: float) -> None:
        """The response is whole. `clean`: nothing came after it, so that the connection may serve again."""
        upstream, head, client, streamed = self.upstream, self._response, self.client, self._streamed
        assert upstream is not None
        assert head is not None
        self.upstream = None
        reusable = clean and head.keep_alive and self.request_read
        self._end(head.status, "", now)
        if reusable:
            upstream.pool()
        else:
            upstream.close()
        if streamed is None:
            client.next_request()
        else:
            streamed.release(client)

    # Tunnels

    def switch_protocols(self, head: ResponseHead, head_out: bytes, data: bytes) -> None:
        """101: from here on the connections carry what they like (RFC 9110 §7.8)."""
        upstream = self.upstream
        assert upstream is not None
        if not self.request_read or upstream.outgoing:
            self.attempt_failed(failures.BAD_RESPONSE, "101 before the end of the request (RFC 9110 section 7.8)")
            return
        replica, service = upstream.replica, self._service
        assert service is not None
        replica.observe_latency(monotonic() - self.attempt_began)
        if self._ruled is not None:
            head_out, head = self._ruled.edit_response(head, head_out, VIA_LAST)
        if service.affinity is not None:
            head_out, head = service.affinity.with_cookie(self.head, replica, head_out, head)
        self._response = head
        self.stage = Stage.ANSWERED
        self._open_tunnel(head, head_out, data)

    def _open_tunnel(self, head: ResponseHead, head_out: bytes, data: bytes) -> None:
        """The exchange is over and counted; its record is written when the tunnel ends."""
        upstream, service = self.upstream, self._service
        assert upstream is not None
        assert service is not None
        now = monotonic()
        opening = Opening(
            self.head,
            head.status,
            self.attempts,
            self.began,
            self._request_id,
            self.bytes_in,
            now - self.began,
            self._connect_s,
        )
        self.upstream = None
        self._holds_replica = False
        self._end(head.status, "", now, log=False)
        open_tunnel(self._engine, self.client, upstream, service, self._timeouts, opening, head_out, data)

    # Further attempts

    def _further_attempts(self) -> FurtherAttempts:
        if self._further is None:
            assert self._service is not None
            self._further = FurtherAttempts(self._engine, self, self._service, self._retries)
        return self._further

    def attempt_failed(self, failure: Failure, detail: str) -> None:
        """The attempt came to nothing: try another replica where that is safe, else tell the client."""
        self._further_attempts().attempt_failed(failure, detail)

    def attempt_again(self, replica: ReplicaState) -> None:
        """Send the request to this replica, after an attempt that has been dropped."""
        self.stage = Stage.NOT_SENT
        self.attempt_began = monotonic()
        self._attempt(replica)

    def hedge(self) -> None:
        """The first attempt has been out for so long that a second one may answer sooner."""
        service = self._service
        if service is not None and service.watch is not None and self._response is None and self.attempts == 1:
            self._further_attempts().hedge()

    def take_over(self, upstream: UpstreamConnection, began: float, connect_s: float | None, *, is_sent: bool) -> None:
        """Go on with the attempt that this connection carries instead of the exchange's own, which is late or lost."""
        late = self.replica
        if self._holds_replica and late is not None:
            late.took_at_least(monotonic() - self.attempt_began)
        self.drop_upstream()
        self.replica, self.upstream = upstream.replica, upstream
        self._holds_replica = True
        self.attempt_began = began
        self._connect_s = connect_s
        self.stage = Stage.SENT if is_sent else Stage.NOT_SENT
        upstream.hand_over(self)
        self._expect_within(self._timeouts.response_s if is_sent else self._timeouts.connect_s)

    def waits_for_fallen(self) -> bool:
        """Is the answer to come from a replica that is known to be down?"""
        replica = self.replica
        return self._holds_replica and self._response is None and replica is not None and replica.is_down

    def leave_fallen(self) -> None:
        """Ask another replica than the one that is down, where that is safe and one has room."""
        if self.replica is not None and self.waits_for_fallen():
            self._further_attempts().leave(self.replica)

    # Failing

    def client_left(self) -> None:
        """The client has closed its side while the replica is at work. Half a close may be all it meant: only where the
        operator says so is it taken for the end.
        """
        if self._response is None and self._service is not None and self._service.abort_on_close:
            self.abandon(failures.CLIENT_CLOSED)
            self.client.close()

    def on_deadline(self) -> None:
        """The whole request, or the phase that it is in, took too long."""
        service = self._service
        assert service is not None
        body = self._body_under_way()
        left_s = meet_deadline(self._engine, self, service, self._timeouts, self._ends_at, body)
        if left_s is not None:
            self._expect_within(left_s)

    def give_up(self, failure: Failure, detail: str) -> None:
        """The client is to blame: there is nothing to try again."""
        self.drop_upstream()
        self.fail(failure, detail)

    def fail(self, failure: Failure, detail: str) -> None:
        """No answer will come from a replica: give one, or cut off the one that was under way."""
        if self.stage is Stage.ANSWERED or not failure.answerable:
            self._end(self._status_seen(failure), failure.reason, monotonic(), detail)
            self.client.reset()
        else:
            keep_alive = self._keep_alive and failure.fault is not Fault.CLIENT
            self._reply(Answer(failure.status, failure.reason, detail), keep_alive=keep_alive)

    def _reply(self, answer: Answer, *, keep_alive: bool) -> None:
        """An answer of our own, and the end. What is left of the request's body costs the connection."""
        client = self.client
        keep_alive = keep_alive and self.request_read
        response = own_answer(self._engine, self.head, self._request_id, self._ruled, answer, keep_alive=keep_alive)
        self._end(answer.status, answer.reason, monotonic(), answer.detail)
        client.write(response)
        if keep_alive:
            client.next_request()
        else:
            client.finish_and_close()

    def abandon(self, failure: Failure) -> None:
        """The client is gone, the drain's time is up, or something crashed: let go of everything and record it."""
        if self.active:
            replica, service = self.replica, self._service
            waited = failure is failures.CLIENT_CLOSED and self.stage is Stage.SENT and self.request_read
            if waited and replica and service:
                observe_given_up(service, replica, monotonic() - self.attempt_began)
            self.drop_upstream()
            self._end(self._status_seen(failure), failure.reason, monotonic())

    def _status_seen(self, failure: Failure) -> int:
        return self._response.status if self._response is not None else failure.status

    # Letting go

    def drop_upstream(self) -> None:
        """Close the attempt's connection; the replica is free of it."""
        upstream, replica, service = self.upstream, self.replica, self._service
        if self._holds_replica and replica is not None:
            self._holds_replica = False
            replica.in_flight -= 1
        if service is not None and not service.room.admits:
            service.room.look(replica)
        if upstream is not None:
            self.upstream = None
            upstream.close()

    def _end(self, status: int, reason: str, now: float, detail: str = "", *, log: bool = True) -> None:
        """The one place where an exchange ends: counters, histogram, a line in the access log (a tunnel's is later)."""
        engine, head, replica, service = self._engine, self.head, self.replica, self._service
        if self._holds_replica and replica is not None:
            self._holds_replica = False
            replica.in_flight -= 1
        if self._further is not None:
            self._further.end()
            self._further = None
        self.active = False
        engine.counters.active -= 1
        duration_s = now - self.began
        if service is None:
            engine.unrouted.of(head.method, status, reason).record(duration_s)
        else:
            if self.waiting:
                self.waiting = False
                service.room.leave(self)
            else:
                service.budget.ended += 1
            if not service.room.admits:
                service.room.look(replica)
            service.durations.of(head.method, status, reason).record(duration_s)
        if log and engine.access_log.enabled:
            engine.access_log.write(
                exchange_line(
                    engine.time_text.get(),
                    self.client.peer.log_fragment,
                    head,
                    replica.log_fragment if replica else service.log_fragment if service else b"",
                    status,
                    reason,
                    self.attempts,
                    self.bytes_in,
                    self.bytes_out,
                    duration_s,
                    self._request_id,
                    detail,
                    self._streamed.first_byte_s if self._streamed is not None else None,
                    self._connect_s,
                )
            )
        self._connect_s = None
        self.head = NO_HEAD
        self.request = b""
        self._service = self.replica = self._response = self.request_body = self._streamed = None
        self._ends_at = None
        if self._ruled is not None:
            self._rewritten = self._ruled.to_remember()
            self._ruled = None
