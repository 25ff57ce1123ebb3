"""Answers of the balancer's own to a request that has become an exchange: that it failed, or what a rule says."""

from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.ruled_request import RuledRequest
from lbmesh.http1.local_response import local_response
from lbmesh.http1.message import RequestHead
from lbmesh.routing.rules import Answer


def own_answer(
    engine: Engine,
    head: RequestHead,
    request_id: bytes,
    ruled: RuledRequest | None,
    answer: Answer,
    *,
    keep_alive: bool,
) -> bytes:
    """A whole response to the request with this head, as the rules of its route (`ruled`) want it."""
    response = local_response(
        answer.status,
        reason=answer.reason,
        detail=answer.detail,
        request_id=request_id,
        date=engine.http_clock.line,
        keep_alive=keep_alive,
        to_head=head.method == b"HEAD",
        page=answer.page,
        minor_version=head.minor_version,
    )
    return response if ruled is None else ruled.edit_own_answer(response)
