"""The forwarder's end of its link to the agent: Views in, telemetry out.

The forwarder needs nothing of the agent to go on serving: a link that breaks is forgotten, and the next agent
is told at once which View is in use. Whatever grows with the number of replicas is done in slices, so that requests
do not wait for it.
"""

import os
from collections.abc import Callable
from time import monotonic

import structlog
import trio

from lbmesh.control.lines import Lines
from lbmesh.control.link import Hello, Viewed, encode_message
from lbmesh.control.view_codec import ViewDecoder, encode_view
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.relocation import Relocation
from lbmesh.forwarder.slices import Slices
from lbmesh.forwarder.telemetry import TelemetryReport
from lbmesh.observe import garbage

TELEMETRY_S = 1.0

log = structlog.get_logger(__name__)


class AgentLinkClient:
    """Talks to one agent at a time; `serve` is run anew for each link the sentinel makes."""

    def __init__(self, engine: Engine, worker: int, on_view: Callable[[], None]) -> None:
        self._engine = engine
        self._worker = worker
        self._on_view = on_view
        self._wake = trio.Event()
        self._viewed_changed = False
        self._decoder = ViewDecoder()
        """Outlives a link: of what another agent says first, most was said by the one before."""
        engine.on_failure = self._something_to_say

    async def serve(self, stream: trio.SocketStream) -> None:
        """Talk until the link breaks."""
        try:
            async with stream:
                await self._greet(stream)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send, stream)
                    await self._receive(stream)
                    nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            log.info("the link to the agent broke")
        except* ValueError as group:
            log.error("the agent broke the link's rules; the link is closed", error=str(group.exceptions[0]))

    async def _greet(self, stream: trio.SocketStream) -> None:
        serving = self._engine.serving
        await stream.send_all(encode_message(Hello(self._worker, os.getpid())))
        if serving is not None:
            async for line in Slices(encode_view(serving.view)):
                await stream.send_all(line)
            await stream.send_all(encode_message(Viewed(serving.version)))

    async def _receive(self, stream: trio.SocketStream) -> None:
        """Take Views until the link ends. Raises ValueError for what no agent says."""
        lines = Lines()
        async for data in stream:
            async for line in Slices(lines.feed(data)):
                view = self._decoder.feed(line)
                if view is not None and self._engine.is_news(view):
                    garbage.sweep()
                    async for _ in Slices(self._engine.adopt(view)):
                        garbage.spare()
                    if self._engine.any_has_fallen():
                        Relocation(self._engine).begin()
                    self._on_view()
                    self._viewed_changed = True
                    self._something_to_say()

    async def _send(self, stream: trio.SocketStream) -> None:
        engine = self._engine
        report = TelemetryReport(engine, self._worker)
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
            if lines:
                await stream.send_all(b"".join(lines))
            if monotonic() >= telemetry_due:
                telemetry_due = monotonic() + TELEMETRY_S
                async for line in Slices(report.lines()):
                    if line:
                        await stream.send_all(line)

    def _something_to_say(self) -> None:
        self._wake.set()
