"""A replica in a process of its own: `python replica.py PORT`, where the parent holds the port without listening."""

import socket
import sys
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Sends as much as the path says, counted or in chunks, or tells what a body was."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """`/counted/N`, `/chunked/N`; anything else is 2 bytes."""
        kind, _, number = self.path.strip("/").partition("/")
        body = bytes(int(number)) if number.isdigit() else b"ok"
        if kind != "chunked":
            self._answer(body)
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pieces = [body[at : at + 5000] for at in range(0, len(body), 5000)]
        self.wfile.write(b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n")

    def do_POST(self) -> None:
        """The digest of the body."""
        length = self.headers["Content-Length"]
        body = self.rfile.read(int(length)) if length is not None else self._read_chunks()
        self._answer(sha256(body).hexdigest().encode())

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().strip(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """On a port that somebody else holds, too."""

    daemon_threads = True
    request_queue_size = 256

    def server_bind(self) -> None:
        """Share the port."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def handle_error(self, *arguments: object) -> None:
        """A balancer may leave at any time."""


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
