"""The prober: carries out probe orders with httpx, each on a connection of its own.

A new connection each time, because that is what a client's request may need too. Redirects are not
followed and proxies of the environment not used: the replica itself is asked. A probe costs 1.4 ms of processor
time (with h11 alone it took 0.7): the price of a library that also knows TLS and will have to.
"""

import errno
import os
import socket
import ssl
from contextlib import AsyncExitStack
from time import monotonic

import httpx
import trio

from lbmesh import __version__
from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import PROBE_BODY_BYTES_MAX, PROBES_IN_FLIGHT_MAX
from lbmesh.control.inputs import ProbeResult
from lbmesh.health.outcome import ProbeOrder

_CUT_SHORT = "connection closed before a whole answer"
"""By FIN or RST: which of them it is depends on what the replica had read, and means the same."""

_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: _CUT_SHORT,
    errno.EPIPE: _CUT_SHORT,
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "network unreachable",
}


def probe_client() -> httpx.AsyncClient:
    """A client for plain HTTP. An empty TLS context spares it the loading of all the world's certificates."""
    return httpx.AsyncClient(
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        trust_env=False,
        follow_redirects=False,
        timeout=None,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        headers={"User-Agent": f"lbmesh-probe/{__version__}", "Connection": "close"},
    )


class Prober:
    """Runs probes in a nursery; every order is answered, whatever happens."""

    def __init__(self, hub: Hub, nursery: trio.Nursery, client: httpx.AsyncClient) -> None:
        self._hub = hub
        self._client = client
        self._turns = trio.Semaphore(PROBES_IN_FLIGHT_MAX)
        hub.on_probe = lambda order: nursery.start_soon(self._run, order)

    async def _run(self, order: ProbeOrder) -> None:
        async with self._turns:
            result = await probe(self._client, order)
        self._hub.figures.probes[order.replica.service, "success" if result.success else "failure"] += 1
        self._hub.do(self._hub.plane.probe_finished(order.replica, result, monotonic()))


async def probe(client: httpx.AsyncClient, order: ProbeOrder) -> ProbeResult:
    """Ask the replica once: success is a status from 200 to 399, with its body's beginning, within the
    timeout.
    """
    result = ProbeResult(False, f"no answer within {order.check.timeout_s:g}s")
    with trio.move_on_after(order.check.timeout_s):
        try:
            async with AsyncExitStack() as stack:
                url = f"http://{order.replica.address}{order.check.path}"
                response = await stack.enter_async_context(client.stream("GET", url))
                await _read_beginning(response)
            result = ProbeResult(200 <= response.status_code < 400, f"status {response.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            result = ProbeResult(False, _explain(error))
    return result


async def _read_beginning(response: httpx.Response) -> None:
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size >= PROBE_BODY_BYTES_MAX:
            return


def _explain(error: Exception) -> str:
    """The operating system's word if there is one among the causes, else the library's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return f"the name does not resolve: {cause.strerror}".lower()
        if isinstance(cause, OSError) and cause.errno:
            return _WORDS.get(cause.errno) or os.strerror(cause.errno).lower()
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = inner or cause.__cause__ or cause.__context__
    text = str(error) or type(error).__name__
    if isinstance(error, httpx.RemoteProtocolError):
        return _CUT_SHORT if "disconnected" in text or "closed" in text else _not_http(text)
    return text


def _not_http(text: str) -> str:
    """The library's words, without the bytes that it quotes as Python writes them."""
    return f"not HTTP: {text.partition(': b')[0].lower()}"
