"""The forwarder's end of its link to the agent: Views in, telemetry out.

The forwarder needs nothing of the agent to go on serving: a link that breaks is forgotten, and the next agent
is told at once which View is in use.
"""

import os
from collections.abc import Callable
from time import monotonic

import structlog
import trio

from lbmesh.control.link import LINE_BYTES_MAX, Hello, ReplicaTelemetry, Telemetry, Viewed, encode_message
from lbmesh.control.view_codec import ViewDecoder, encode_view
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.service_state import ServiceState

TELEMETRY_S = 1.0
DECODE_SLICE_S = 0.001
"""A View is decoded in slices of this length, so that requests do not wait for a big one."""

log = structlog.get_logger(__name__)


class AgentLinkClient:
    """Talks to one agent at a time; `serve` is run anew for each link the sentinel makes."""

    def __init__(self, engine: Engine, worker: int, on_view: Callable[[], None]) -> None:
        self._engine = engine
        self._worker = worker
        self._on_view = on_view
        self._wake = trio.Event()
        self._viewed_changed = False
        engine.on_failure = self._something_to_say

    async def serve(self, stream: trio.SocketStream) -> None:
        """Talk until the link breaks."""
        try:
            async with stream:
                await stream.send_all(self._greeting())
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send, stream)
                    await self._receive(stream)
                    nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            log.info("the link to the agent broke")

    def _greeting(self) -> bytes:
        serving = self._engine.serving
        lines = [encode_message(Hello(self._worker, os.getpid()))]
        if serving is not None:
            lines += [*encode_view(serving.view), encode_message(Viewed(serving.version))]
        return b"".join(lines)

    async def _receive(self, stream: trio.SocketStream) -> None:
        """Take Views until the link ends or says something that is none."""
        decoder = ViewDecoder()
        buffer = b""
        async for data in stream:
            *lines, buffer = (buffer + data).split(b"\n")
            if len(buffer) > LINE_BYTES_MAX:
                log.error("the agent sent a line that does not end; the link is closed", bytes=len(buffer))
                return
            began = monotonic()
            for line in lines:
                try:
                    view = decoder.feed(line)
                except ValueError as error:
                    log.error("the agent sent what is no View; the link is closed", error=str(error))
                    return
                if view is not None and self._engine.adopt(view):
                    self._on_view()
                    self._viewed_changed = True
                    self._something_to_say()
                if monotonic() - began > DECODE_SLICE_S:
                    await trio.lowlevel.checkpoint()
                    began = monotonic()

    async def _send(self, stream: trio.SocketStream) -> None:
        engine = self._engine
        telemetry_due = monotonic()
        while True:
            with trio.move_on_at(trio.current_time() + max(0.0, telemetry_due - monotonic())):
                await self._wake.wait()
            self._wake = trio.Event()
            lines = []
            if self._viewed_changed and engine.serving is not None:
                self._viewed_changed = False
                lines.append(encode_message(Viewed(engine.serving.version)))
            while engine.failures:
                lines.append(encode_message(engine.failures.popleft()))
            if monotonic() >= telemetry_due:
                telemetry_due = monotonic() + TELEMETRY_S
                lines.append(encode_message(self.telemetry()))
            if lines:
                await stream.send_all(b"".join(lines))

    def _something_to_say(self) -> None:
        self._wake.set()

    def telemetry(self) -> Telemetry:
        """All figures of this forwarder so far."""
        engine = self._engine
        services: tuple[ServiceState, ...] = tuple(engine.serving.services.values()) if engine.serving else ()
        return Telemetry(
            worker=self._worker,
            pid=os.getpid(),
            version=engine.serving.version if engine.serving else None,
            connections=engine.counters.connections,
            active_requests=engine.counters.active,
            accepted=engine.counters.accepted,
            access_log_dropped=engine.access_log.dropped,
            requests=(
                *engine.unrouted.telemetry(""),
                *(row for service in services for row in service.durations.telemetry(service.name)),
            ),
            replicas=tuple(
                ReplicaTelemetry(
                    replica=replica.id,
                    requests=replica.requests,
                    failures=replica.failures,
                    responses_5xx=replica.responses_5xx,
                    in_flight=replica.in_flight,
                    ewma_s=replica.latency_s,
                    errors=replica.errors,
                )
                for service in services
                for replica in service.replicas
            ),
        )
