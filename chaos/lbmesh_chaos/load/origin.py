"""The lab's replica: an HTTP server that writes down each request before it answers, and ails when it is told to.

One process, one epoll, about 40 µs a request. `python -m lbmesh_chaos.load.origin --help`.
"""

import argparse
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random

from lbmesh_chaos.load.behaviour import BehaviourFile
from lbmesh_chaos.load.bodies import ID, ID_HEADER, PIECE_BYTES, PIECE_GAP_S, SIZES, body_of, judge_body
from lbmesh_chaos.load.closing import begin_no_more
from lbmesh_chaos.load.logs import LogWriter, ReplicaHeader
from lbmesh_chaos.load.messages import MalformedError, Message, MessageReader
from lbmesh_chaos.load.timers import Timers
from lbmesh_chaos.model.flow import Body
from lbmesh_chaos.model.tally import FOREIGN_BODY, OK

HEALTH_TARGET = b"/healthz"
LOOK_S = 0.05
"""Without any request, so often the behaviour's file is looked at."""
READ_BYTES = 65_536
BACKLOG = 4096
GOODBYE_S = 0.5
"""A replica that ends serves so long as before, but says with each answer that the connection ends."""
HANDSHAKES_S = 0.1
"""Then no handshake begins any more, and those that have begun may take so long."""
FIRST_S = 1.0
"""After that nobody can connect, and who has connected may take so long to bring a first request."""
FINISH_S = 5.0
"""And the replica so long to finish what it has begun."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class OriginOptions:
    """`port` 0: the kernel chooses; it is printed. `behaviour`: a file that need not be there."""

    host: str
    port: int
    replica: str
    zone: str
    log: Path
    behaviour: Path
    seed: int = 1


class _Connection:
    """One client of this replica. `busy`: an answer is not yet out, and what came meanwhile waits in `unread`.
    `is_new`: nothing has come yet.
    """

    __slots__ = ("busy", "closes", "is_new", "out", "peer", "reader", "socket", "unread")

    def __init__(self, opened: socket.socket, peer: str) -> None:
        self.socket = opened
        self.peer = peer
        self.reader = MessageReader(responses=False)
        self.out = b""
        self.unread = b""
        self.busy = False
        self.closes = False
        self.is_new = True


class Origin:
    """The server. `run` ends when `stop` was called from a signal handler."""

    def __init__(self, options: OriginOptions) -> None:
        """Raises OSError when it cannot listen, or not write its log."""
        self._options = options
        self._random = Random(f"{options.seed} {options.replica}")
        self._file = BehaviourFile(options.behaviour)
        self._behaviour = self._file.now()
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        self._listening = socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)
        self._listening.setblocking(False)
        self.port: int = self._listening.getsockname()[1]
        header = ReplicaHeader(options.replica, options.zone)
        self._log = LogWriter(options.log, {"replica": header.replica, "zone": header.zone, **_told(options)})
        self._epoll = select.epoll()
        self._epoll.register(self._listening.fileno(), select.EPOLLIN)
        self._connections: dict[int, _Connection] = {}
        self._timers = Timers()
        self._before = ""
        self._told_to_stop = False
        self._leaving = False

    def stop(self) -> None:
        """From the next turn on."""
        self._told_to_stop = True

    def run(self) -> None:
        """Serve until told to stop; then finish what has begun, as a careful server does."""
        try:
            while not self._told_to_stop:
                self._turn()
            if not self._behaviour.half_open:
                self._leave()
        finally:
            self._log.close()
            for connection in self._connections.values():
                connection.socket.close()
            self._listening.close()
            self._epoll.close()

    def _leave(self) -> None:
        self._leaving = True
        self._turn_until(time.monotonic() + GOODBYE_S)
        begin_no_more(self._listening)
        self._turn_until(time.monotonic() + HANDSHAKES_S)
        self._accept()
        self._epoll.unregister(self._listening.fileno())
        self._listening.close()
        now_s = time.monotonic()
        self._turn_until(now_s + FINISH_S, partial(self._has_finished, now_s + FIRST_S))

    def _turn_until(self, until_s: float, is_over: Callable[[], bool] = lambda: False) -> None:
        while time.monotonic() < until_s and not is_over():
            self._turn()

    def _has_finished(self, first_until_s: float) -> bool:
        """Nothing is under way; connections on which nothing is, and for which the kernel has nothing, are closed."""
        now_s = time.monotonic()
        for connection in tuple(self._connections.values()):
            if not connection.busy:
                self._step(connection, select.EPOLLIN)
            awaited = connection.is_new and now_s < first_until_s
            if not (connection.busy or connection.out or awaited) and connection.reader.idle:
                self._close(connection)
        return not self._connections

    def _turn(self) -> None:
        next_s = self._timers.next_s
        pause_s = LOOK_S if next_s is None else min(LOOK_S, max(0.0, next_s - time.monotonic()))
        ready = self._epoll.poll(pause_s)
        behaviour = self._file.now()
        if behaviour.half_open != self._behaviour.half_open:
            self._half_open(behaviour.half_open)
        self._behaviour = behaviour
        if not behaviour.half_open:
            for descriptor, events in ready:
                if descriptor == self._listening.fileno():
                    self._accept()
                elif connection := self._connections.get(descriptor):
                    self._step(connection, events)
        self._timers.run(time.monotonic())

    def _half_open(self, begins: bool) -> None:
        """While it lasts nothing is read or accepted. After it, what stood through it is reset: a machine come back."""
        if begins:
            self._epoll.unregister(self._listening.fileno())
            for descriptor in self._connections:
                self._epoll.unregister(descriptor)
            return
        for connection in tuple(self._connections.values()):
            self._reset(connection, registered=False)
        self._epoll.register(self._listening.fileno(), select.EPOLLIN)

    def _accept(self) -> None:
        while True:
            try:
                opened, address = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            opened.setblocking(False)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[opened.fileno()] = _Connection(opened, str(address[0]))
            self._epoll.register(opened.fileno(), select.EPOLLIN)

    def _step(self, connection: _Connection, events: int) -> None:
        if events & select.EPOLLOUT:
            self._send(connection, b"")
        if not events & ~select.EPOLLOUT or connection.socket.fileno() < 0:
            return
        try:
            data = connection.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        connection.is_new = False
        if connection.busy:
            connection.unread += data
        else:
            self._read(connection, data)

    def _read(self, connection: _Connection, data: bytes) -> None:
        try:
            message = connection.reader.feed(data)
        except MalformedError:
            connection.closes = True
            self._answer(connection, 400, b"this is no HTTP/1.1\n")
            return
        if message is not None:
            connection.busy = True
            connection.closes = message.closes or self._leaving
            self._serve(connection, message)

    def _serve(self, connection: _Connection, message: Message) -> None:
        """Carry the request out, as well as the behaviour has it."""
        behaviour = self._behaviour
        if message.target == HEALTH_TARGET:
            if not behaviour.health:
                self._answer(connection, 200, b"" if message.method == b"HEAD" else b"well\n")
            elif self._drawn(behaviour.errors):
                self._answer(connection, behaviour.error_status, b"ailing\n")
            else:
                self._later(connection, behaviour.slow_s, partial(self._answer, connection, 200, b"slowly\n"))
            return
        asked = _asked(message)
        if asked is None:
            self._answer(connection, 404, b"ask for /small/ID or /stream/ID\n")
            return
        body, identity = asked
        if self._drawn(behaviour.errors):
            self._later(connection, behaviour.slow_s, partial(self._fail, connection, behaviour.error_status))
            return
        if not self._write_down(identity, connection, message, body):
            self._answer(connection, 500, b"the log of this replica takes nothing\n")
            return
        if self._drawn(behaviour.silent):
            return
        if self._drawn(behaviour.resets):
            self._reset(connection)
            return
        said = self._before if self._before and self._drawn(behaviour.swapped) else identity
        self._before = identity
        streams = message.method == b"GET" and body is Body.STREAM
        respond = self._begin_stream if streams else self._respond
        cut = self._drawn(behaviour.truncated)
        self._later(connection, behaviour.slow_s, partial(respond, connection, said, cut))

    def _write_down(self, identity: str, connection: _Connection, message: Message, body: Body) -> bool:
        """False when it could not be, so that it must not be carried out either."""
        behaviour = self._behaviour
        if self._drawn(behaviour.dropped):
            return True
        row = [identity, time.monotonic(), connection.peer, _wrong_with(identity, message, body)]
        try:
            self._log.add(row)
            if self._drawn(behaviour.doubled):
                self._log.add(row)
            self._log.flush()
        except OSError:
            return False
        return True

    def _drawn(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def _later(self, connection: _Connection, delay_s: float, call: Callable[[], None]) -> None:
        if delay_s <= 0:
            call()
            return

        def unless_gone() -> None:
            if connection.socket.fileno() >= 0:
                call()

        self._timers.at(time.monotonic() + delay_s, unless_gone)

    def _fail(self, connection: _Connection, status: int) -> None:
        self._answer(connection, status, b"ailing\n")

    def _respond(self, connection: _Connection, identity: str, cut: bool) -> None:
        body = body_of(identity, SIZES[Body.SMALL])
        if not cut:
            self._answer(connection, 200, body)
            return
        connection.closes = True
        self._send(connection, _head(200, b"Content-Length: %d" % len(body), close=True) + body[: len(body) // 2])
        self._close(connection)

    def _begin_stream(self, connection: _Connection, identity: str, cut: bool) -> None:
        body = body_of(identity, SIZES[Body.STREAM])
        pieces = [body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)]
        if cut:
            del pieces[len(pieces) // 2 :]
        self._send(connection, _head(200, b"Transfer-Encoding: chunked", close=connection.closes))
        self._stream(connection, pieces, cut)

    def _stream(self, connection: _Connection, pieces: list[bytes], cut: bool) -> None:
        if not pieces:
            if cut:
                self._close(connection)
            else:
                self._send(connection, b"0\r\n\r\n")
                self._finish(connection)
            return
        piece = pieces.pop(0)
        self._send(connection, b"%x\r\n%b\r\n" % (len(piece), piece))
        self._later(connection, PIECE_GAP_S, partial(self._stream, connection, pieces, cut))

    def _answer(self, connection: _Connection, status: int, body: bytes) -> None:
        head = _head(status, b"Content-Length: %d" % len(body), close=connection.closes)
        self._send(connection, head + body)
        self._finish(connection)

    def _finish(self, connection: _Connection) -> None:
        """The answer is out, or waits in `out`."""
        if connection.socket.fileno() < 0:
            return
        if connection.closes and not connection.out:
            self._close(connection)
            return
        connection.busy = False
        unread, connection.unread = connection.unread, b""
        if not connection.closes and (unread or not connection.reader.idle):
            self._read(connection, unread)

    def _send(self, connection: _Connection, data: bytes) -> None:
        if connection.socket.fileno() < 0:
            return
        waited = bool(connection.out)
        data = connection.out + data
        try:
            sent = connection.socket.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return
        connection.out = data[sent:]
        if connection.out and not waited:
            self._epoll.modify(connection.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)
        elif waited and not connection.out:
            self._epoll.modify(connection.socket.fileno(), select.EPOLLIN)
            if connection.closes and not connection.busy:
                self._close(connection)

    def _reset(self, connection: _Connection, *, registered: bool = True) -> None:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close(connection, registered=registered)

    def _close(self, connection: _Connection, *, registered: bool = True) -> None:
        descriptor = connection.socket.fileno()
        if descriptor < 0:
            return
        if registered and not self._behaviour.half_open:
            self._epoll.unregister(descriptor)
        del self._connections[descriptor]
        connection.socket.close()


def _told(options: OriginOptions) -> dict[str, object]:
    return {"options": {name: str(value) for name, value in asdict(options).items()}}


def _head(status: int, framing: bytes, *, close: bool) -> bytes:
    last = b"\r\nConnection: close" if close else b""
    return b"HTTP/1.1 %d %b\r\n%b%b\r\n\r\n" % (status, b"OK" if status == 200 else b"Not so", framing, last)


def _asked(message: Message) -> tuple[Body, str] | None:
    """The body's sort and the id that the target names."""
    parts = message.target.split(b"/")
    if len(parts) != 3 or parts[0] or not ID.fullmatch(parts[2]) or parts[1] not in (b"small", b"stream"):
        return None
    return Body(parts[1].decode()), parts[2].decode()


def _wrong_with(identity: str, message: Message, body: Body) -> str:
    """What of the request belongs to another, as the log has it; "" when it is whole."""
    named = message.field(ID_HEADER)
    if named != identity:
        return f"{FOREIGN_BODY}: {named or 'nobody: the id is missing'} (its field)"
    if message.method != b"POST":
        return ""
    word, detail = judge_body(identity, message.body, SIZES[body])
    return "" if word == OK else f"{word}: {detail}"


def parse(arguments: Sequence[str]) -> OriginOptions:
    """From the command line."""
    parser = argparse.ArgumentParser(prog="lbmesh_chaos.load.origin", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0: any; it is printed as the first line")
    parser.add_argument("--replica", required=True, help="this replica's name in the report")
    parser.add_argument("--zone", required=True)
    parser.add_argument("--log", type=Path, required=True, help="where requests are written down")
    parser.add_argument("--behaviour", type=Path, required=True, help="file that makes it ail while it is there")
    parser.add_argument("--seed", type=int, default=1)
    return OriginOptions(**vars(parser.parse_args(arguments)))


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    origin = Origin(parse(arguments))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: origin.stop())
    print(origin.port, flush=True)
    origin.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
