"""Answers the balancer gives itself."""

from http import HTTPStatus
from typing import NamedTuple

RETRY_AFTER_S = 1
"""What 503 advises: failover and health checks need about this long."""

_ALLOW = b"Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"
"""What is passed on everywhere; a service may take more, or less (RFC 9110 §10.2.1)."""

_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",
    499: "Client Closed Request",
}

_WITHOUT_LENGTH = (204, 304)
"""RFC 9110 §8.6: a 204 must not have one; that of a 304 would be another representation's."""


class Page(NamedTuple):
    """What an answer says beyond its status. `fields`: lines without their CRLF. `body` None: the usual text."""

    fields: tuple[bytes, ...] = ()
    body: bytes | None = None


def local_response(
    status: int,
    *,
    reason: str,
    detail: str,
    request_id: bytes,
    date: bytes,
    keep_alive: bool,
    to_head: bool = False,
    minor_version: int = 1,
    page: Page | None = None,
) -> bytes:
    """A whole response: `page`, or plain text that says what went wrong and under which id the log has it.

    `date`: the line with its CRLF (RFC 9110 §6.6.1). `minor_version`: the client's.
    """
    phrase = _PHRASES.get(status, "Error")
    if page is None or page.body is None:
        body = f"{status} {phrase}: {detail} ({reason}, request {request_id.decode()})\n".encode()
        described = [b"Content-Type: text/plain; charset=utf-8", b"Cache-Control: no-store"]
    else:
        body, described = page.body, []
    lines = described
    if status not in _WITHOUT_LENGTH:
        lines.append(b"Content-Length: %d" % len(body))
    lines.append(b"X-Request-Id: " + request_id)
    if page is not None:
        lines += page.fields
    elif status == 503:
        lines.append(b"Retry-After: %d" % RETRY_AFTER_S)
    if status == 405 or (status == 200 and page is None):
        lines.append(_ALLOW)
    if not keep_alive:
        lines.append(b"Connection: close")
    elif minor_version == 0:
        lines.append(b"Connection: keep-alive")
    start = b"HTTP/1.1 %d %b\r\n" % (status, phrase.encode()) + date
    return start + b"\r\n".join(lines) + b"\r\n\r\n" + (b"" if to_head else body)
