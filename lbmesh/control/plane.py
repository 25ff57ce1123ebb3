"""The plane: folds everything a node hears into one View and one set of things to do, one way (`control/fold.py`).

Datagrams and deadlines go through gossip, probe results and failed requests through the health book;
members and availability through routing into the View. Each input is a method that returns Effects;
between inputs the shell waits until `next_deadline` and calls `tick`. No clock and no randomness of its
own.
"""

from collections.abc import Mapping
from dataclasses import replace

from lbmesh.config.authorities import with_authorities
from lbmesh.config.key_pairs import key_pairs, with_key_pairs
from lbmesh.config.settings import Settings
from lbmesh.control.certificates import CertificateFiles
from lbmesh.control.dns import DnsPart
from lbmesh.control.events import forwarder_event, memory_event
from lbmesh.control.fold import Fold
from lbmesh.control.fronts import FrontPart
from lbmesh.control.heartbeat import Heartbeat
from lbmesh.control.inputs import Effects, Event, EventKind, KeyOrder, ProbeResult
from lbmesh.control.link import ReplicaFailure, Telemetry
from lbmesh.control.memory import Memory, first_reason, recall
from lbmesh.control.mesh import Mesh
from lbmesh.control.parts import Parts
from lbmesh.control.picture import Picture
from lbmesh.control.state import ReloadOutcome
from lbmesh.control.views import ViewMaker
from lbmesh.control.zone_traffic import ZoneTraffic
from lbmesh.failover.orders import Outcome
from lbmesh.failover.words import Back, Gone
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.key_orders import Said
from lbmesh.health.book import HealthBook
from lbmesh.health.ejection import Ejections
from lbmesh.health.plan import Random
from lbmesh.model.address import Address
from lbmesh.model.member import MemberState
from lbmesh.model.service import ReplicaId
from lbmesh.model.tls import KeyPair
from lbmesh.model.view import View, ViewVersion


