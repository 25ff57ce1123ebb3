"""The plain clients: an epoll loop that sends when requests are due, and knows of each what came of it.

They do what a careful program without lbmesh does: keep connections or not, drop those that the other side closed,
try the next address when one refuses, never ask twice. A small GET costs about 40 µs, so the load is no competitor of
what it tries.
"""

import errno
import heapq
import select
import socket
import time
from collections import deque
from functools import partial

from lbmesh_chaos.load.bodies import PIECE_GAP_S
from lbmesh_chaos.load.client_log import ClientLogWriter
from lbmesh_chaos.load.directory import Directory
from lbmesh_chaos.load.messages import MalformedError, Message, MessageReader
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.load.requests import Asked, RequestMaker, word_of
from lbmesh_chaos.load.timers import Timers
from lbmesh_chaos.load.wakefulness import Wakefulness
from lbmesh_chaos.model.flow import Kind
from lbmesh_chaos.model.tally import CLOSED, CUT_SHORT, MALFORMED, NO_ROOM, REFUSED, RESET, SILENT, UNREACHABLE

READ_BYTES = 65_536
TURN_S = 0.02
"""A loop that has nothing to do turns so often all the same, to notice that it was not let run."""
_IDLE_MAX = 32
"""Connections that a flow keeps."""
_IN_OUT = select.EPOLLIN | select.EPOLLOUT
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EPERM, errno.EACCES})


class _Connection:
    """To one address. `asked`: the request under way. `out`: what of it is not sent. `made`: the connect is done."""

    __slots__ = ("address", "asked", "flow", "made", "out", "pieces", "reader", "socket", "writable")

    def __init__(self, flow: "_FlowState", address: int, opened: socket.socket) -> None:
        self.flow = flow
        self.address = address
        self.socket = opened
        self.reader = MessageReader(responses=True)
        self.asked: Asked | None = None
        self.out = b""
        self.pieces: list[bytes] = []
        """Of a streamed request, those that are not due yet."""
        self.made = False
        self.writable = True
        """EPOLLOUT is asked for."""


class _FlowState:
    __slots__ = ("due_s", "fresh", "idle", "index", "next", "under_way")

    def __init__(self, order: Order, index: int) -> None:
        self.index = index
        self.fresh = order.flows[index].kind is Kind.FRESH
        self.due_s = order.due_s(index)
        self.next = 0
        self.idle: deque[_Connection] = deque()
        self.under_way = 0


