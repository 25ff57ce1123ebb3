"""The links to the forwarders: each gets every newest View, and says what it sees.

A forwarder that is slow to read never makes Views pile up: while one is being written, only the newest waits.
"""

import socket
from time import monotonic

import structlog
import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import SLICE_S, VIEW_GAP_S
from lbmesh.control.lines import Lines
from lbmesh.control.link import Hello, LinkMessage, ReplicaFailure, Telemetry, Viewed, decode_message
from lbmesh.control.view_codec import ViewDecoder, ViewEncoder
from lbmesh.model.view import View

_READ_BYTES = 64 * 1024
_WRITE_BYTES = 64 * 1024
"""Of a View are encoded at a time, which takes half a millisecond; then others run."""

log = structlog.get_logger(__name__)


class ForwarderLinks:
    """All links. Until `stop_inheriting`, Views that forwarders already serve from are collected."""

    def __init__(self, hub: Hub, nursery: trio.Nursery) -> None:
        self._hub = hub
        self._nursery = nursery
        self._links: set[_Link] = set()
        self._inherited: View | None = None
        self._inheriting = True
        self._greeted: set[int] = set()
        self._someone_greeted = trio.Event()
        self._encoder = ViewEncoder()
        hub.on_view = self._publish

    def add(self, worker: int, pid: int, descriptor: int) -> None:
        """Talk to this forwarder over this socket, until it breaks."""
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptor)))
        self._nursery.start_soon(self._serve, _Link(worker, pid, stream))

    async def wait_for(self, workers: int) -> None:
        """Wait until this many forwarders have said what they serve from."""
        while len(self._greeted) < workers:
            self._someone_greeted = trio.Event()
            await self._someone_greeted.wait()

    def stop_inheriting(self) -> View | None:
        """The newest View that a forwarder serves from, if any; later ones are left out."""
        self._inheriting = False
        return self._inherited

    def _publish(self, view: View) -> None:
        for link in self._links:
            link.offer(view)

    async def _serve(self, link: "_Link") -> None:
        plane = self._hub.plane
        self._links.add(link)
        self._hub.do(plane.forwarder_linked(link.worker, link.pid, monotonic()))
        if plane.view is not None:
            link.offer(plane.view)
        try:
            async with link.stream, trio.open_nursery() as nursery:
                nursery.start_soon(self._write, link)
                await self._read(link)
                nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            log.debug("a link broke", worker=link.worker, pid=link.pid)
        except* ValueError as group:
            log.error("a forwarder broke the link's rules", worker=link.worker, error=str(group.exceptions[0]))
        finally:
            self._links.discard(link)
            self._greet(link)
            self._hub.do(plane.forwarder_unlinked(link.worker, link.pid, monotonic()))

    async def _write(self, link: "_Link") -> None:
        while True:
            waiting = bytearray()
            view = await link.next_view()
            for piece in self._encoder.pieces(view, link.written):
                waiting += piece
                if len(waiting) >= _WRITE_BYTES:
                    await link.stream.send_all(waiting)
                    waiting = bytearray()
            await link.stream.send_all(waiting)
            link.written = view
            await trio.sleep(VIEW_GAP_S)

    async def _read(self, link: "_Link") -> None:
        """Raises ValueError for what no forwarder says."""
        decoder = ViewDecoder()
        lines = Lines()
        while data := await link.stream.receive_some(_READ_BYTES):
            began = monotonic()
            for line in lines.feed(data):
                message = decode_message(line)
                if message is not None:
                    self._take(link, message)
                elif self._inheriting:
                    self._keep_newest(decoder.feed(line))
                if monotonic() - began > SLICE_S:
                    await trio.lowlevel.checkpoint()
                    began = monotonic()

    def _take(self, link: "_Link", message: LinkMessage) -> None:
        plane, now = self._hub.plane, monotonic()
        match message:
            case Hello():
                return
            case Viewed(version=version):
                self._greet(link)
                self._hub.do(plane.forwarder_viewed(link.worker, version, now))
            case ReplicaFailure():
                self._hub.do(plane.replica_failure(message, now))
            case Telemetry():
                self._greet(link)
                self._hub.figures.traffic.take(message)
                self._hub.do(plane.telemetry(message, now))

    def _keep_newest(self, view: View | None) -> None:
        if view is not None and (self._inherited is None or view.version > self._inherited.version):
            self._inherited = view

    def _greet(self, link: "_Link") -> None:
        """The forwarder's View, if it has one, has come: it is sent before anything else."""
        if self._inheriting:
            self._greeted.add(link.worker)
            self._someone_greeted.set()


class _Link:
    """One link, and the View that waits to be written to it."""

    def __init__(self, worker: int, pid: int, stream: trio.SocketStream) -> None:
        self.worker = worker
        self.pid = pid
        self.stream = stream
        self.written: View | None = None
        """The last View that the forwarder was sent in full, from which it knows what is the same."""
        self._waiting: View | None = None
        self._wake = trio.Event()

    def offer(self, view: View) -> None:
        """Have this View written next, instead of any that waits."""
        self._waiting = view
        self._wake.set()

    async def next_view(self) -> View:
        """The View to write now."""
        while self._waiting is None:
            self._wake = trio.Event()
            await self._wake.wait()
        view, self._waiting = self._waiting, None
        return view
