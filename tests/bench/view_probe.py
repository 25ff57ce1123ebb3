"""A client that asks every forwarder of a node at a steady rate, and sees when each begins to know a host, and how
long any of its requests had to wait meanwhile.
"""

import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.openloop import answer_bytes
from tests.bench.origins import BODY_BYTES

INTERVAL_S = 0.001
"""Between two requests to one forwarder."""

CONNECTIONS_EACH = 8
"""To one forwarder: requests go on being due while one waits."""

CONNECTIONS_TRIED = 512
READ_BYTES = 65_536


@dataclass(slots=True)
class Watch:
    """What was seen: the longest wait, and when each forwarder (by process id) first answered with 200, in wall
    time.
    """

    longest_s: float = 0.0
    known_s: dict[int, float] = field(default_factory=dict)


class _Asking:
    """One kept connection. `due`: of the request under way; 0 when there is none."""

    __slots__ = ("due", "pid", "received", "socket")

    def __init__(self, connected: socket.socket, pid: int) -> None:
        self.socket = connected
        self.pid = pid
        self.due = 0.0
        self.received = b""


class ViewProbe:
    """Connections to each of the forwarders `pids` behind one port, for as long as it is used."""

    def __init__(self, port: int, pids: list[int]) -> None:
        """Raises RuntimeError when some forwarder takes none of many connections."""
        self._epoll = select.epoll()
        self._asking: dict[int, _Asking] = {}
        self._idle: dict[int, deque[_Asking]] = {pid: deque() for pid in pids}
        surplus = []
        for _ in range(CONNECTIONS_TRIED):
            connected = socket.create_connection(("127.0.0.1", port), timeout=10)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _ask_once(connected)
            pid = _owner(connected, pids)
            if pid is None or len(self._idle[pid]) >= CONNECTIONS_EACH:
                surplus.append(connected)
            else:
                self._keep(connected, pid)
            if all(len(idle) >= CONNECTIONS_EACH for idle in self._idle.values()):
                break
        for connected in surplus:
            connected.close()
        if not all(self._idle.values()):
            raise RuntimeError(f"a forwarder took none of {CONNECTIONS_TRIED} connections")

    def _keep(self, connected: socket.socket, pid: int) -> None:
        connected.setblocking(False)
        asking = _Asking(connected, pid)
        self._epoll.register(connected.fileno(), select.EPOLLIN)
        self._asking[connected.fileno()] = asking
        self._idle[pid].append(asking)

    def close(self) -> None:
        """End all connections."""
        for asking in self._asking.values():
            asking.socket.close()
        self._epoll.close()

    def watch(self, host: str, seconds: float, after_known_s: float | None = None) -> Watch:
        """Ask for a host so long; or until so long after all forwarders know it, if that is sooner."""
        seen, request = Watch(), f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        began = time.monotonic()
        until, due = began + seconds, began
        while (now := time.monotonic()) < until:
            if now >= due:
                for idle in self._idle.values():
                    if idle:
                        self._ask(idle.popleft(), request, due)
                due += INTERVAL_S
            select.select((self._epoll,), (), (), max(0.0, due - time.monotonic()))
            for descriptor, _ in self._epoll.poll(0):
                self._take(self._asking[descriptor], seen)
            if after_known_s is not None and len(seen.known_s) == len(self._idle):
                until, after_known_s = min(until, now + after_known_s), None
        self._finish(seen)
        return seen

    def _finish(self, seen: Watch) -> None:
        """Wait for what is still under way."""
        deadline = time.monotonic() + 10.0
        while any(asking.due for asking in self._asking.values()) and time.monotonic() < deadline:
            for descriptor, _ in self._epoll.poll(0.1):
                self._take(self._asking[descriptor], seen)

    def _ask(self, asking: _Asking, request: bytes, due: float) -> None:
        asking.due = due
        asking.socket.send(request)

    def _take(self, asking: _Asking, seen: Watch) -> None:
        """Raises RuntimeError when the connection was closed: a View ends none."""
        data = asking.socket.recv(READ_BYTES)
        if not data:
            raise RuntimeError("a forwarder closed a connection")
        asking.received += data
        length = answer_bytes(asking.received, BODY_BYTES)
        if length is None or len(asking.received) < length:
            return
        seen.longest_s = max(seen.longest_s, time.monotonic() - asking.due)
        if asking.received[9:12] == b"200":
            seen.known_s.setdefault(asking.pid, time.time())
        asking.received, asking.due = b"", 0.0
        self._idle[asking.pid].append(asking)


def _ask_once(connected: socket.socket) -> None:
    """One request, so that the connection has been accepted by somebody."""
    connected.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
    data = b""
    while (length := answer_bytes(data, BODY_BYTES)) is None or len(data) < length:
        data += connected.recv(READ_BYTES)


def _owner(connected: socket.socket, pids: list[int]) -> int | None:
    """Which of these processes holds the other end of a connection, by proc(5)."""
    here, there = connected.getsockname()[1], connected.getpeername()[1]
    ends = f"0100007F:{there:04X} 0100007F:{here:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines():
        if ends in line:
            target = f"socket:[{line.split()[9]}]"
            for pid in pids:
                if any(str(file.readlink()) == target for file in Path(f"/proc/{pid}/fd").iterdir()):
                    return pid
    return None
