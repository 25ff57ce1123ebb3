"""What a client is told whose request does not become an exchange, and the record of that."""

from lbmesh.forward.failure import OVERLOADED, Failure
from lbmesh.forwarder.durations import OTHER_METHOD
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.record import refusal_line
from lbmesh.http1.local_response import local_response
from lbmesh.http1.message import Refusal
from lbmesh.model.limits import HEAD_BYTES_MAX, TARGET_BYTES_MAX

TLS_ON_PLAIN_PORT = Refusal(400, "tls_on_plain_port", "a TLS handshake on a port that speaks plain HTTP")
CONNECT_NOT_TAKEN = Refusal(405, "method_not_allowed", 'CONNECT to a service without "connect = true"')
BARE_LF = Refusal(400, "bad_request", "a bare LF in the head (RFC 9112 section 2.2)")
HEAD_TIMEOUT = Refusal(408, "head_timeout", "the request head did not arrive in time")
SHED = Refusal(503, "overloaded", "this balancer is full, and the rest of the head did not come")


def too_large(data: bytes) -> Refusal:
    """Of a head beyond HEAD_BYTES_MAX: is it the target, or the fields (RFC 9110 §15.5.15, RFC 6585 §5)?"""
    if data.find(b"\n", 0, TARGET_BYTES_MAX) < 0:
        return Refusal(414, "target_too_long", f"a request target of more than {TARGET_BYTES_MAX} bytes")
    return Refusal(431, "head_too_large", f"a request head of more than {HEAD_BYTES_MAX} bytes")


def answer_refused(engine: Engine, log_fragment: bytes, refusal: Refusal, *, to_head: bool) -> bytes:
    """The answer to a head that is not forwarded, counted and logged. `log_fragment`: the client in the log's words;
    `to_head`: the answer is one to HEAD, without a body.
    """
    request_id = engine.new_request_id()
    engine.unrouted.of(OTHER_METHOD, refusal.status, refusal.reason).record(0.0)
    if engine.access_log.enabled:
        engine.access_log.write(
            refusal_line(
                engine.time_text.get(),
                log_fragment,
                refusal.status,
                refusal.reason,
                request_id,
                refusal.detail,
            )
        )
    return local_response(
        refusal.status,
        reason=refusal.reason,
        detail=refusal.detail,
        request_id=request_id,
        date=engine.http_clock.line,
        keep_alive=False,
        to_head=to_head,
    )


def count_unserved(engine: Engine, failure: Failure) -> None:
    """A request that nobody looked at, since this process is behind: counted, but of no line in the log."""
    engine.unrouted.of(OTHER_METHOD, failure.status, failure.reason).record(0.0)


def answer_turned_away(engine: Engine) -> bytes:
    """The answer to a request that nobody looked at, counted. It has to cost next to nothing."""
    count_unserved(engine, OVERLOADED)
    return _TURNED_AWAY % engine.http_clock.line


_TURNED_AWAY = local_response(
    503,
    reason="overloaded",
    detail="this balancer has more to do than it can",
    request_id=b"-",
    date=b"%b",
    keep_alive=False,
)
