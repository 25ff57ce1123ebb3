"""An open-loop client of a front, as a program: `ADDRESS`, until its standard input ends; then one JSON list.

Requests are due at times of their own, whatever came of those before. Half of them open a connection each, half go over
connections that are kept, as a plain client does: one that was closed while it was idle is thrown away, a request that
was sent is never sent again. Each is [kind, due, ended, outcome, node] (words.Request).
"""

import itertools
import json
import os
import sys
import time
from collections import deque

import trio

from tests.bench.vip.words import PATIENCE_S, RATE, body_of

_READ_BYTES = 65_536


class NoAnswerError(Exception):
    """The connection ended before the answer did, or the answer is an error. Words say which."""


async def ask(stream: trio.SocketStream, method: str, marked: str, *, keep: bool) -> tuple[int, bool]:
    """The node that answered, and whether the body is the request's own."""
    text = f"{method} /{marked} HTTP/1.1\r\nHost: front\r\n"
    text += "" if keep else "Connection: close\r\n"
    text += f"Content-Length: {len(marked)}\r\n\r\n{marked}" if method == "POST" else "\r\n"
    await stream.send_all(text.encode())
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += await _more(stream)
    if data[9:12] != b"200":
        raise NoAnswerError(f"status {data[9:12].decode(errors='replace')}")
    fields = {
        name.lower(): value.strip() for name, _, value in (one.partition(b":") for one in data[:end].split(b"\r\n"))
    }
    whole = end + 4 + int(fields[b"content-length"])
    while len(data) < whole:
        data += await _more(stream)
    return int(fields[b"x-node"]), data[end + 4 :] == body_of(marked)


async def _more(stream: trio.SocketStream) -> bytes:
    part = bytes(await stream.receive_some(_READ_BYTES))
    if not part:
        raise NoAnswerError("closed")
    return part


class Client:
    """All requests to one front."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._idle: deque[trio.SocketStream] = deque()
        self._number = itertools.count()
        self.seen: list[tuple[str, float, float, str, int]] = []

    async def issue(self, kind: str) -> None:
        """Requests of one kind, each when it is due."""
        gap_s = 1 / RATE[kind]
        due_s = time.monotonic() + gap_s
        async with trio.open_nursery() as nursery:
            while not ended.is_set():
                nursery.start_soon(self._request, kind, due_s)
                due_s += gap_s
                with trio.move_on_after(max(0.0, due_s - time.monotonic())):
                    await ended.wait()

    async def _request(self, kind: str, due_s: float) -> None:
        number = next(self._number)
        marked = f"{os.getpid()}-{number}"
        outcome, node, stream = "hung", 0, None
        with trio.move_on_after(max(0.0, due_s + PATIENCE_S - time.monotonic())):
            try:
                stream = await self._connection(kind)
                method = "POST" if number // 2 % 2 else "GET"
                node, is_own = await ask(stream, method, marked, keep=kind == "kept")
                outcome = "ok" if is_own else "mixed"
            except (OSError, trio.BrokenResourceError, NoAnswerError) as error:
                cause = error.__cause__ if isinstance(error, trio.BrokenResourceError) else error
                outcome = f"{type(cause).__name__}: {cause}"
        self.seen.append((kind, due_s, time.monotonic(), outcome, node))
        if stream is not None:
            if kind == "kept" and outcome == "ok":
                self._idle.append(stream)
            else:
                await trio.aclose_forcefully(stream)

    async def _connection(self, kind: str) -> trio.SocketStream:
        while kind == "kept" and self._idle:
            stream = self._idle.popleft()
            if not stream.socket.is_readable():
                return stream
            await trio.aclose_forcefully(stream)
        return await trio.open_tcp_stream(self._address, 80)


async def main() -> None:
    """Ask until told to end."""
    client = Client(sys.argv[1])
    async with trio.open_nursery() as nursery:
        for kind in RATE:
            nursery.start_soon(client.issue, kind)
        print("asking", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        ended.set()
    print(json.dumps(sorted(client.seen)), flush=True)


if __name__ == "__main__":
    ended = trio.Event()
    trio.run(main)
