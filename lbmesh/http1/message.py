"""What a head means to an intermediary, and why one is refused."""

from dataclasses import dataclass
from typing import NamedTuple

CHUNKED = -1
"""A `body_length`: the body is chunked (RFC 9112 §7.1)."""

UNTIL_CLOSE = -2
"""A `body_length`: the response's body ends when the connection does (RFC 9112 §6.3 rule 8)."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What only few requests ask of an intermediary. `protocols`: those the client would switch to (RFC 9110 §7.8), as
    far as a replica may be asked for them. `expects_continue`: it waits for 100 before it sends its body (§10.1.1).
    """

    protocols: tuple[bytes, ...] = ()
    expects_continue: bool = False


class RequestHead(NamedTuple):
    """A request head, ready to be routed and forwarded.

    `head`: the start line and fields to send on, as HTTP/1.1, each line with its CRLF, without the empty line:
    hop-by-hop fields are gone (RFC 9110 §7.6.1), claims of where it comes from too, and the proxy's own
    fields still have to be added. `host`: the authority, lower or mixed case, with its port if any. `body_length`:
    bytes, or CHUNKED; 0 is no body. `keep_alive`: the client wants the connection kept. `request_id`: the
    client's X-Request-Id (already part of `head`), or None. `demands`: None for nearly all.
    """

    method: bytes
    target: bytes
    host: bytes
    minor_version: int
    body_length: int
    keep_alive: bool
    request_id: bytes | None
    head: bytes
    head_bytes: int
    demands: Demands | None = None


NO_HEAD = RequestHead(b"", b"", b"", 1, 0, False, None, b"", 0)
"""Stands where no request is under way."""


class ResponseHead(NamedTuple):
    """A response head, ready to be sent on.

    `head`: status line (always HTTP/1.1) and fields without hop-by-hop ones and without the empty line.
    `body_length`: bytes, CHUNKED or UNTIL_CLOSE. `keep_alive`: the upstream connection can be used again
    after the body. `minor_version`: the replica's.
    """

    status: int
    body_length: int
    keep_alive: bool
    head: bytes
    head_bytes: int
    minor_version: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is not forwarded. `reason` is the access log's word, `detail` tells a person. `status`: of the
    answer to the client; 200 only where this balancer is whom the request was for.
    """

    status: int
    reason: str
    detail: str


def bad_request(detail: str) -> Refusal:
    """A 400: the message is malformed or ambiguous."""
    return Refusal(400, "bad_request", detail)
