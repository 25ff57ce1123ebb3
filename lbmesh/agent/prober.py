"""The prober: carries out probe orders with h11, each on a connection of its own, as a client's request may need too.

Redirects are not followed: the replica itself is asked. Not with httpx, with which a probe takes 1.4 ms of the
processor's time instead of 0.7: with short intervals, probes are most of what an idle agent does.
"""

import errno
import os
import socket
from time import monotonic

import h11
import trio

from lbmesh import __version__
from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import PROBE_BODY_BYTES_MAX, PROBE_HEAD_BYTES_MAX, PROBES_IN_FLIGHT_MAX
from lbmesh.control.inputs import ProbeResult
from lbmesh.health.book import ProbeOrder

_READ_BYTES = 16 * 1024

_CUT_SHORT = "connection closed before a whole answer"
"""By FIN or RST: which of them it is depends on what the replica had read, and means the same."""

_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: _CUT_SHORT,
    errno.EPIPE: _CUT_SHORT,
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "network unreachable",
}


class Prober:
    """Runs probes in a nursery; every order is answered, whatever happens."""

    def __init__(self, hub: Hub, nursery: trio.Nursery) -> None:
        self._hub = hub
        self._turns = trio.Semaphore(PROBES_IN_FLIGHT_MAX)
        hub.on_probe = lambda order: nursery.start_soon(self._run, order)

    async def _run(self, order: ProbeOrder) -> None:
        async with self._turns:
            result = await probe(order)
        self._hub.figures.probes[order.replica.service, "success" if result.success else "failure"] += 1
        self._hub.do(self._hub.plane.probe_finished(order.replica, result, monotonic()))


async def probe(order: ProbeOrder) -> ProbeResult:
    """Ask the replica once: success is a status from 200 to 399, with its body's beginning, within the
    timeout.
    """
    result = ProbeResult(False, f"no answer within {order.check.timeout_s:g}s")
    with trio.move_on_after(order.check.timeout_s):
        try:
            address = order.replica.address
            async with await trio.open_tcp_stream(address.host, address.port) as stream:
                result = await _ask(stream, order)
        except (OSError, trio.BrokenResourceError) as error:
            result = ProbeResult(False, _explain(error))
    return result


async def _ask(stream: trio.SocketStream, order: ProbeOrder) -> ProbeResult:
    http = h11.Connection(h11.CLIENT, max_incomplete_event_size=PROBE_HEAD_BYTES_MAX)
    fields = [
        ("Host", str(order.replica.address)),
        ("User-Agent", f"lbmesh-probe/{__version__}"),
        ("Accept", "*/*"),
        ("Connection", "close"),
    ]
    head = http.send(h11.Request(method="GET", target=order.check.path, headers=fields))
    await stream.send_all((head or b"") + (http.send(h11.EndOfMessage()) or b""))
    status = size = 0
    ended = False
    while size < PROBE_BODY_BYTES_MAX:
        try:
            event = http.next_event()
        except h11.RemoteProtocolError as error:
            return ProbeResult(False, _CUT_SHORT if ended else _not_http(error))
        match event:
            case h11.NEED_DATA:
                data = await stream.receive_some(_READ_BYTES)
                ended = not data
                http.receive_data(data)
            case h11.Response():
                status = event.status_code
            case h11.Data():
                size += len(event.data)
            case h11.InformationalResponse():
                continue
            case _:
                break
    return ProbeResult(200 <= status < 400, f"status {status}")


def _not_http(error: h11.RemoteProtocolError) -> str:
    """The library's words, without the bytes that it quotes as Python writes them."""
    return f"not HTTP: {str(error).partition(': b')[0].lower()}"


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
    return str(error) or type(error).__name__
