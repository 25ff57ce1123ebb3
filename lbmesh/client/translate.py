"""Between httpx and httpcore: requests one way, answers and errors the other. Also the words for what went
wrong.
"""

import errno
import os
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from lbmesh.client.attempts import Failure

REPORT_EXTENSION = "lbmesh"
"""The key in `response.extensions` under which the transport leaves an `Answered`."""

_TIMEOUTS = (httpcore.ConnectTimeout, httpcore.ReadTimeout, httpcore.WriteTimeout, httpcore.PoolTimeout)
_BREAKS = (httpcore.ConnectError, httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)
_CLASSES: dict[type[Exception], type[httpx.TransportError]] = {
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The request's own `httpx.Timeout`, in seconds; None: no limit."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None

    @classmethod
    def of(cls, request: httpx.Request) -> "Timeouts":
        """The timeouts that the httpx client attached."""
        return cls(**request.extensions.get("timeout", {}))


@dataclass(frozen=True, slots=True)
class Tls:
    """What a handshake needs. `name`: of the service, which is sent and which the certificate must have."""

    context: ssl.SSLContext
    name: str

    @classmethod
    def of(cls, url: httpcore.URL, context: ssl.SSLContext) -> "Tls | None":
        """None for http."""
        return cls(context, url.host.decode("ascii")) if url.scheme == b"https" else None


def patience_s(stagger_s: float, connect_s: float) -> float:
    """Seconds a handshake has before a rival connect begins. It takes one or two round trips, and the connect that
    took one has shown how long these are.
    """
    return max(stagger_s, 3 * connect_s)


class DialError(Exception):
    """No balancer of the order could be connected to."""

    def __init__(self, failures: Iterable[Failure], *, timed_out: bool) -> None:
        super().__init__("no balancer could be connected to")
        self.failures = tuple(failures)
        self.timed_out = timed_out


class ReplayableBody:
    """A body in memory, for as many attempts as it takes.

    httpx's own is an async generator, which trio complains of when an attempt is cancelled in the middle of
    it.
    """

    def __init__(self, body: bytes) -> None:
        self._parts = [body] if body else []

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def __aiter__(self) -> "_AsyncParts":
        return _AsyncParts(iter(self._parts))


class _AsyncParts:
    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    def __aiter__(self) -> "_AsyncParts":
        return self

    async def __anext__(self) -> bytes:
        for part in self._parts:
            return part
        raise StopAsyncIteration


def is_replayable(request: httpx.Request) -> bool:
    """True when the body is in memory (or empty), so that it can be sent again."""
    return isinstance(request.stream, httpx.ByteStream)


def to_core(request: httpx.Request) -> httpcore.Request:
    """The same request for httpcore. The URL stays the service's: only the connection goes to a balancer.

    Raises httpx.UnsupportedProtocol for schemes other than http and https.
    """
    if request.url.scheme not in ("http", "https"):
        what = f'"{request.url.scheme}://" is not supported' if request.url.scheme else f'"{request.url}" has no scheme'
        raise httpx.UnsupportedProtocol(f"{what}: write http:// or https://")
    url = httpcore.URL(
        scheme=request.url.raw_scheme,
        host=request.url.raw_host,
        port=request.url.port,
        target=request.url.raw_path,
    )
    stream = request.stream
    content: Any = ReplayableBody(b"".join(stream)) if isinstance(stream, httpx.ByteStream) else stream
    return httpcore.Request(
        request.method, url, headers=request.headers.raw, content=content, extensions=request.extensions
    )


def with_fields(request: httpcore.Request, fields: list[tuple[bytes, bytes]]) -> httpcore.Request:
    """The same request with these fields besides."""
    return httpcore.Request(
        request.method,
        request.url,
        headers=[*request.headers, *fields],
        content=request.stream,
        extensions=request.extensions,
    )


def origin_of(url: httpcore.URL) -> tuple[bytes, bytes, int | None]:
    """What must be equal for two requests to share a connection."""
    return url.scheme, url.host, url.port


def is_timeout(error: Exception) -> bool:
    """True when the caller's own patience was over."""
    return isinstance(error, _TIMEOUTS)


def is_break(error: Exception) -> bool:
    """True when the connection or its other end failed, which another balancer may do better."""
    return isinstance(error, _BREAKS)


def to_httpx(error: Exception, message: str = "") -> Exception:
    """The httpx error of the same name as httpcore's; other errors as they are. An error while dialling is
    a connect error.
    """
    if isinstance(error, DialError):
        return (httpx.ConnectTimeout if error.timed_out else httpx.ConnectError)(message or str(error))
    for core_class, httpx_class in _CLASSES.items():
        if isinstance(error, core_class):
            return httpx_class(message or str(error))
    return error


def tell(error: Exception) -> str:
    """What the balancer did, as words that follow its address."""
    match error:
        case httpcore.ReadTimeout():
            return "did not answer in time"
        case httpcore.WriteTimeout():
            return "did not take the request in time"
        case httpcore.ConnectError():
            return tell_connect(error)
        case httpcore.RemoteProtocolError() if "disconnected without" in str(error):
            return "closed the connection before it answered"
        case httpcore.RemoteProtocolError() if "closed connection" in str(error):
            return "broke off in the body"
        case httpcore.RemoteProtocolError():
            return f"sent no valid HTTP: {error}"
        case _:
            return tell_errno(error) or "broke the connection off"


def tell_connect(error: Exception) -> str:
    """Why a connect, or its handshake, failed."""
    return tell_tls(error) or tell_errno(error) or f"could not be connected to: {error}"


def tell_late(*, shakes: bool) -> str:
    """What a balancer did whose connect, or handshake, outlasted the connect timeout."""
    return "did not finish the TLS handshake in time" if shakes else "did not take the connection in time"


def tell_tls(error: BaseException) -> str | None:
    """Why the handshake failed; None when it did not."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has no certificate to trust: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"failed the TLS handshake: {cause.reason or cause}"
    return None


def tell_errno(error: BaseException) -> str | None:
    """The operating system's reason, wherever in the chain of causes it is; None when there is none."""
    system = (e for e in _causes(error) if isinstance(e, OSError) and not isinstance(e, ssl.SSLError))
    found = next((e.errno for e in system if e.errno), None)
    return None if found is None else words_for(found)


def words_for(number: int) -> str:
    """An errno as words that follow an address."""
    match number:
        case errno.ECONNREFUSED:
            return "refused the connection"
        case errno.ECONNRESET | errno.EPIPE:
            return "reset the connection"
        case _:
            return f"failed: {os.strerror(number).lower()}"


def _causes(error: BaseException) -> Iterable[BaseException]:
    waiting = [error]
    seen = 0
    while waiting and seen < 32:  # the chains met are 3 to 5 long
        current = waiting.pop(0)
        seen += 1
        yield current
        waiting += [e for e in (current.__cause__, current.__context__) if e is not None]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
