"""The agent process: puts the plane and the tasks around it together, starts, obeys the sentinel, leaves."""

import os
import random
import secrets
import socket
import sys
from dataclasses import replace
from time import monotonic

import structlog
import trio

from lbmesh.admin.api import AdminSource
from lbmesh.agent.admin_server import AdminServer
from lbmesh.agent.certificate_keeper import CertificateKeeper
from lbmesh.agent.drill_hands import DrillHands
from lbmesh.agent.forwarder_links import ForwarderLinks
from lbmesh.agent.front_drivers import FrontDrivers
from lbmesh.agent.front_leases import FrontLeases
from lbmesh.agent.gateway import Gateway
from lbmesh.agent.gossip_tasks import GossipTasks
from lbmesh.agent.hub import Hub
from lbmesh.agent.key_keeper import KeyKeeper
from lbmesh.agent.limits import CATCH_UP_S, INHERIT_WAIT_S, NICENESS, RELIEF_S, SEEK_S, STAND_DOWN_S, THREAD_TURN_S
from lbmesh.agent.memory_keeper import MemoryKeeper
from lbmesh.agent.nameserver_link import NameserverLink
from lbmesh.agent.probes.prober import Prober
from lbmesh.agent.pulse import keep_pulse
from lbmesh.agent.reload import Refused, Taken, read_again
from lbmesh.agent.seeds import keep_seeds
from lbmesh.agent.stream_tasks import StreamTasks
from lbmesh.config.handover import settings_from_memory, settings_to_memory
from lbmesh.config.settings import Settings
from lbmesh.control import processes
from lbmesh.control.heartbeat import Heartbeat, own_station
from lbmesh.control.inputs import KeyOrder, KeyVerb
from lbmesh.control.memory import is_recent
from lbmesh.control.plane import Plane
from lbmesh.control.processes import (
    GENERATIONS_PER_BOOT,
    AgentOptions,
    ForwarderLink,
    HeartbeatFigures,
    LeaseAnswer,
    LeaseTrouble,
    Leave,
    Left,
    Partners,
    Ready,
    Reload,
    Reloaded,
)
from lbmesh.drivers.bgp.driver import BgpFronts
from lbmesh.drivers.command.driver import CommandFronts
from lbmesh.drivers.driver import FrontDriver
from lbmesh.drivers.ec2.driver import Ec2Fronts
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.leftovers import take_away_leftovers
from lbmesh.drivers.none import UnmovedFronts
from lbmesh.drivers.vip.driver import VipFronts
from lbmesh.failover.words import Back, Gone
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.identity import KEY_BYTES, SECRET_BYTES, Identity, KeyRing
from lbmesh.gossip.key_orders import Said
from lbmesh.gossip.limits import PROFILES
from lbmesh.model.front import DriverKind, Front
from lbmesh.model.view import View
from lbmesh.observe import garbage
from lbmesh.observe.child import ControlChannel
from lbmesh.observe.exposition import CONTENT_TYPE
from lbmesh.observe.metrics import render_metrics
from lbmesh.observe.ticks import TickBoard

log = structlog.get_logger(__name__)


