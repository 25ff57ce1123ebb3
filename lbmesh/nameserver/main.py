"""The nameserver process: the responder, its sockets and its link to the agent put together."""

import os
import resource
import socket
from contextlib import closing

import structlog
import trio

from lbmesh.config.handover import settings_from_memory
from lbmesh.config.settings import Settings
from lbmesh.control.dns_link import DnsTelemetry
from lbmesh.control.processes import NAMESERVER_SLOT, AgentLink, NameserverOptions, Ready
from lbmesh.dns.responder import Responder
from lbmesh.model.dns import DnsPicture, PublishedAddress
from lbmesh.model.view import ViewVersion
from lbmesh.nameserver.agent_link import AgentLinkClient
from lbmesh.nameserver.limits import TICK_S, UNTOLD_S
from lbmesh.nameserver.tcp import TcpServer
from lbmesh.nameserver.udp import UdpServer
from lbmesh.observe import garbage
from lbmesh.observe.child import ControlChannel
from lbmesh.observe.ticks import TickBoard

log = structlog.get_logger(__name__)


class Nameserver:
    """The process's tasks around one Responder."""

    def __init__(self, options: NameserverOptions, everything: DnsPicture) -> None:
        self._everything = everything
        self.responder = Responder()
        self._udp = tuple(UdpServer(socket.socket(fileno=descriptor), self.responder) for descriptor in options.udp_fds)
        self._tcp = TcpServer(self.responder)
        self._listeners = tuple(
            trio.SocketListener(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptor)))
            for descriptor in options.tcp_fds
        )
        self._ticks = TickBoard(options.ticks_fd)
        self._control = ControlChannel(options.control_fd)

    async def run(self) -> None:
        """Serve until the sentinel is gone."""
        with closing(self._control):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time)
                for udp in self._udp:
                    nursery.start_soon(udp.run)
                for listener in self._listeners:
                    nursery.start_soon(self._tcp.run, listener)
                nursery.start_soon(self._go_without)
                await self._control.send(Ready())
                await self._obey(nursery)
                nursery.cancel_scope.cancel()

    async def _obey(self, nursery: trio.Nursery) -> None:
        link = AgentLinkClient(self.responder, self._telemetry)
        link_scope = trio.CancelScope()
        while received := await self._control.receive():
            message, descriptors = received
            match message:
                case AgentLink():
                    link_scope.cancel()
                    link_scope = trio.CancelScope()
                    stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=descriptors[0])))
                    nursery.start_soon(_serve_within, link_scope, link, stream)
                case _:
                    log.warning("a control message that is not for a nameserver", message=type(message).__name__)

    async def _keep_time(self) -> None:
        while True:
            self._ticks.stamp(NAMESERVER_SLOT)
            await trio.sleep(TICK_S)

    async def _go_without(self) -> None:
        """Without any word of an agent, publish all addresses."""
        await trio.sleep(UNTOLD_S)
        if self.responder.picture is None:
            log.warning("no agent has said which addresses live: all are published")
            self.responder.tell(self._everything)

    def _telemetry(self) -> DnsTelemetry:
        responder, figures = self.responder, self.responder.figures
        return DnsTelemetry(
            pid=os.getpid(),
            version=responder.picture.version if responder.picture else None,
            udp=figures.udp,
            tcp=figures.tcp,
            ignored=figures.ignored,
            truncated=figures.truncated,
            slipped=figures.slipped,
            dropped=figures.dropped,
            unsent=sum(udp.unsent for udp in self._udp),
            connections=self._tcp.connections,
            shed=self._tcp.shed,
            rcodes=tuple((code.name, count) for code, count in sorted(figures.rcodes.items())),
        )


def everything(settings: Settings) -> DnsPicture:
    """The picture of who knows nothing but the settings; any agent's is newer."""
    assert settings.dns is not None
    addresses = (PublishedAddress(one.name, one.zone, True, "no agent has said more") for one in settings.fronts)
    return DnsPicture(ViewVersion(0, 0), settings.dns.policy, tuple(addresses))


async def _serve_within(scope: trio.CancelScope, link: AgentLinkClient, stream: trio.SocketStream) -> None:
    with scope:
        await link.serve(stream)


def run(options: NameserverOptions) -> int:
    """The nameserver's main function: ends when the sentinel has gone. Returns the exit status."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    nameserver = Nameserver(options, everything(settings_from_memory(options.settings_fd)))
    garbage.begin()
    trio.run(nameserver.run)
    return 0
