"""Asking a front over HTTP whether anybody answers, without ever waiting: a step for each event of its socket."""

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable

from lbmesh.failover.words import Probe
from lbmesh.model.address import Address
from lbmesh.sentinel.limits import PROBES_MAX

_TLS_ALERT = b"\x15\x03"
"""How one begins (RFC 8446, 5.1)."""

_FAMILIES = {False: socket.AF_INET, True: socket.AF_INET6}


class FrontProbes:
    """The probes under way, on the sentinel's selector. `on_end` gets the number, whether anybody answered, and how."""

    def __init__(self, selector: selectors.BaseSelector, on_end: Callable[[int, bool, str], None]) -> None:
        self._selector = selector
        self._on_end = on_end
        self._open: dict[int, tuple[socket.socket, float]] = {}

    def start(self, probe: Probe) -> None:
        """Connect. Any HTTP answer, an error's too, means that the front lives.

        So does the 400 in plain text that a front of this mesh gives where it speaks TLS or wants a PROXY header, and
        the alert that others give: a ClientHello would need OpenSSL here, and tell no more; and a PROXY header of ours
        would be refused, since this node is none of that front's proxies.
        """
        if len(self._open) >= PROBES_MAX:
            self._on_end(probe.number, True, "was not asked: too many are")
            return
        try:
            one = socket.socket(_FAMILIES[":" in probe.front.host], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:  # No IPv6 here, or no descriptor left: nothing is known of the front.
            self._on_end(probe.number, True, f"was not asked: {os.strerror(error.errno or 0).lower()}")
            return
        self._open[probe.number] = (one, time.monotonic() + probe.timeout_s)
        try:
            failed = one.connect_ex((probe.front.host, probe.front.port))
        except OSError as error:  # Of the address itself: connect_ex returns only what the connecting meets.
            failed = error.errno if error.errno and error.errno > 0 else errno.EADDRNOTAVAIL
        if failed not in (0, errno.EINPROGRESS):
            self._end(probe.number, False, _why(failed))
            return
        self._selector.register(one, selectors.EVENT_WRITE, lambda: self._connected(probe.number, probe.front))

    def expire(self, now_s: float) -> None:
        """End those whose time is up."""
        for number in [number for number, (_, until_s) in self._open.items() if now_s >= until_s]:
            self._end(number, False, "does not answer")

    def next_deadline(self) -> float:
        """When the next one's time is up; infinite when none is under way."""
        return min((until_s for _, until_s in self._open.values()), default=float("inf"))

    def close(self) -> None:
        """Give up all."""
        for one, _ in self._open.values():
            one.close()
        self._open.clear()

    def _connected(self, number: int, front: Address) -> None:
        one, _ = self._open[number]
        failed = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            self._end(number, False, _why(failed))
            return
        try:
            one.send(f"HEAD / HTTP/1.1\r\nHost: {front}\r\nConnection: close\r\n\r\n".encode())
        except OSError as error:
            self._end(number, False, _why(error.errno or 0))
            return
        self._selector.modify(one, selectors.EVENT_READ, lambda: self._answered(number))

    def _answered(self, number: int) -> None:
        one, _ = self._open[number]
        try:
            answer = one.recv(16)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(number, False, _why(error.errno or 0))
            return
        alive = answer.startswith((b"HTTP/1.", _TLS_ALERT))
        self._end(number, alive, "answers" if alive else "closes the connection" if not answer else "speaks no HTTP")

    def _end(self, number: int, alive: bool, how: str) -> None:
        one, _ = self._open.pop(number)
        if one in self._selector.get_map():
            self._selector.unregister(one)
        one.close()
        self._on_end(number, alive, how)


def _why(number: int) -> str:
    return (
        "refuses connections" if number == errno.ECONNREFUSED else f"cannot be reached: {os.strerror(number).lower()}"
    )
