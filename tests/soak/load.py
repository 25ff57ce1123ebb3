"""Mixed traffic: each client draws what it does next, checks every byte of the answer, and counts what came of it."""

import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from hashlib import sha256

import h11

from lbmesh.model.address import Address
from tests.support.raw_client import RawClient, Response

SIZES = (0, 1, 500, 20_000, 300_000)
KINDS = ("kept", "kept", "kept", "closed", "chunked", "upload", "upload", "chunked upload", "pipelined", "old", "abort")
PATIENCE_S = 60.0


class Client(threading.Thread):
    """One after the other, on a kept connection where the kind allows it.

    `outcomes`: by kind and what came of it: "ok", a status, "cut off" (within the body of a 200), "lost" (without an
    answer). `wrong`: answers that are not what was asked for.
    """

    def __init__(self, address: Address, seed: int) -> None:
        super().__init__()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.wrong: list[str] = []
        self.stop = threading.Event()
        self._choice = random.Random(seed)
        self._address = address
        self._client: RawClient | None = None

    def run(self) -> None:
        """Until `stop`."""
        while not self.stop.is_set():
            kind = self._choice.choice(KINDS)
            try:
                self._act(kind)
            except TimeoutError:
                self.wrong.append(f"{kind}: no answer in {PATIENCE_S:g} s")
                self._leave()
            except (OSError, h11.RemoteProtocolError) as error:
                self.outcomes[kind, "cut off" if isinstance(error, h11.RemoteProtocolError) else "lost"] += 1
                self._leave()
        self._leave()

    def _act(self, kind: str) -> None:
        size = self._choice.choice(SIZES)
        match kind:
            case "kept":
                self._get(kind, f"/counted/{size}", size)
            case "closed":
                self._get(kind, f"/counted/{size}", size, "Connection: close\r\n")
            case "chunked":
                self._get(kind, f"/chunked/{size}", size)
            case "old":
                self._leave()
                self._get(kind, f"/chunked/{size}", size, version="1.0")
                self._leave()
            case "upload" | "chunked upload":
                self._post(kind, self._choice.randbytes(size))
            case "pipelined":
                self._pipeline()
            case _:
                self._abort()

    def _connection(self) -> RawClient:
        if self._client is None:
            connection = socket.create_connection((self._address.host, self._address.port))
            connection.settimeout(PATIENCE_S)
            self._client = RawClient(connection)
        return self._client

    def _leave(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _get(self, kind: str, path: str, size: int, fields: str = "", version: str = "1.1") -> None:
        head = f"GET {path} HTTP/{version}\r\nHost: a\r\n{fields}\r\n"
        self._judge(kind, self._connection().exchange(head.encode()), bytes(size))

    def _post(self, kind: str, body: bytes) -> None:
        if kind == "upload":
            framing, wire = b"Content-Length: %d" % len(body), body
        else:
            pieces = [body[at : at + 7000] for at in range(0, len(body), 7000)]
            framing = b"Transfer-Encoding: chunked"
            wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        client = self._connection()
        with suppress(ConnectionError):  # an answer may come before the end of the upload
            client.socket.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % framing + wire)
        self._judge(kind, client.response(b"POST"), sha256(body).hexdigest().encode())

    def _pipeline(self) -> None:
        sizes = [self._choice.choice(SIZES[:4]) for _ in range(4)]
        client = self._connection()
        client.socket.sendall(b"".join(b"GET /counted/%d HTTP/1.1\r\nHost: a\r\n\r\n" % size for size in sizes))
        for size in sizes:
            self._judge("pipelined", client.response(), bytes(size))
            if self._client is None:
                return

    def _abort(self) -> None:
        """Asks for much and resets the connection within it, or within its own request."""
        client = self._connection()
        if self._choice.random() < 0.5:
            client.socket.sendall(b"GET /counted/5000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            client.socket.recv(1000)
        else:
            client.socket.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + bytes(70_000))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._leave()
        self.outcomes["abort", "ok"] += 1

    def _judge(self, kind: str, answer: Response, body: bytes) -> None:
        if answer.status != 200:
            self.outcomes[kind, f"{answer.status} {answer.body[:120].decode()}"] += 1
        elif answer.body != body:
            self.wrong.append(f"{kind}: {len(answer.body)} bytes for {len(body)}")
        else:
            self.outcomes[kind, "ok"] += 1
        if answer.fields.get(b"connection") == b"close":
            self._leave()
