"""An origin for large bodies: `python -m tests.bench.body_origin PORT...`, a thread for each connection.

GET /length/N or /chunked/N is answered with N MiB; a PUT with the number of bytes that came (to
/stalled after a pause before the body is read); any other GET with "ok".
"""

import socketserver
import sys
import threading
import time
from collections.abc import Iterator

MIB = 1 << 20
CHUNK_BYTES = 1 << 16
STALL_S = 0.5
"""How long a receiver waits before it reads a body: whoever buffers without bound then does so visibly."""

_PIECE = bytes(range(256)) * (CHUNK_BYTES // 256)
_CHUNK = b"%x\r\n" % CHUNK_BYTES + _PIECE + b"\r\n"


class Exchanges(socketserver.StreamRequestHandler):
    """One keep-alive connection from a proxy."""

    rbufsize = 4 * CHUNK_BYTES
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer requests until the proxy closes."""
        try:
            while request_line := self.rfile.readline():
                fields = dict(self._fields())
                method, target, _ = request_line.split(b" ", 2)
                if target == b"/stalled":
                    time.sleep(STALL_S)
                if method == b"PUT":
                    self._say(b"%d" % sum(self._body(fields)))
                else:
                    self._answer(target.decode())
        except (ConnectionError, BrokenPipeError):
            pass  # the proxy or the client behind it gave up; the client reports it

    def _fields(self) -> Iterator[tuple[bytes, bytes]]:
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            yield name.lower(), value.strip().lower()

    def _body(self, fields: dict[bytes, bytes]) -> Iterator[int]:
        """Lengths of the pieces in which the request's body arrives."""
        if b"transfer-encoding" not in fields:
            yield from self._counted(int(fields.get(b"content-length", b"0")))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield from self._counted(size)
            self.rfile.readline()
        self.rfile.readline()

    def _counted(self, length: int) -> Iterator[int]:
        buffer = memoryview(bytearray(CHUNK_BYTES))
        while length > 0:
            got = self.rfile.readinto(buffer[: min(length, CHUNK_BYTES)])
            if not got:
                raise ConnectionError("the connection ended inside a body")
            length -= got
            yield got

    def _answer(self, target: str) -> None:
        match target.split("/"):
            case ["", "length", mib]:
                self._head(b"Content-Length: %d" % (int(mib) * MIB))
                for _ in range(int(mib) * MIB // CHUNK_BYTES):
                    self.wfile.write(_PIECE)
            case ["", "chunked", mib]:
                self._head(b"Transfer-Encoding: chunked")
                for _ in range(int(mib) * MIB // CHUNK_BYTES):
                    self.wfile.write(_CHUNK)
                self.wfile.write(b"0\r\n\r\n")
            case _:
                self._say(b"ok")

    def _say(self, text: bytes) -> None:
        self._head(b"Content-Length: %d" % len(text))
        self.wfile.write(text)

    def _head(self, framing: bytes) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" + framing + b"\r\n\r\n")


class Server(socketserver.ThreadingTCPServer):
    """The origin on one address; port 0 lets the kernel choose."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Exchanges)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.socket.getsockname()[1])


def main(ports: list[str]) -> None:
    """Serve on 127.0.0.1 on all these ports until ended."""
    servers = [Server(("127.0.0.1", int(port))) for port in ports]
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
