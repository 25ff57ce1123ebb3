"""A socket as httpcore wants it, with one thing more: a watcher that is asked to wait in its stead.

While an answer is awaited, the watcher can look at other things too (a rival attempt's result) and give the
attempt up by raising. That is how a request is hedged without a thread as long as its balancer answers in
time.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import httpcore

ResultT = TypeVar("ResultT")


class Watcher(Protocol):
    """Returns when `descriptor` has one of `events`; raises TimeoutError at `deadline`, or anything to give
    up.
    """

    def __call__(self, descriptor: int, events: int, deadline: float | None) -> None: ...


def wait_ready(descriptor: int, events: int, deadline: float | None) -> None:
    """Wait for a poll event. Raises TimeoutError at `deadline` (monotonic seconds; None: never)."""
    poll = select.poll()
    poll.register(descriptor, events)
    if not poll.poll(milliseconds_until(deadline)):
        raise TimeoutError


def milliseconds_until(deadline: float | None) -> float | None:
    """What poll() takes: None for ever, never negative. A fraction is rounded up by poll itself."""
    return None if deadline is None else max(0.0, (deadline - time.monotonic()) * 1e3)


class SocketStream(httpcore.NetworkStream):
    """A connected, non-blocking socket. One thread uses it; any thread may `abort` it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._closing = threading.Lock()
        self.watcher: Watcher = wait_ready

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _mapped(httpcore.ReadTimeout, httpcore.ReadError):
            return self._complete(lambda: self._socket.recv(max_bytes), select.POLLIN, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = memoryview(buffer)
        with _mapped(httpcore.WriteTimeout, httpcore.WriteError):
            while left:
                left = left[self._complete(lambda: self._socket.send(left), select.POLLOUT, timeout) :]  # noqa: B023

    def close(self) -> None:
        with self._closing:
            self._socket.close()

    def abort(self) -> None:
        """Wake whoever waits on the socket: it reads the end of the stream. The owner closes it then."""
        with self._closing:
            if self._socket.fileno() >= 0:
                try:
                    # Not SSLSocket.shutdown: that would let the owner read ciphertext as if it were plain.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    return  # reset already, so nobody waits

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "socket":
                return self._socket
            case "client_addr":
                return self._socket.getsockname()
            case "server_addr":
                return self._socket.getpeername()
            case "ssl_object":
                return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
            case "is_readable":
                return self._is_readable()
            case _:
                return None

    def _is_readable(self) -> bool:
        if self._socket.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def _complete(self, operation: Callable[[], ResultT], events: int, timeout: float | None) -> ResultT:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return operation()
            except ssl.SSLWantReadError:
                wanted = select.POLLIN
            except ssl.SSLWantWriteError:
                wanted = select.POLLOUT
            except BlockingIOError:
                wanted = events
            self.watcher(self._socket.fileno(), wanted, deadline)


@contextmanager
def _mapped(on_timeout: type[Exception], on_error: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise on_timeout(str(error)) from error
    except OSError as error:
        raise on_error(str(error)) from error
