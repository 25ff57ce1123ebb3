"""Ends for bodies that cost little themselves, so that the proxy between them is the limit. A thread for each
connection.

What is sent goes out with sendfile, without a copy; what is received under a Content-Length is thrown away in the
kernel (MSG_TRUNC of tcp(7)). `python -m tests.bench.bulk origin PORT...` serves GET /length/N and /chunked/N, N MiB
each, and a PUT, which it answers with the bytes that came. `python -m tests.bench.bulk client PORT KIND MIB
CONNECTIONS TIMES` moves bodies and prints the seconds and the payload bytes that took.
"""

import contextlib
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

MIB = 1 << 20
CHUNK_BYTES = 1 << 16
READ_BYTES = 1 << 20
LAST_CHUNK = b"0\r\n\r\n"
KINDS = ("down, Content-Length", "down, chunked", "up, Content-Length", "up, chunked")
FRAMING_SHARE_MAX = 0.01
"""Chunk lines add less than this to a body, however a proxy cuts it anew."""

_THROW_AWAY = socket.MSG_TRUNC | socket.MSG_WAITALL
_PIECE = bytes(range(256)) * (CHUNK_BYTES // 256)
_CHUNK = b"%x\r\n%b\r\n" % (CHUNK_BYTES, _PIECE)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)