class Plane:
    """What one agent knows of the world. `generation`: the number the sentinel gave this agent; all its
    Views carry it. `gossip`: None for a node alone. `heartbeat`: None where the sentinel exchanges none.
    `picture`: what is told of it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        generation: int,
        gossip: Gossip | None,
        rng: Random,
        now: float,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        node = settings.node
        parts = Parts(
            settings=settings,
            mesh=Mesh(node.name, gossip),
            book=HealthBook(node.name, node.zone, rng),
            ejections=Ejections(rng),
            traffic=ZoneTraffic(node.zone),
            views=ViewMaker(generation),
            heartbeat=heartbeat,
            fronts=FrontPart(settings, f"{int(rng.random() * 2**48):012x}", now),
            dns=DnsPart(node.name, node.zone, generation),
        )
        parts.configure(now)
        self._parts = parts
        self._mesh = parts.mesh
        self._book = parts.book
        self._ejections = parts.ejections
        self._traffic = parts.traffic
        self._forwarders = parts.forwarders
        self._heartbeat = heartbeat
        self._fold = Fold(parts)
        self.picture = Picture(parts, began_s=now)

    @property
    def settings(self) -> Settings:
        """The settings in place."""
        return self._parts.settings

    @property
    def view(self) -> View | None:
        """The newest View; None before `start`."""
        return self._parts.views.latest

    def inherit(self, view: View, now: float) -> None:
        """Start from the View that forwarders serve from. To be called before `start`; the newest is to
        come last.
        """
        for service in view.services:
            for one in service.replicas:
                reason = f"inherited from View {view.version}: {first_reason(one.reason)}"
                self._book.inherit(ReplicaId(service.name, one.replica.address), one.availability, reason, now)
        self._parts.views.inherit(view, now)

    def remember(self, memory: Memory, now: float) -> None:
        """Start from what this node knew before it restarted. To be called before `start`; what is known already, and
        whatever comes later, counts for more.
        """
        for one in recall(memory, self._parts.settings):
            self._book.inherit(one.id, one.availability, str(one), now)

    def join(self, now: float) -> Effects:
        """Begin, without a View yet: gossip runs and opinions are taken in."""
        self._join(now)
        return self._fold.settle(now, self._mesh.tick(now))

    def _join(self, now: float) -> None:
        self._parts.joined = True
        if self._heartbeat:
            self._mesh.publish_station(now, self._heartbeat.own)

    def start(self, now: float) -> Effects:
        """Make the first View."""
        if not self._parts.joined:
            self._join(now)
        self._parts.started = True
        return self._fold.settle(now, self._mesh.tick(now), everything=True)

    def datagram(self, source: Address, datagram: bytes, now: float) -> Effects:
        """A datagram came in on the gossip socket."""
        self._book.notice_pause(now)
        return self._fold.settle(now, self._mesh.receive(now, source, datagram))

    def send_failed(self, address: Address, now: float) -> None:
        """The system refused to send a datagram: this node's own fault, which gossip takes into account."""
        self._mesh.send_failed(now, address)

    def stream_unit(self, address: Address, unit: bytes, now: float) -> Effects:
        """A unit came on a gossip stream that leads to this address; the Effects say what goes back on it."""
        self._book.notice_pause(now)
        return self._fold.settle(now, self._mesh.receive_unit(now, address, unit))

    def stream_opened(self, address: Address, now: float) -> Effects:
        """A gossip stream that was wanted stands; the Effects say what to send first."""
        return self._fold.settle(now, self._mesh.stream_opened(address))

    def stream_closed(self, address: Address) -> None:
        """A gossip stream that was wanted has ended, or never stood."""
        self._mesh.stream_closed(address)

    def tick(self, now: float, *, drained: bool = True) -> Effects:
        """The deadline has come. `drained`: all datagrams that have arrived were taken; else no silence is judged."""
        self._book.notice_pause(now)
        silent = tuple(
            Event(EventKind.FORWARDER, str(one.worker), "silent", f"process {one.pid}", is_trouble=True)
            for one in self._forwarders.judge(now)
        )
        return self._fold.settle(now, self._mesh.tick(now, drained=drained), events=silent)

    def probe_finished(self, replica: ReplicaId, result: ProbeResult, now: float) -> Effects:
        """A probe that was ordered has ended."""
        self._book.notice_pause(now)
        self._book.probe_finished(
            replica, success=result.success, reason=result.reason, answered=result.answered, now=now
        )
        return self._fold.settle(now)

    def replica_failure(self, failure: ReplicaFailure, now: float) -> Effects:
        """A forwarder says that a request to a replica failed."""
        self._book.notice_pause(now)
        self._book.request_failed(failure.replica, failure.reason, now, after_answer=failure.after_answer)
        return self._fold.settle(now)

    def telemetry(self, telemetry: Telemetry, now: float) -> Effects:
        """A forwarder's figures of the last second."""
        self._book.notice_pause(now)
        was_silent = self._forwarders.is_silent(telemetry.worker)
        for traffic in self._forwarders.take(telemetry, now):
            if traffic.succeeded:
                self._book.requests_succeeded(traffic.replica)
            self._ejections.take(traffic.replica, traffic.finished, traffic.failed, now)
        self._traffic.take(telemetry, now)
        if was_silent and not self._forwarders.is_silent(telemetry.worker):
            return self._fold.settle(now, events=(forwarder_event(telemetry.worker, telemetry.pid, "heard again"),))
        return self._fold.settle(now)

    def forwarder_linked(self, worker: int, pid: int, now: float) -> Effects:
        """A link to a forwarder stands."""
        self._forwarders.link(worker, pid, now)
        return self._fold.settle(now, events=(forwarder_event(worker, pid, "linked"),))

    def forwarder_viewed(self, worker: int, version: ViewVersion, now: float) -> Effects:
        """A forwarder serves from this View now."""
        self._forwarders.view(worker, version)
        return self._fold.settle(now)

    def forwarder_unlinked(self, worker: int, pid: int, now: float) -> Effects:
        """A link to a forwarder broke."""
        self._forwarders.unlink(worker, pid)
        return self._fold.settle(now, events=(forwarder_event(worker, pid, "unlinked"),))

    def reload(self, settings: Settings, changes: tuple[str, ...], now: float) -> Effects:
        """Put new settings in place, which the caller has compared with the old ones and found hot. A service that is
        the same object as before is not looked at.
        """
        before = {service.name: service for service in self._parts.settings.services}
        changed = {one.name for one in settings.services if before.pop(one.name, None) is not one}
        problems = self._take_keys(settings)
        self._parts.reload = ReloadOutcome(ok=True, errors=(), at_s=now)
        self._parts.configure(now)
        self._parts.fronts.configure(settings, now)
        self._parts.dns.unsettle()
        if changed or before:
            known = set(self.picture.replica_ids())
            self._forwarders.keep(known)
            self._parts.views.keep(known)
            for opinion in self._mesh.opinions():
                if opinion.replica.service in changed:
                    self._book.hear(opinion, now)
        event = Event(EventKind.RELOAD, "config", "taken", "; ".join(changes) or "nothing changed")
        return self._fold.settle(now, events=(event, *problems), changed=changed)

    def _take_keys(self, settings: Settings) -> tuple[Event, ...]:
        """Put settings in place, with the ring as the mesh has it, and follow what an operator did to the key file."""
        old, new = self._parts.settings.gossip, settings.gossip
        self._parts.settings = settings
        if old is None or new is None:
            return ()
        self._parts.settings = replace(settings, gossip=replace(new, keys=old.keys, keys_in_file=new.keys))
        return self._mesh.follow_key_file(new.keys) if new.keys != old.file_keys else ()

    def order_key(self, order: KeyOrder) -> tuple[Said, Effects]:
        """An operator's order about the key ring: the answer, and what follows at once."""
        said = self._mesh.order_key(order)
        if not said.done:
            return said, Effects()
        return said, Effects(events=(Event(EventKind.KEY_RING, said.key, order.verb, said.what),))

    def keys_stored(self, keys: tuple[bytes, ...], fault: str | None, now: float) -> Effects:
        """The key ring is in the key file, or (`fault`) cannot be written there."""
        gossip = self._parts.settings.gossip
        assert gossip is not None
        in_file = gossip.file_keys if fault else keys
        self._parts.settings = replace(self._parts.settings, gossip=replace(gossip, keys=keys, keys_in_file=in_file))
        return self._fold.settle(now, events=self._mesh.keys_stored(keys, fault))

    def reload_refused(self, errors: tuple[str, ...], now: float) -> Effects:
        """New settings were refused; the old ones stand."""
        self._parts.reload = ReloadOutcome(ok=False, errors=errors, at_s=now)
        event = Event(EventKind.RELOAD, "config", "refused", "; ".join(errors), is_trouble=True)
        return self._fold.settle(now, events=(event,))

    def partner_word(self, word: Gone | Back, now: float) -> Effects:
        """The sentinel finds that a partner is gone, or back. No member's state changes by that."""
        event = self._heartbeat.take(word, now) if self._heartbeat else None
        self._parts.fronts.unsettle()
        self._parts.dns.unsettle()
        return self._fold.settle(now, events=(event,) if event else ())

    def front_outcome(self, outcome: Outcome, now: float) -> Effects:
        """A driver says what came of an order, or what it finds."""
        self._parts.fronts.take(outcome, now)
        return self._fold.settle(now)

    def successors(self, front: str) -> list[str]:
        """Who would take a front, by its name, if this node died: the first, then the next when that dies, too."""
        return self._parts.fronts.successors(front, self._heartbeat.judges if self._heartbeat else ())

    def hosts(self) -> dict[str, str]:
        """The addresses of the mesh's members by name, this node's too; of a node alone, none."""
        members = self._parts.mesh.members()
        return {one.name: one.address.host for one in members if one.state is not MemberState.LEFT}

    def outside_seen(self, what: str, now: float, *, in_reach: bool) -> Effects:
        """Something that tells a dead mesh from a node that is cut off, such as "gateway", was looked for."""
        self._parts.fronts.reach(what, in_reach=in_reach)
        return self._fold.settle(now)

    def heartbeat_figures(self, counters: Mapping[str, int]) -> None:
        """The sentinel's counters of the heartbeat."""
        if self._heartbeat:
            self._heartbeat.counters = dict(counters)

    def certificates_seen(
        self,
        renewed: Mapping[CertificateFiles, KeyPair | str],
        faults: Mapping[CertificateFiles, str],
        unix_s: float,
        now: float,
    ) -> Effects:
        """The files of certificates and authorities were looked at. `renewed`: good ones, to be put in use; `faults`:
        what is wrong.
        """
        if renewed:
            pairs = {(new.cert, new.key): new for new in renewed.values() if isinstance(new, KeyPair)}
            texts = {files[0]: new for files, new in renewed.items() if isinstance(new, str)}
            self._parts.settings = with_authorities(with_key_pairs(self._parts.settings, pairs), texts)
            self._book.configure(self._parts.settings.services, now)
        in_use = key_pairs(self._parts.settings).values()
        events = self._parts.certificates.look(in_use, renewed, faults, unix_s)
        return self._fold.settle(now, events=events, everything=bool(renewed))

    def memory_kept(self, problem: str | None, now: float) -> Effects:
        """The memory on disk is up to date, or (`problem`) cannot be written. Said when it changes."""
        before, self._parts.memory_problem = self._parts.memory_problem, memory_event(self._parts.settings, problem)
        if (before is None) is (problem is None):
            return self._fold.settle(now)
        event = self._parts.memory_problem or Event(EventKind.MEMORY, "memory", "written again", "the disk takes it")
        return self._fold.settle(now, events=(event,))

    def retire(self, now: float) -> Effects:
        """Turn unready and hand the fronts over, as the first step of leaving."""
        self._parts.leaving = True
        event = Event(EventKind.NODE, self._parts.settings.node.name, "leaving", "asked to stop")
        return self._fold.settle(now, events=(event,))

    @property
    def is_relieved(self) -> bool:
        """Is each front that this node held in other hands?"""
        return self._parts.fronts.is_relieved

    def leave(self, now: float) -> Effects:
        """Say goodbye to the mesh; requests are still served until the forwarders have drained."""
        retired = Effects() if self._parts.leaving else self.retire(now)
        left = self._fold.settle(now, self._mesh.leave(now))
        return replace(left, orders=retired.orders + left.orders, events=retired.events + left.events)

    def next_deadline(self) -> float:
        """When `tick` is due: monotonic seconds, infinite when never, in the past when there is work left."""
        if not self._parts.joined:
            return float("inf")
        return min(
            self._mesh.next_deadline(),
            self._book.next_deadline(),
            self._forwarders.next_deadline(),
            self._ejections.next_deadline(),
            self._heartbeat.due_s if self._heartbeat else float("inf"),
            self._parts.fronts.next_deadline() if self._parts.started else float("inf"),
            self._parts.dns.next_deadline() if self._parts.started else float("inf"),
        )
