"""The plane: folds everything a node hears into one View and one set of things to do, one way.

Datagrams and deadlines go through gossip, probe results and failed requests through the health book;
members and availability through routing into the View. Each input is a method that returns Effects;
between inputs the shell waits until `next_deadline` and calls `tick`. No clock and no randomness of its
own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lbmesh.config.key_pairs import PairFiles, key_pairs, with_key_pairs
from lbmesh.config.settings import Settings
from lbmesh.control.certificates import Certificates
from lbmesh.control.events import forwarder_event, memory_event, replica_event
from lbmesh.control.explaining import explain_replica
from lbmesh.control.explaining_url import UrlExplanation, explain_url
from lbmesh.control.forwarders import SILENT_S, Forwarders
from lbmesh.control.heartbeat import Heartbeat
from lbmesh.control.inputs import Effects, Event, EventKind, KeyOrder, ProbeResult, StreamStep
from lbmesh.control.link import ReplicaFailure, Telemetry
from lbmesh.control.memory import Memory, first_reason, recall
from lbmesh.control.mesh import Mesh, MeshNews
from lbmesh.control.replica_report import replica_ids, replica_states
from lbmesh.control.state import HeartbeatState, NodeState, Readiness, ReloadOutcome, ReplicaState
from lbmesh.control.views import ViewMaker
from lbmesh.control.zone_traffic import ZoneTraffic
from lbmesh.failover.words import Back, Gone, Partner
from lbmesh.gossip.core import Gossip
from lbmesh.gossip.key_orders import RingPicture, Said
from lbmesh.health.book import HealthBook
from lbmesh.health.ejection import Ejections
from lbmesh.health.plan import Random
from lbmesh.model.address import Address
from lbmesh.model.explanation import Explanation
from lbmesh.model.health import Availability
from lbmesh.model.member import MemberState
from lbmesh.model.service import ReplicaId
from lbmesh.model.tls import KeyPair
from lbmesh.model.view import View, ViewVersion


class Plane:
    """One agent's picture of the world. `generation`: the number the sentinel gave this agent; all its
    Views carry it. `gossip`: None for a node alone. `heartbeat`: None where the sentinel exchanges none.
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
        self._settings = settings
        self._mesh = Mesh(node.name, gossip)
        self._book = HealthBook(node.name, node.zone, rng)
        self._book.configure(settings.services, now)
        self._ejections = Ejections(rng)
        self._ejections.configure(settings.services)
        self._traffic = ZoneTraffic(node.zone)
        self._traffic.configure(settings.services)
        self._views = ViewMaker(generation)
        self._generation = generation
        self._forwarders = Forwarders()
        self._heartbeat = heartbeat
        self._reload: ReloadOutcome | None = None
        self._memory_problem: Event | None = None
        self._certificates = Certificates()
        self._joined = False
        self._started = False
        self._leaving = False
        self._began_s = now
        self._members_by_zone = self._book.members_by_zone

    # Inputs -----------------------------------------------------------------------------------------------

    def inherit(self, view: View, now: float) -> None:
        """Start from the View that forwarders serve from. To be called before `start`; the newest is to
        come last.
        """
        for service in view.services:
            for one in service.replicas:
                reason = f"inherited from View {view.version}: {first_reason(one.reason)}"
                self._book.inherit(ReplicaId(service.name, one.replica.address), one.availability, reason, now)
        self._views.inherit(view, now)

    def remember(self, memory: Memory, now: float) -> None:
        """Start from what this node knew before it restarted. To be called before `start`; what is known already, and
        whatever comes later, counts for more.
        """
        for one in recall(memory, self._settings):
            self._book.inherit(one.id, one.availability, str(one), now)

    def join(self, now: float) -> Effects:
        """Begin, without a View yet: gossip runs and opinions are taken in."""
        self._join(now)
        return self._settle(now, self._mesh.tick(now))

    def _join(self, now: float) -> None:
        self._joined = True
        if self._heartbeat:
            self._mesh.publish_station(now, self._heartbeat.own)

    def start(self, now: float) -> Effects:
        """Make the first View."""
        if not self._joined:
            self._join(now)
        self._started = True
        return self._settle(now, self._mesh.tick(now), everything=True)

    def datagram(self, source: Address, datagram: bytes, now: float) -> Effects:
        """A datagram came in on the gossip socket."""
        self._book.notice_pause(now)
        return self._settle(now, self._mesh.receive(now, source, datagram))

    def send_failed(self, address: Address, now: float) -> None:
        """The system refused to send a datagram: this node's own fault, which gossip takes into account."""
        self._mesh.send_failed(now, address)

    def stream_unit(self, address: Address, unit: bytes, now: float) -> Effects:
        """A unit came on a gossip stream that leads to this address; the Effects say what goes back on it."""
        self._book.notice_pause(now)
        return self._settle(now, self._mesh.receive_unit(now, address, unit))

    def stream_opened(self, address: Address, now: float) -> Effects:
        """A gossip stream that was wanted stands; the Effects say what to send first."""
        return self._settle(now, self._mesh.stream_opened(address))

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
        return self._settle(now, self._mesh.tick(now, drained=drained), events=silent)

    def probe_finished(self, replica: ReplicaId, result: ProbeResult, now: float) -> Effects:
        """A probe that was ordered has ended."""
        self._book.notice_pause(now)
        self._book.probe_finished(
            replica, success=result.success, reason=result.reason, answered=result.answered, now=now
        )
        return self._settle(now)

    def replica_failure(self, failure: ReplicaFailure, now: float) -> Effects:
        """A forwarder says that a request to a replica failed."""
        self._book.notice_pause(now)
        self._book.request_failed(failure.replica, failure.reason, now, after_answer=failure.after_answer)
        return self._settle(now)

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
            return self._settle(now, events=(forwarder_event(telemetry.worker, telemetry.pid, "heard again"),))
        return self._settle(now)

    def forwarder_linked(self, worker: int, pid: int, now: float) -> Effects:
        """A link to a forwarder stands."""
        self._forwarders.link(worker, pid, now)
        return self._settle(now, events=(forwarder_event(worker, pid, "linked"),))

    def forwarder_viewed(self, worker: int, version: ViewVersion, now: float) -> Effects:
        """A forwarder serves from this View now."""
        self._forwarders.view(worker, version)
        return self._settle(now)

    def forwarder_unlinked(self, worker: int, pid: int, now: float) -> Effects:
        """A link to a forwarder broke."""
        self._forwarders.unlink(worker, pid)
        return self._settle(now, events=(forwarder_event(worker, pid, "unlinked"),))

    def reload(self, settings: Settings, changes: tuple[str, ...], now: float) -> Effects:
        """Put new settings in place, which the caller has compared with the old ones and found hot."""
        problems = self._take_keys(settings)
        self._reload = ReloadOutcome(ok=True, errors=(), at_s=now)
        self._book.configure(settings.services, now)
        self._ejections.configure(settings.services)
        self._traffic.configure(settings.services)
        self._forwarders.keep(set(self.replica_ids()))
        for opinion in self._mesh.opinions():
            self._book.hear(opinion, now)
        event = Event(EventKind.RELOAD, "config", "taken", "; ".join(changes) or "nothing changed")
        return self._settle(now, events=(event, *problems), everything=True)

    def _take_keys(self, settings: Settings) -> tuple[Event, ...]:
        """Put settings in place, with the ring as the mesh has it, and follow what an operator did to the key file."""
        old, new = self._settings.gossip, settings.gossip
        self._settings = settings
        if old is None or new is None:
            return ()
        self._settings = replace(settings, gossip=replace(new, keys=old.keys, keys_in_file=new.keys))
        return self._mesh.follow_key_file(new.keys) if new.keys != old.file_keys else ()

    def order_key(self, order: KeyOrder) -> tuple[Said, Effects]:
        """An operator's order about the key ring: the answer, and what follows at once."""
        said = self._mesh.order_key(order)
        if not said.done:
            return said, Effects()
        return said, Effects(events=(Event(EventKind.KEY_RING, said.key, order.verb, said.what),))

    def keys_stored(self, keys: tuple[bytes, ...], fault: str | None, now: float) -> Effects:
        """The key ring is in the key file, or (`fault`) cannot be written there."""
        gossip = self._settings.gossip
        assert gossip is not None
        in_file = gossip.file_keys if fault else keys
        self._settings = replace(self._settings, gossip=replace(gossip, keys=keys, keys_in_file=in_file))
        return self._settle(now, events=self._mesh.keys_stored(keys, fault))

    def reload_refused(self, errors: tuple[str, ...], now: float) -> Effects:
        """New settings were refused; the old ones stand."""
        self._reload = ReloadOutcome(ok=False, errors=errors, at_s=now)
        event = Event(EventKind.RELOAD, "config", "refused", "; ".join(errors), is_trouble=True)
        return self._settle(now, events=(event,))

    def partner_word(self, word: Gone | Back, now: float) -> Effects:
        """The sentinel finds that a partner is gone, or back. No member's state changes by that."""
        event = self._heartbeat.take(word, now) if self._heartbeat else None
        return self._settle(now, events=(event,) if event else ())

    def heartbeat_figures(self, counters: Mapping[str, int]) -> None:
        """The sentinel's counters of the heartbeat."""
        if self._heartbeat:
            self._heartbeat.counters = dict(counters)

    def certificates_seen(
        self, renewed: Mapping[PairFiles, KeyPair], faults: Mapping[PairFiles, str], unix_s: float, now: float
    ) -> Effects:
        """The files of certificates were looked at. `renewed`: good ones, to be put in use; `faults`: what is wrong."""
        if renewed:
            self._settings = with_key_pairs(self._settings, renewed)
            self._book.configure(self._settings.services, now)
        in_use = key_pairs(self._settings).values()
        events = self._certificates.look(in_use, renewed.values(), faults, unix_s)
        return self._settle(now, events=events, everything=bool(renewed))

    def memory_kept(self, problem: str | None, now: float) -> Effects:
        """The memory on disk is up to date, or (`problem`) cannot be written. Said when it changes."""
        before, self._memory_problem = self._memory_problem, memory_event(self._settings, problem)
        if (before is None) is (problem is None):
            return self._settle(now)
        event = self._memory_problem or Event(EventKind.MEMORY, "memory", "written again", "the disk takes it")
        return self._settle(now, events=(event,))

    def leave(self, now: float) -> Effects:
        """Say goodbye to the mesh; requests are still served until the forwarders have drained."""
        self._leaving = True
        event = Event(EventKind.NODE, self._settings.node.name, "leaving", "asked to stop")
        return self._settle(now, self._mesh.leave(now), events=(event,))

    def next_deadline(self) -> float:
        """When `tick` is due: monotonic seconds, infinite when never, in the past when there is work left."""
        if not self._joined:
            return float("inf")
        return min(
            self._mesh.next_deadline(),
            self._book.next_deadline(),
            self._forwarders.next_deadline(),
            self._ejections.next_deadline(),
            self._heartbeat.due_s if self._heartbeat else float("inf"),
        )

    # The fold ---------------------------------------------------------------------------------------------

    def _settle(
        self,
        now: float,
        news: MeshNews | None = None,
        *,
        events: tuple[Event, ...] = (),
        everything: bool = False,
    ) -> Effects:
        """Carry an input through: members and opinions into health, health into gossip and the View."""
        # Inputs that bring evidence have called it already, before the book took that.
        self._book.notice_pause(now)
        if not self._joined:
            return Effects(events=events)
        said = list(events)
        if news:
            said += news.events
            if news.members_changed:
                self._book.set_members(self._mesh.members(), self._mesh.trusted())
                self._traffic.hear(self._mesh.peers())
            if news.stations_changed and self._heartbeat:
                self._heartbeat.unsettle(now)
            for opinion in news.heard:
                self._book.hear(opinion, now)
            for observer, replica in news.unheard:
                self._book.unhear(observer, replica)
        ready = self._book.ready(now)
        said += map(replica_event, ready.flips)
        for flip in ready.flips:
            if flip.before is Availability.DOWN:
                self._ejections.no_longer_down(flip.replica, now)
        dirty = {flip.replica.service for flip in ready.flips}
        for replica, event in self._eject(now):
            said.append(event)
            dirty.add(replica.service)
        self._mesh.publish(now, ready.words, ready.withdrawn)
        if self._traffic.is_due(now):
            dirty |= self._look_at_traffic(now)
        return Effects(
            datagrams=news.datagrams if news else (),
            probes=ready.probes,
            view=self._view(dirty, now, everything=everything),
            events=tuple(said),
            partners=self._partners(now),
            keys_to_store=news.keys_to_store if news else None,
            streams=news.streams if news else (),
            stream=news.stream if news else StreamStep(),
        )

    def _look_at_traffic(self, now: float) -> set[str]:
        """Tell the peers of this node's traffic, hear of theirs; the services of which the zones are to have other
        shares.
        """
        self._traffic.hear(self._mesh.peers())
        rows = self._traffic.speak(now)
        if rows is not None:
            self._mesh.publish_ingress(now, rows)
        return self._traffic.look(self._views.services, now)

    def _partners(self, now: float) -> tuple[Partner, ...] | None:
        if self._heartbeat is None or now < self._heartbeat.due_s:
            return None
        return self._heartbeat.table(now, self._mesh.stations(), self._mesh.ring_keys())

    def _eject(self, now: float) -> Iterator[tuple[ReplicaId, Event]]:
        """Begin and end ejections."""
        for replica in self._ejections.end(now):
            yield replica, Event(EventKind.REPLICA, str(replica), "ejection over", "its time is up: it starts slowly")
        for outlier in self._ejections.look(now, self._availability):
            (reason,) = self._ejections.words(outlier.replica, now)
            yield outlier.replica, Event(EventKind.REPLICA, str(outlier.replica), "ejected", reason, is_trouble=True)

    def _availability(self, replica: ReplicaId) -> Availability:
        merged = self._book.merged(replica)
        return merged.availability if merged else Availability.UP

    def _view(self, dirty: set[str], now: float, *, everything: bool) -> View | None:
        if not self._started:
            return None
        members_by_zone = self._book.members_by_zone
        if members_by_zone != self._members_by_zone:
            self._members_by_zone = members_by_zone
            everything = True
        if not everything and not dirty:
            return None
        return self._views.make(
            self._settings, self._book, self._ejections, self._traffic, None if everything else dirty, now
        )

    # The picture ------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings in place."""
        return self._settings

    @property
    def view(self) -> View | None:
        """The newest View; None before `start`."""
        return self._views.latest

    def caught_up(self) -> bool:
        """Has a peer's picture been taken in? Until then it is worth waiting a moment with the first View."""
        return self._mesh.caught_up()

    def peer_addresses(self) -> Iterator[Address]:
        """Where other members that have not left are reached, live ones first."""
        peers = [one for one in self._mesh.members() if one.name != self._settings.node.name]
        yield from (one.address for one in peers if one.state.is_live)
        yield from (one.address for one in peers if one.state is MemberState.DOWN)

    def ring(self) -> RingPicture | None:
        """Who holds which gossip key; None for a node alone."""
        return self._mesh.ring()

    @property
    def key_fault(self) -> str | None:
        """Why the key file cannot be written; None when it can."""
        return self._mesh.key_fault

    def readiness(self) -> Readiness:
        """May clients be sent to this node?"""
        if self._leaving:
            return Readiness(False, "leaving: this node drains")
        if self.view is None:
            asking = "catching up: this node asks its peers which replicas are down"
            return Readiness(False, asking if self._joined else "starting: no View yet")
        viewing = [forwarder for forwarder in self._forwarders.states() if forwarder.viewed]
        if not viewing:
            return Readiness(False, "no forwarder serves a View yet")
        if all(forwarder.silent for forwarder in viewing):
            return Readiness(False, f"no forwarder has said anything for {SILENT_S:g} s: they hang")
        return Readiness(True, "ready")

    def state(self, now: float) -> NodeState:
        """The picture, without the replicas."""
        view = self.view
        return NodeState(
            now=now,
            node=self._settings.node.name,
            zone=self._settings.node.zone,
            generation=self._generation,
            view=view.version if view else None,
            readiness=self.readiness(),
            members=self._mesh.members(),
            forwarders=self._forwarders.states(),
            reload=self._reload,
            gossip=self._mesh.counters(),
            notices=(
                *self._mesh.notices(now),
                *((self._memory_problem,) if self._memory_problem else ()),
                *self._certificates.notices,
            ),
            certificates=tuple(key_pairs(self._settings).values()),
            heartbeat=self._heartbeat.state() if self._heartbeat else HeartbeatState(),
            local_shares=tuple((service.name, service.share(self._settings.node.zone)) for service in view.services)
            if view
            else (),
        )

    def explain_member(self, now: float, name: str) -> Explanation | None:
        """Why a member is held for what it is; None for a name that is unknown."""
        return self._mesh.explain(now, name)

    def replica_ids(self) -> Iterator[ReplicaId]:
        """The name of every replica."""
        return replica_ids(self._settings.services)

    def replica_states(self) -> Iterator[ReplicaState]:
        """Every replica, service by service. The plane may take inputs while this is half consumed."""
        return replica_states(self._settings.services, self.view, self._book, self._ejections)

    def explain_url(self, url: str) -> UrlExplanation | str:
        """Where a request would go, and why; in words, why that cannot be said."""
        if self.view is None:
            return "there is no View yet: nothing is served"
        return explain_url(url, self.view, self._forwarders.states(), self._traffic)

    def explain_replica(self, now: float, replica: ReplicaId) -> Explanation | None:
        """Why a replica's availability is what it is: who said what, when, and which rule decided. None for a replica
        that the settings do not know.
        """
        return explain_replica(
            replica,
            self._settings.services,
            self._book,
            self._ejections,
            began_s=self._began_s,
            returned_s=self._views.returned_s(replica),
            now=now,
        )