class Connection:
    """One side of a connection; messages with bodies go over it in turn."""

    def __init__(self, connected: socket.socket, read_bytes: int = READ_BYTES) -> None:
        self._socket = connected
        self._buffer = memoryview(bytearray(read_bytes))

    def read_head(self) -> tuple[bytes, bytes]:
        """A head, and what of its body came with it. Raises EOFError when the other side has closed."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            received = self._socket.recv(READ_BYTES)
            if not received:
                raise EOFError
            data += received
        return data[: end + 4], data[end + 4 :]

    def drain(self, head: bytes, begun: bytes) -> int:
        """Throw away the body that belongs to a head; how many bytes it had, its framing included."""
        found = _LENGTH.search(head)
        if found:
            self._drain_counted(int(found[1]) - len(begun))
            return int(found[1])
        return self._drain_chunked(begun) if b"chunked" in head.lower() else len(begun)

    def read_text(self, head: bytes, begun: bytes) -> bytes:
        """The short body that belongs to a head."""
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        while len(begun) < length:
            received = self._socket.recv(length - len(begun))
            if not received:
                raise EOFError
            begun += received
        return begun

    def _drain_counted(self, left: int) -> None:
        while left > 0:
            received = self._socket.recv_into(self._buffer, min(left, len(self._buffer)), _THROW_AWAY)
            if not received:
                raise EOFError
            left -= received

    def _drain_chunked(self, begun: bytes) -> int:
        """Nothing follows a body here before it is answered, so it ends where the last chunk stands at the end."""
        total, tail = len(begun), begun[-len(LAST_CHUNK) :]
        while tail != LAST_CHUNK:
            received = self._socket.recv_into(self._buffer)
            if not received:
                raise EOFError
            total += received
            tail = (tail + bytes(self._buffer[max(0, received - len(LAST_CHUNK)) : received]))[-len(LAST_CHUNK) :]
        return total

    def send_body(self, head: bytes, file: int, file_bytes: int, times: int, end: bytes) -> None:
        """A head, then a file so many times over, then `end`."""
        self._socket.sendall(head, socket.MSG_MORE)
        for _ in range(times):
            offset = 0
            while offset < file_bytes:
                offset += os.sendfile(self._socket.fileno(), file, offset, file_bytes - offset)
        if end:
            self._socket.sendall(end)

    def close(self) -> None:
        """End it."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """A message without a body, or all of a short one."""
        self._socket.sendall(data)


class Bodies:
    """One MiB in memory, plain and in chunks."""

    def __init__(self) -> None:
        self._plain = _in_memory(_PIECE * (MIB // CHUNK_BYTES))
        self._chunked = _in_memory(_CHUNK * (MIB // CHUNK_BYTES))

    def close(self) -> None:
        """Let go of the memory."""
        os.close(self._plain)
        os.close(self._chunked)

    def send(self, connection: Connection, start: bytes, mib: int, *, chunked: bool) -> None:
        """A message with a body of so many MiB; `start` is its head without framing and without the empty line."""
        if chunked:
            head = start + b"Transfer-Encoding: chunked\r\n\r\n"
            connection.send_body(head, self._chunked, len(_CHUNK) * (MIB // CHUNK_BYTES), mib, LAST_CHUNK)
        else:
            connection.send_body(start + b"Content-Length: %d\r\n\r\n" % (mib * MIB), self._plain, MIB, mib, b"")


def _in_memory(content: bytes) -> int:
    file = os.memfd_create("bodies")
    os.write(file, content)
    return file


def answer_all(connection: Connection, bodies: Bodies) -> None:
    """Be the origin on one connection, until it is closed."""
    try:
        while True:
            head, begun = connection.read_head()
            method, target, _ = head.split(b" ", 2)
            kind, _, mib = target.strip(b"/").partition(b"/")
            if method == b"GET" and kind in (b"length", b"chunked"):
                start = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                bodies.send(connection, start, int(mib), chunked=kind == b"chunked")
                continue
            text = b"%d" % connection.drain(head, begun)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
    except (OSError, EOFError):
        return  # the proxy or the client behind it gave up; the client reports it
    finally:
        connection.close()


def serve(listening: socket.socket, bodies: Bodies) -> None:
    """Be an origin, until the listening socket is shut down."""
    while True:
        try:
            connected, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=answer_all, args=(Connection(connected), bodies), daemon=True).start()


def move(connection: Connection, bodies: Bodies, kind: str, mib: int) -> None:
    """One body. Raises RuntimeError when not all of it came through, EOFError when the connection was closed."""
    chunked, payload = kind.endswith("chunked"), mib * MIB
    if kind.startswith("up"):
        bodies.send(connection, b"PUT / HTTP/1.1\r\nHost: bench\r\n", mib, chunked=chunked)
    else:
        connection.send(b"GET /%b/%d HTTP/1.1\r\nHost: bench\r\n\r\n" % (b"chunked" if chunked else b"length", mib))
    head, begun = connection.read_head()
    if b" 200 " not in head[:16]:
        raise RuntimeError(f"{kind}: answered with {head[:80]!r}")
    passed = int(connection.read_text(head, begun)) if kind.startswith("up") else connection.drain(head, begun)
    if not payload <= passed <= payload * (1 + FRAMING_SHARE_MAX if chunked else 1):
        raise RuntimeError(f"{kind}: {passed} bytes came through of {payload}")


def move_all(port: int, kind: str, mib: int, connections: int, times: int) -> tuple[float, int]:
    """So many bodies one after the other on each connection; seconds from the first to the end of the last, and
    bytes.
    """
    with contextlib.ExitStack() as stack:
        bodies = stack.enter_context(contextlib.closing(Bodies()))
        made = [Connection(socket.create_connection(("127.0.0.1", port))) for _ in range(connections)]
        for connection in made:
            stack.callback(connection.close)
            move(connection, bodies, kind, 1)
        return _move_on(made, bodies, kind, mib, times), connections * times * mib * MIB


def _move_on(made: Sequence[Connection], bodies: Bodies, kind: str, mib: int, times: int) -> float:
    failures: list[Exception] = []
    threads = [
        threading.Thread(target=_guarded, args=(failures, _mover(one, bodies, kind, mib, times))) for one in made
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.monotonic() - began
    if failures:
        raise failures[0]
    return took_s


def _mover(connection: Connection, bodies: Bodies, kind: str, mib: int, times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            move(connection, bodies, kind, mib)

    return run


def _guarded(failures: list[Exception], run: Callable[[], None]) -> None:
    try:
        run()
    except Exception as error:
        failures.append(error)


def main(arguments: list[str]) -> None:
    """Be the origin until ended, or a client once."""
    match arguments:
        case ["origin", *ports]:
            bodies = Bodies()
            listening = [socket.create_server(("127.0.0.1", int(port)), backlog=128) for port in ports]
            threads = [threading.Thread(target=serve, args=(each, bodies)) for each in listening]
            for thread in threads:
                thread.start()
        case ["client", port, kind, mib, connections, times]:
            took_s, passed = move_all(int(port), kind, int(mib), int(connections), int(times))
            print(json.dumps({"seconds": took_s, "bytes": passed}))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
