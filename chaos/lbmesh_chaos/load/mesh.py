"""What clients with `lbmesh.client` have in common: their requests for httpx, and its errors as words of the log."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx

from lbmesh.client import Answered, Policy
from lbmesh_chaos.load.bodies import PIECE_BYTES, SIZES, body_of
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.load.requests import Asked, parts_of
from lbmesh_chaos.model.flow import Body, Method
from lbmesh_chaos.model.tally import CLOSED, CUT_SHORT, MALFORMED, NO_ROOM, REFUSED, RESET, SILENT, UNREACHABLE

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def limits_of(order: Order) -> httpx.Limits:
    """Room for all that the order may have under way."""
    return httpx.Limits(max_connections=order.in_flight_max, max_keepalive_connections=32)


def policy_of(order: Order) -> Policy:
    """At a service that is not the lab's no request is sent a third time: its owner has set a bound."""
    return Policy(attempts_max=2) if order.template else Policy()


def pieces_of(identity: str) -> Iterator[bytes]:
    """A streamed body, as a generator has it: it can be sent once."""
    body = body_of(identity, SIZES[Body.STREAM])
    return (body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES))


async def slow_pieces_of(identity: str) -> AsyncIterator[bytes]:
    """The same for an event loop."""
    for piece in pieces_of(identity):
        yield piece


def to_httpx(
    order: Order, asked: Asked, pieces: Callable[[str], Iterator[bytes] | AsyncIterator[bytes]]
) -> httpx.Request:
    """For the transport itself, without httpx's client around it: that is httpx's own, and costs the most.

    `pieces`: of a streamed body, in the form that the transport takes.
    """
    flow = order.flows[asked.flow]
    parts = parts_of(order, flow, asked.identity)
    content: bytes | Iterator[bytes] | AsyncIterator[bytes] | None = None
    if flow.method is not Method.GET:
        content = pieces(asked.identity) if flow.body is Body.STREAM else parts.body
    patience = dict.fromkeys(("connect", "read", "write", "pool"), order.deadline_s)
    return httpx.Request(
        parts.method,
        f"http://{order.host}{parts.target}",
        headers=parts.fields,
        content=content,
        extensions={"timeout": patience},
    )


def field_of(response: httpx.Response) -> Callable[[str], str]:
    """As `word_of` asks for an answer's fields."""
    return lambda name: str(response.headers.get(name, ""))


def attempts_of(response: httpx.Response) -> int:
    """How often it was sent, by the transport's own word."""
    answered: Answered = response.extensions["lbmesh"]
    return answered.attempts


def failed(asked: Asked, error: httpx.TransportError, response: httpx.Response | None) -> tuple[str, int]:
    """A request that ended so, with what there was of its answer: its word in the log, with what the transport says
    happened at each balancer, and how often it was sent.
    """
    if not _was_sent(error):
        asked.sent_s = None
    word = _word_of_error(error, answering=response is not None)
    return f"{word}: {error}", attempts_of(response) if response else 0


def silent(response: httpx.Response | None) -> tuple[str, int]:
    """As `failed`, of a request whose client had no patience left."""
    if response is None:
        return f"{SILENT}: no answer had begun", 0
    answered: Answered = response.extensions["lbmesh"]
    return f"{SILENT}: in the body from {answered.balancer}", answered.attempts


def _was_sent(error: httpx.TransportError) -> bool:
    """Whether anything of the request may have reached a balancer."""
    return not isinstance(error, _NOT_SENT)


def _word_of_error(error: httpx.TransportError, *, answering: bool) -> str:
    """`answering`: the head of an answer was there."""
    match error:
        case httpx.ConnectTimeout():
            return UNREACHABLE
        case httpx.PoolTimeout():
            return NO_ROOM
        case httpx.ConnectError():
            return REFUSED
        case httpx.TimeoutException():
            return SILENT
        case _ if answering or "into the body" in str(error) or "in the body" in str(error):
            return CUT_SHORT
        case httpx.ReadError() | httpx.WriteError():
            return RESET
        case httpx.RemoteProtocolError() if "disconnected" in str(error) or "closed" in str(error):
            return CLOSED
        case _:
            return MALFORMED
