"""Gossip streams: TCP at the port of the gossip socket, for what datagrams are too small for.

A unit is two bytes of length and a sealed datagram. Everything is decided by the core; here bytes are moved, and
nobody may make this process hold anything for long: units must come and go within seconds, streams are few.

The agent binds the port itself, other than the sockets that the sentinel holds: nobody need wait in a listen queue
for an agent that restarts, a refusal sends the peer back to datagrams at once. And a port that is taken must not
keep a node from starting that can do without.
"""

import socket
from collections import Counter
from contextlib import suppress
from time import monotonic

import structlog
import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import (
    STREAM_BUFFER_BYTES,
    STREAM_BYTES_MAX,
    STREAM_S,
    STREAM_UNIT_S,
    STREAMS_IN_MAX,
    STREAMS_IN_PER_HOST_MAX,
)
from lbmesh.control.inputs import Effects
from lbmesh.gossip.limits import DATAGRAM_BYTES_MAX
from lbmesh.model.address import Address

_LENGTH_BYTES = 2

log = structlog.get_logger(__name__)


class StreamTasks:
    """Runs in the nursery until it is cancelled. `udp`: the gossip socket, whose address the streams share."""

    def __init__(self, hub: Hub, udp: socket.socket, nursery: trio.Nursery) -> None:
        self._hub = hub
        self._nursery = nursery
        self._guests: dict[_Talk, str] = {}
        hub.on_stream = lambda address: nursery.start_soon(self._call, address)
        listener = _listener(udp)
        if listener is not None:
            nursery.start_soon(trio.serve_listeners, self._answer, [listener])

    async def _call(self, address: Address) -> None:
        """Open a stream that the core wants, and talk."""
        plane = self._hub.plane
        try:
            with suppress(OSError, trio.TooSlowError):
                with trio.fail_after(STREAM_UNIT_S):
                    stream = await trio.open_tcp_stream(address.host, address.port)
                await _Talk(self._hub, stream, address).run(plane.stream_opened(address, monotonic()))
        finally:
            plane.stream_closed(address)

    async def _answer(self, stream: trio.SocketStream) -> None:
        """Somebody has opened a stream to this node."""
        with suppress(OSError):
            async with stream:
                host, port = stream.socket.getpeername()[:2]
                if not self._has_room(host):
                    return
                talk = _Talk(self._hub, stream, Address(host, port))
                self._guests[talk] = host
                try:
                    await talk.run(None)
                finally:
                    del self._guests[talk]

    def _has_room(self, host: str) -> bool:
        """Make room, if that is needed, by closing the longest silent stranger."""
        if Counter(self._guests.values())[host] >= STREAMS_IN_PER_HOST_MAX:
            return False
        if len(self._guests) < STREAMS_IN_MAX:
            return True
        stranger = next((talk for talk in self._guests if not talk.is_authentic), None)
        if stranger is not None:
            stranger.limit.cancel()
        return stranger is not None


class _Talk:
    """Units, one after the other, both ways."""

    def __init__(self, hub: Hub, stream: trio.SocketStream, address: Address) -> None:
        self._hub = hub
        self._stream = stream
        self._address = address
        self._moved_bytes = 0
        self._read = b""
        self.limit = trio.CancelScope()
        self.is_authentic = False

    async def run(self, first: Effects | None) -> None:
        """Talk until there is no more to say, or the other side is slow, gone or no member."""
        self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_BUFFER_BYTES)
        self.limit.deadline = trio.current_time() + STREAM_S
        with suppress(trio.BrokenResourceError, trio.TooSlowError), self.limit:
            async with self._stream:
                await self._talk(first)

    async def _talk(self, first: Effects | None) -> None:
        effects = first
        while True:
            if effects is not None:
                self._hub.do(effects)
                step = effects.stream
                await self._send(step.units)
                if step.is_over or (step.is_refused and not step.units) or self._moved_bytes > STREAM_BYTES_MAX:
                    return
                self.is_authentic = self.is_authentic or not step.is_refused
            with trio.fail_after(STREAM_UNIT_S):
                unit = await self._receive()
            if unit is None:
                return
            await trio.lowlevel.checkpoint()
            effects = self._hub.plane.stream_unit(self._address, unit, monotonic())

    async def _send(self, units: tuple[bytes, ...]) -> None:
        if units:
            data = b"".join(len(unit).to_bytes(_LENGTH_BYTES, "big") + unit for unit in units)
            self._moved_bytes += len(data)
            with trio.fail_after(STREAM_UNIT_S):
                await self._stream.send_all(data)

    async def _receive(self) -> bytes | None:
        """The next unit; None at the stream's end, and for a length that no unit has."""
        while True:
            length = int.from_bytes(self._read[:_LENGTH_BYTES], "big")
            if len(self._read) >= _LENGTH_BYTES and not 1 <= length <= DATAGRAM_BYTES_MAX:
                return None
            end = _LENGTH_BYTES + length
            if len(self._read) >= max(end, _LENGTH_BYTES + 1):
                unit, self._read = self._read[_LENGTH_BYTES:end], self._read[end:]
                return unit
            data = await self._stream.receive_some(STREAM_BUFFER_BYTES)
            if not data:
                return None
            self._moved_bytes += len(data)
            self._read += data


def _listener(udp: socket.socket) -> trio.SocketListener | None:
    """Listening where the gossip socket is bound; None when that cannot be, which is logged."""
    listening = socket.socket(udp.family, socket.SOCK_STREAM)
    try:
        if udp.family == socket.AF_INET6:
            v6_only = udp.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(udp.getsockname())
        listening.listen(STREAMS_IN_MAX)
    except OSError as error:
        listening.close()
        log.warning(
            "no gossip streams: peers that lack much of what is known here will take longer to learn it",
            address=str(udp.getsockname()[:2]),
            reason=error.strerror,
            hint="free this TCP port, or choose another gossip.bind",
        )
        return None
    return trio.SocketListener(trio.socket.from_stdlib_socket(listening))
