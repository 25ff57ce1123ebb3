"""The sample application's process: HTTP/1.1 by trio and h11, its books in a file that outlives a kill."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import h11
import trio

from lbmesh.dev.shop import Ordered, Reply, Request, Shop, read_order

BODY_BYTES_MAX = 4096
IDLE_S = 75.0
"""Longer than a balancer keeps a connection that it does not use (forwarder.upstream_idle)."""

RECEIVE_BYTES = 16_384

Answer = Callable[[Request], Reply]
Fields = list[tuple[bytes, bytes]]


def serve(name: str, zone: str, listen_fd: int, journal: Path) -> None:
    """Serve on an inherited listening socket until killed."""
    shop = Shop(name, zone, os.getpid(), _read_books(journal))
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(socket.socket(fileno=listen_fd)))
    with journal.open("ab", buffering=0) as books:

        def answer(request: Request) -> Reply:
            reply = shop.serve(request)
            if reply.booked is not None:
                books.write(_line(reply.booked))
            return reply

        fields = [(b"X-Replica", name.encode()), (b"X-Zone", zone.encode())]
        trio.run(trio.serve_listeners, partial(_serve_connection, answer, fields), [listener])


def _read_books(journal: Path) -> Iterator[Ordered]:
    lines = journal.read_text().splitlines() if journal.exists() else []
    for line in lines:
        entry = json.loads(line)
        order = read_order(entry["key"], line.encode())
        if order is not None:
            yield order


def _line(order: Ordered) -> bytes:
    return json.dumps({"key": order.key, "item": order.item, "count": order.count}).encode() + b"\n"


async def _serve_connection(answer: Answer, fields: Fields, stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER)
    try:
        with trio.CancelScope() as patience:
            while True:
                patience.deadline = trio.current_time() + IDLE_S
                request = await _read_request(connection, stream)
                if request is None:
                    return
                await _send(connection, stream, answer(request), fields, with_body=request.method != "HEAD")
                if connection.our_state is not h11.DONE:
                    return
                connection.start_next_cycle()
    except h11.RemoteProtocolError as error:
        await _refuse(connection, stream, error)
    except trio.BrokenResourceError:
        return
    finally:
        await trio.aclose_forcefully(stream)


async def _read_request(connection: h11.Connection, stream: trio.SocketStream) -> Request | None:
    """The next request with its body; None when the client is done. Raises h11.RemoteProtocolError."""
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(RECEIVE_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_BYTES_MAX:
                raise h11.RemoteProtocolError("an order fits into 4 KiB", error_status_hint=413)
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            key = dict(head.headers).get(b"idempotency-key", b"").decode("latin-1")
            path = head.target.partition(b"?")[0].decode("latin-1")
            return Request(head.method.decode(), path, key, body)
        else:
            return None


async def _refuse(connection: h11.Connection, stream: trio.SocketStream, error: h11.RemoteProtocolError) -> None:
    if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    reply = Reply(error.error_status_hint, f"{error}\n".encode(), "text/plain; charset=utf-8")
    with suppress(trio.BrokenResourceError):
        await _send(connection, stream, reply, [(b"Connection", b"close")], with_body=True)


async def _send(
    connection: h11.Connection, stream: trio.SocketStream, reply: Reply, fields: Fields, *, with_body: bool
) -> None:
    head = h11.Response(
        status_code=reply.status,
        headers=[
            (b"Content-Type", reply.content_type.encode()),
            (b"Content-Length", str(len(reply.body)).encode()),
            *fields,
        ],
    )
    parts = [connection.send(head)]
    if with_body:
        parts.append(connection.send(h11.Data(data=reply.body)))
    parts.append(connection.send(h11.EndOfMessage()))
    await stream.send_all(b"".join(part for part in parts if part))