class PlainClients:
    """All plain flows of an order, in one loop."""

    def __init__(self, order: Order, log: ClientLogWriter, directory: Directory) -> None:
        self._order = order
        self._log = log
        self._make = RequestMaker(order)
        self._directory = directory
        self._epoll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._flows = [_FlowState(order, index) for index, flow in enumerate(order.flows) if flow.kind.is_plain]
        self._due = [(flow.due_s[0], at) for at, flow in enumerate(self._flows) if flow.due_s]
        heapq.heapify(self._due)
        self._deadlines: deque[Asked] = deque()
        self._on: dict[Asked, _Connection] = {}
        self._timers = Timers()
        self._wakefulness = Wakefulness(time.monotonic())

    def run(self) -> None:
        """Until the last request has ended."""
        try:
            while self._due or self._on:
                self._turn()
                self._log.flush()
        finally:
            for connection in self._connections.values():
                connection.socket.close()
            self._epoll.close()

    def _turn(self) -> None:
        """Answers that are here come before deadlines: whoever slept must not call the service silent."""
        now = time.monotonic()
        until = self._next_s(now)
        self._wakefulness.sleeps_until(until)
        ready = self._epoll.poll(max(0.0, until - now))
        self._log.starved(self._wakefulness.turn(time.monotonic()))
        for descriptor, events in ready:
            connection = self._connections.get(descriptor)
            if connection is not None:
                self._step(connection, events)
        now = time.monotonic()
        self._timers.run(now)
        self._expire(now)
        while self._due and self._due[0][0] <= now:
            self._take_up(*heapq.heappop(self._due))
            now = time.monotonic()

    def _next_s(self, now: float) -> float:
        until = now + TURN_S
        if self._due:
            until = min(until, self._due[0][0])
        if (timer_s := self._timers.next_s) is not None:
            until = min(until, timer_s)
        return until

    def _take_up(self, due_s: float, at: int) -> None:
        flow = self._flows[at]
        asked = self._make.request(flow.index, flow.next, due_s)
        flow.next += 1
        if flow.next < len(flow.due_s):
            heapq.heappush(self._due, (flow.due_s[flow.next], at))
        self._log.starved(self._wakefulness.took_up(due_s, time.monotonic()))
        if flow.under_way >= self._order.in_flight_max:
            self._log.ended(asked, NO_ROOM)
            return
        flow.under_way += 1
        self._deadlines.append(asked)
        while flow.idle and not flow.fresh:
            connection = flow.idle.pop()
            if connection.socket.fileno() >= 0:
                self._ask(connection, asked)
                return
        self._connect(flow, asked, 0)

    def _connect(self, flow: _FlowState, asked: Asked, address: int) -> None:
        family, where = _socket_address(self._directory.now[address])
        opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(flow, address, opened)
        self._connections[opened.fileno()] = connection
        self._epoll.register(opened.fileno(), _IN_OUT)
        self._on[asked] = connection
        connection.asked = asked
        error = opened.connect_ex(where)
        if error not in (0, errno.EINPROGRESS):
            self._not_connected(connection, error)

    def _not_connected(self, connection: _Connection, error: int) -> None:
        """What every client does with the next address, if there is one."""
        asked, flow, address = connection.asked, connection.flow, connection.address
        self._drop(connection)
        if asked is None:
            return
        if address + 1 < len(self._directory.now):
            self._connect(flow, asked, address + 1)
        else:
            self._end(asked, flow, UNREACHABLE if error in _NO_WAY else REFUSED)

    def _ask(self, connection: _Connection, asked: Asked) -> None:
        connection.asked = asked
        self._on[asked] = connection
        self._send_request(connection, asked)

    def _send_request(self, connection: _Connection, asked: Asked) -> None:
        connection.out = asked.data
        connection.pieces = list(asked.pieces)
        self._send(connection)
        if connection.pieces:
            self._timers.at(time.monotonic() + PIECE_GAP_S, partial(self._next_piece, connection, asked))

    def _next_piece(self, connection: _Connection, asked: Asked) -> None:
        if connection.asked is not asked or connection.socket.fileno() < 0:
            return
        connection.out += connection.pieces.pop(0)
        self._send(connection)
        if connection.pieces:
            self._timers.at(time.monotonic() + PIECE_GAP_S, partial(self._next_piece, connection, asked))

    def _send(self, connection: _Connection) -> None:
        """As much as the kernel takes. One that broke says so when it is read: an answer may have come first."""
        if connection.out:
            try:
                connection.out = connection.out[connection.socket.send(connection.out) :]
                if connection.asked is not None and connection.asked.sent_s is None:
                    connection.asked.sent_s = time.monotonic()
            except BlockingIOError:
                pass
            except OSError:
                connection.out = b""
        wants = bool(connection.out)
        if wants != connection.writable:
            connection.writable = wants
            self._epoll.modify(connection.socket.fileno(), _IN_OUT if wants else select.EPOLLIN)

    def _step(self, connection: _Connection, events: int) -> None:
        if not connection.made:
            error = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error or events & select.EPOLLERR:
                self._not_connected(connection, error)
                return
            connection.made = True
            if connection.asked is not None:
                self._send_request(connection, connection.asked)
        elif events & select.EPOLLOUT:
            self._send(connection)
        if events & ~select.EPOLLOUT:
            self._receive(connection)

    def _receive(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._broke(connection, RESET if error.errno in (errno.ECONNRESET, errno.EPIPE) else CLOSED)
            return
        if connection.asked is None:
            self._drop(connection)  # idle, and the other side closed it or spoke unasked
            return
        try:
            message = connection.reader.feed(data) if data else connection.reader.end()
        except MalformedError:
            self._broke(connection, MALFORMED)
            return
        if message is not None:
            self._answered(connection, connection.asked, message)
        elif not data:
            self._broke(connection, CLOSED)

    def _answered(self, connection: _Connection, asked: Asked, message: Message) -> None:
        connection.asked = None
        flow = connection.flow
        self._end(asked, flow, word_of(asked, message.status, message.body, message.field))
        unfinished = connection.out or connection.pieces or not connection.reader.idle
        if flow.fresh or message.closes or unfinished or len(flow.idle) >= _IDLE_MAX:
            self._drop(connection)
        else:
            flow.idle.append(connection)

    def _broke(self, connection: _Connection, word: str) -> None:
        asked, flow = connection.asked, connection.flow
        if connection.reader.begun is not None and word != MALFORMED:
            status = connection.reader.begun.status
            word = CUT_SHORT if status < 400 else str(status)
        self._drop(connection)
        if asked is not None:
            self._end(asked, flow, word)

    def _expire(self, now: float) -> None:
        deadlines, deadline_s = self._deadlines, self._order.deadline_s
        while deadlines and (deadlines[0].ended or deadlines[0].due_s + deadline_s <= now):
            asked = deadlines.popleft()
            if asked.ended:
                continue
            connection = self._on[asked]
            made = connection.made
            self._drop(connection)
            self._end(asked, connection.flow, SILENT if made else UNREACHABLE)

    def _end(self, asked: Asked, flow: _FlowState, word: str) -> None:
        asked.ended = True
        self._on.pop(asked, None)
        flow.under_way -= 1
        self._log.ended(asked, word)

    def _drop(self, connection: _Connection) -> None:
        descriptor = connection.socket.fileno()
        if descriptor >= 0:
            self._epoll.unregister(descriptor)
            del self._connections[descriptor]
            connection.socket.close()
        connection.asked = None


def _socket_address(text: str) -> tuple[int, tuple[str, int]]:
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    return (socket.AF_INET6 if ":" in bare else socket.AF_INET), (bare, int(port))
