"""Answers the balancer gives itself."""

from http import HTTPStatus

RETRY_AFTER_S = 1
"""What 503 advises: failover and health checks need about this long."""

_PHRASES = {status.value: status.phrase for status in HTTPStatus} | {499: "Client Closed Request"}


def local_response(
    status: int, *, reason: str, detail: str, request_id: bytes, keep_alive: bool, to_head: bool = False
) -> bytes:
    """A whole response in plain text that says what went wrong and under which id the log has it."""
    phrase = _PHRASES.get(status, "Error")
    body = f"{status} {phrase}: {detail} ({reason}, request {request_id.decode()})\n".encode()
    lines = [
        b"HTTP/1.1 %d %b" % (status, phrase.encode()),
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Length: %d" % len(body),
        b"Cache-Control: no-store",
        b"X-Request-Id: " + request_id,
    ]
    if status == 503:
        lines.append(b"Retry-After: %d" % RETRY_AFTER_S)
    if status == 405:
        lines.append(b"Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS")
    if not keep_alive:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n" + (b"" if to_head else body)
