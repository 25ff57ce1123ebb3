"""The record of a request: one line of the access log, JSON with only what an operator asks for first."""

from lbmesh.http1.message import RequestHead
from lbmesh.observe.log_text import json_fragment


def exchange_line(
    time: bytes,
    client: bytes,
    head: RequestHead,
    replica: bytes,
    status: int,
    reason: str,
    attempts: int,
    bytes_in: int,
    bytes_out: int,
    duration_s: float,
    request_id: bytes,
    detail: str,
    first_byte_s: float | None = None,
    connect_s: float | None = None,
) -> bytes:
    """The line of an exchange. `client` and `replica`: their fragments of the line. Method and host need no escaping by
    their grammar; of the target's characters only the backslash does. `first_byte_s`: until the response's head came,
    where that was not all of it: else it is the duration. `connect_s`: what making a connection to the replica took, if
    one was made.
    """
    target = head.target
    if b"\\" in target:
        target = json_fragment(target)
    return (
        b'{"time":"%b",%b"method":"%b","host":"%b","path":"%b","status":%d,"reason":"%b",%b"attempts":%d,'
        b'"bytes_in":%d,"bytes_out":%d,"duration_us":%d,"request_id":"%b"%b%b%b}\n'
        % (
            time,
            client,
            head.method,
            head.host,
            target,
            status,
            reason.encode(),
            replica,
            attempts,
            bytes_in,
            bytes_out,
            int(duration_s * 1e6),
            request_id,
            b',"connect_us":%d' % int(connect_s * 1e6) if connect_s is not None else b"",
            b',"first_byte_us":%d' % int(first_byte_s * 1e6) if first_byte_s is not None else b"",
            b',"detail":"%b"' % json_fragment(detail.encode()) if detail else b"",
        )
    )


def refusal_line(time: bytes, client: bytes, status: int, reason: str, request_id: bytes, detail: str) -> bytes:
    """The line of a head that was refused before it became an exchange."""
    return b'{"time":"%b",%b"status":%d,"reason":"%b","request_id":"%b","detail":"%b"}\n' % (
        time,
        client,
        status,
        reason.encode(),
        request_id,
        json_fragment(detail.encode()),
    )