class Agent:
    """The process's tasks around one Plane."""

    def __init__(self, options: AgentOptions, settings: Settings) -> None:
        self._options = options
        self._control = ControlChannel(options.control_fd)
        self._ticks = TickBoard(options.ticks_fd)
        self._rng = random.Random(secrets.randbits(64))
        self._gossip_socket = socket.socket(fileno=options.gossip_fd) if options.gossip_fd is not None else None
        self._gossip = self._make_gossip(settings)
        self._heartbeat = self._make_heartbeat(settings)
        plane = Plane(
            settings,
            generation=options.generation,
            gossip=self._gossip,
            rng=self._rng,
            now=monotonic(),
            heartbeat=self._heartbeat,
        )
        self._hub = Hub(plane)
        self._gateway: Gateway | None = None
        self._leases = FrontLeases(self._control)
        self._key_keeper = KeyKeeper(self._hub, self._control)

    def _make_gossip(self, settings: Settings) -> Gossip | None:
        if settings.gossip is None or self._gossip_socket is None:
            return None
        options = self._options
        identity = Identity(
            name=settings.node.name,
            zone=settings.node.zone,
            address=settings.gossip.advertise,
            epoch=options.boot_epoch * GENERATIONS_PER_BOOT + min(options.generation, GENERATIONS_PER_BOOT - 1),
            secret=secrets.token_bytes(SECRET_BYTES),
        )
        return Gossip(
            identity=identity,
            key_ring=KeyRing(settings.gossip.keys),
            seeds=settings.gossip.seeds,
            rng=self._rng,
            now=monotonic(),
            settings=PROFILES[settings.gossip.profile],
        )

    def _make_heartbeat(self, settings: Settings) -> Heartbeat | None:
        options = self._options
        if options.heartbeat_port is None or settings.gossip is None:
            return None
        station = own_station(settings, options.heartbeat_port, bytes.fromhex(options.heartbeat_session))
        if station is None:
            return None
        return Heartbeat(station, generation=options.generation, now=monotonic())

    async def run(self) -> None:
        """Work until the sentinel is gone, or has been told that this node left."""
        hub = self._hub
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_pulse, hub, self._ticks)
            hub.on_partners = lambda _: nursery.start_soon(self._tell_partners)
            Prober(hub, nursery)
            nursery.start_soon(self._leases.run)
            self._front_drivers = FrontDrivers(hub, nursery, self._drivers(nursery))
            links, nameserver = ForwarderLinks(hub, nursery), NameserverLink(hub, nursery)
            nursery.start_soon(self._begin, links, nursery)
            await self._obey(links, nameserver, nursery)
            nursery.cancel_scope.cancel()

    def _drivers(self, nursery: trio.Nursery) -> dict[DriverKind, FrontDriver]:
        settings, plane = self._hub.plane.settings, self._hub.plane
        name, zone = settings.node.name, settings.node.zone
        vip = VipFronts(name, zone, self._leases, plane.successors)
        bgp = BgpFronts(name, zone, self._leases, self._own_fronts(), plane.successors, plane.hosts)
        nursery.start_soon(vip.look_after_flows)
        nursery.start_soon(bgp.withdraw_what_is_left)
        if settings.gossip:
            nursery.start_soon(bgp.look_after_flows)
        return {
            DriverKind.NONE: UnmovedFronts(),
            DriverKind.VIP: vip,
            DriverKind.BGP: bgp,
            DriverKind.COMMAND: CommandFronts(name, zone),
            DriverKind.EC2: Ec2Fronts(name),
        }

    async def _begin(self, links: ForwarderLinks, nursery: trio.Nursery) -> None:
        """Learn what the forwarders serve, if there was an agent before, else what the disk remembers; then what the
        peers say, for a moment; then the first View.
        """
        hub, settings = self._hub, self._hub.plane.settings
        if self._options.admin_fd is not None:
            nursery.start_soon(self._admin_server(settings, nursery).run)
        keeper = MemoryKeeper(hub, settings.node.state_dir)
        recalled = await keeper.recall()
        inherited = await self._inherit(links)
        if inherited is None and recalled is not None and is_recent(recalled.age_s):
            hub.plane.remember(recalled.memory, monotonic())
            log.info("remembered the picture of the last run", age_s=round(recalled.age_s, 1))
        nursery.start_soon(hub.keep_time)
        if self._gossip is not None and self._gossip_socket is not None and settings.gossip is not None:
            peers = recalled.memory.peers if recalled else ()
            GossipTasks(hub, self._gossip_socket, nursery)
            StreamTasks(hub, self._gossip_socket, nursery)
            nursery.start_soon(keep_seeds, self._gossip, settings.gossip.seeds, peers)
            nursery.start_soon(self._key_keeper.run, settings.gossip)
            hub.do(hub.plane.join(monotonic()))
            if inherited is None and {*settings.gossip.seeds, *peers} - {settings.gossip.advertise}:
                await self._catch_up()
        certificates = CertificateKeeper(hub)
        await certificates.look()
        await self._take_away_leftovers()
        hub.do(hub.plane.start(monotonic()))
        self._follow_fronts(nursery)
        garbage.spare()
        nursery.start_soon(keeper.keep)
        nursery.start_soon(certificates.keep)
        await self._control.send(Ready())

    async def _inherit(self, links: ForwarderLinks) -> View | None:
        """The View that forwarders serve from, when there was an agent before this one."""
        if self._options.generation > 1:
            with trio.move_on_after(INHERIT_WAIT_S):
                await links.wait_for(self._hub.plane.settings.workers)
        if inherited := links.stop_inheriting():
            self._hub.plane.inherit(inherited, monotonic())
            log.info("inherited a View", version=str(inherited.version))
        return inherited

    async def _catch_up(self) -> None:
        """Give the peers a moment to say what they know: a replica that the mesh knows is dead gets no request."""
        gossip, plane, began = self._gossip, self._hub.plane, monotonic()
        assert gossip is not None
        with trio.move_on_after(SEEK_S):
            await self._hub.until(gossip.has_live_peer)
        with trio.move_on_after(CATCH_UP_S if gossip.has_live_peer() else 0):
            await self._hub.until(plane.picture.caught_up)
        word = "caught up with the mesh" if plane.picture.caught_up() else "no peer has told all it knows in time"
        log.info(word, after_s=round(monotonic() - began, 3))

    def _admin_server(self, settings: Settings, nursery: trio.Nursery) -> AdminServer:
        hub = self._hub
        drill = None
        if settings.admin is not None and settings.admin.drills:
            drill = DrillHands(lambda: [one.pid for one in hub.plane.picture.state(monotonic()).forwarders], nursery)
        assert self._options.admin_fd is not None
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(socket.socket(fileno=self._options.admin_fd)))
        source = AdminSource(
            state=lambda: hub.plane.picture.state(monotonic()),
            replicas=hub.plane.picture.replica_states,
            metrics=lambda: render_metrics(
                hub.plane.picture.state(monotonic()), hub.plane.picture.replica_states, hub.figures
            ),
            metrics_type=CONTENT_TYPE,
            replica_ids=hub.plane.picture.replica_ids,
            explain_replica=lambda replica: hub.plane.picture.explain_replica(monotonic(), replica),
            explain_url=hub.plane.picture.explain_url,
            explain_front=lambda name: hub.plane.picture.explain_front(monotonic(), name),
            explain_member=lambda name: hub.plane.picture.explain_member(monotonic(), name),
            token=settings.admin.token if settings.admin else None,
            ring=hub.plane.picture.ring,
            key_fault=lambda: hub.plane.picture.key_fault,
            order_key=self._order_key,
            drill=drill,
        )
        return AdminServer(listener, source)

    def _follow_fronts(self, nursery: trio.Nursery) -> None:
        """Have drivers look after the fronts of the settings; a witness has none.
        The gateway is asked from the first front on: by that a node tells whether it is cut off.
        """
        fronts = self._own_fronts()
        self._front_drivers.follow(fronts)
        if self._gateway is None and fronts and self._hub.plane.settings.gossip:
            self._gateway = Gateway(self._gateway_seen)
            nursery.start_soon(self._gateway.run)

    def _own_fronts(self) -> tuple[Front, ...]:
        """Those that this node may hold."""
        settings = self._hub.plane.settings
        return () if settings.is_witness else settings.fronts

    async def _take_away_leftovers(self) -> None:
        kernel = Kernel()
        await take_away_leftovers(kernel, self._own_fronts())
        kernel.close()

    def _gateway_seen(self, in_reach: bool) -> None:
        self._hub.do(self._hub.plane.outside_seen("gateway", monotonic(), in_reach=in_reach))

    async def _tell_partners(self) -> None:
        """Tell the newest table: tasks may run in another order than they were started."""
        if self._heartbeat is not None:
            await self._control.send(Partners(self._heartbeat.own.name, self._heartbeat.newest))

    def _order_key(self, order: KeyOrder) -> Said:
        """An operator's order about the key ring. Fresh keys are made here: none ever goes over the admin API."""
        if order.verb is KeyVerb.INSTALL and not order.key:
            order = replace(order, fresh=secrets.token_bytes(KEY_BYTES))
        said, effects = self._hub.plane.order_key(order)
        self._hub.do(effects)
        return said

    async def _obey(self, links: ForwarderLinks, nameserver: NameserverLink, nursery: trio.Nursery) -> None:
        """Do what the sentinel says, until it closes the channel."""
        while received := await self._control.receive():
            message, descriptors = received
            match message:
                case ForwarderLink(worker=worker, pid=pid):
                    links.add(worker, pid, descriptors[0])
                case processes.NameserverLink():
                    nameserver.add(descriptors[0])
                case Reload():
                    await self._reload(nursery)
                case Leave():
                    nursery.start_soon(self._leave)
                case Gone() | Back():
                    if isinstance(message, Gone) and self._gateway is not None:
                        self._gateway.doubt()
                    self._hub.do(self._hub.plane.partner_word(message, monotonic()))
                case HeartbeatFigures(counters=counters):
                    self._hub.plane.heartbeat_figures(counters)
                case LeaseAnswer():
                    self._leases.answered(message)
                case LeaseTrouble():
                    self._leases.troubled(message)
                case _:
                    log.warning("a control message that is not for an agent", message=type(message).__name__)

    async def _reload(self, nursery: trio.Nursery) -> None:
        async with self._key_keeper.turn:
            await self._read_again(nursery)

    async def _read_again(self, nursery: trio.Nursery) -> None:
        hub = self._hub
        outcome = await trio.to_thread.run_sync(read_again, self._options.config_file, hub.plane.settings)
        match outcome:
            case Taken(settings=settings, changes=changes):
                hub.do(hub.plane.reload(settings, changes, monotonic()))
                self._follow_fronts(nursery)
                garbage.spare()
                descriptor = await trio.to_thread.run_sync(settings_to_memory, hub.plane.settings)
                await self._control.send(Reloaded(ok=True), (descriptor,))
                os.close(descriptor)
            case Refused(errors=errors):
                hub.do(hub.plane.reload_refused(errors, monotonic()))
                await self._control.send(Reloaded(ok=False, errors=errors))

    async def _leave(self) -> None:
        """Hand the fronts over, say goodbye, and stay: metrics and state are answered until the forwarders have
        drained.
        """
        hub = self._hub
        hub.do(hub.plane.retire(monotonic()))
        with trio.move_on_after(RELIEF_S):
            await hub.until(lambda: hub.plane.is_relieved)
        with trio.move_on_after(STAND_DOWN_S):
            await self._front_drivers.stand_down("this node leaves, and nobody has taken it")
        hub.do(hub.plane.leave(monotonic()))
        await self._control.send(Left())


def run(options: AgentOptions) -> int:
    """The agent's main function. Starts from the settings in force, whatever the file says by now."""
    agent = Agent(options, settings_from_memory(options.settings_fd))
    os.nice(NICENESS)
    garbage.begin()
    sys.setswitchinterval(THREAD_TURN_S)
    trio.run(agent.run)
    return 0
