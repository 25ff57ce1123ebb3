"""The application behind every origin: one line of JSON a request, in ORIGIN_LOG and as the answer.

It runs in the origin's process, so it takes nothing but the standard library.
"""

import json
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_to_bytes

_LOG = os.open(os.environ.get("ORIGIN_LOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _seen(
    method: str, path: bytes, query: bytes, fields: Iterable[tuple[str, str]], body: bytes, *, complete: bool
) -> bytes:
    """Write down one request; the line is the answer, too."""
    named = {name.lower(): value for name, value in fields}
    line = {
        "method": method,
        "path": unquote_to_bytes(path).decode("latin-1"),
        "query": query.decode("latin-1"),
        "request_id": named.get("x-request-id", ""),
        "marker": named.get("x-marker", ""),
        "digest": sha256(body).hexdigest(),
        "size": len(body),
        "complete": complete,
    }
    text = json.dumps(line).encode() + b"\n"
    os.write(_LOG, text)
    return text


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """For uvicorn, hypercorn, granian and daphne."""
    assert scope["type"] == "http"
    body, complete = b"", False
    while not complete:
        event = await receive()
        if event["type"] == "http.disconnect":
            break
        body += event.get("body", b"")
        complete = not event.get("more_body", False)
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    answer = _seen(scope["method"], path, scope["query_string"], fields, body, complete=complete)
    length = str(len(answer)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": answer})


def wsgi(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterator[bytes]:
    """For gunicorn, waitress and cheroot."""
    fields = [(name[5:].replace("_", "-"), value) for name, value in environ.items() if name.startswith("HTTP_")]
    length = environ.get("CONTENT_LENGTH")
    stream = environ["wsgi.input"]
    if length:
        body = stream.read(int(length))
        complete = len(body) == int(length)
    else:
        body = stream.read() if "HTTP_TRANSFER_ENCODING" in environ else b""
        complete = True
    path = environ["PATH_INFO"].encode("latin-1")
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    # The server has decoded the path; what is an escape in it now was a "%25".
    path = path.replace(b"%", b"%25")
    answer = _seen(environ["REQUEST_METHOD"], path, query, fields, body, complete=complete)
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    yield answer
