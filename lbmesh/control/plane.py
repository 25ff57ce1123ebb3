"""The plane: folds everything a node hears into one View and one set of things to do, one way.

Datagrams and deadlines go through gossip, probe results and failed requests through the health book;
members and availability through routing into the View. Each input is a method that returns Effects;
between inputs the shell waits until `next_deadline` and calls `tick`. No clock and no randomness of its
own.
"""

from collections.abc import Iterator

from lbmesh.config.settings import Settings
from lbmesh.control.forwarders import SILENT_S, Forwarders
from lbmesh.control.inputs import Effects, Event, EventKind, ProbeResult
from lbmesh.control.link import ReplicaFailure, Telemetry
from lbmesh.control.mesh import Mesh, MeshNews
from lbmesh.control.state import NodeState, Readiness, ReloadOutcome, ReplicaState
from lbmesh.control.views import NOT_CHECKED, ViewMaker
from lbmesh.gossip.core import Gossip
from lbmesh.health.book import HealthBook
from lbmesh.health.outcome import Flip
from lbmesh.health.plan import Random
from lbmesh.model.address import Address
from lbmesh.model.explanation import Explanation
from lbmesh.model.health import Availability
from lbmesh.model.service import Replica, ReplicaId
from lbmesh.model.view import View, ViewVersion


class Plane:
    """One agent's picture of the world. `generation`: the number the sentinel gave this agent; all its
    Views carry it. `gossip`: None for a node alone.
    """

    def __init__(self, settings: Settings, *, generation: int, gossip: Gossip | None, rng: Random, now: float) -> None:
        node = settings.node
        self._settings = settings
        self._mesh = Mesh(node.name, gossip)
        self._book = HealthBook(node.name, node.zone, rng)
        self._book.configure(settings.services, now)
        self._views = ViewMaker(generation)
        self._generation = generation
        self._forwarders = Forwarders()
        self._reload: ReloadOutcome | None = None
        self._started = False
        self._leaving = False
        self._members_by_zone = dict(self._book.members_by_zone)

    # Inputs -----------------------------------------------------------------------------------------------

    def inherit(self, view: View, now: float) -> None:
        """Start from the View that forwarders serve from. To be called before `start`; the newest is to
        come last.
        """
        for service in view.services:
            for one in service.replicas:
                reason = f"inherited from View {view.version}: {_once(one.reason)}"
                self._book.inherit(ReplicaId(service.name, one.replica.address), one.availability, reason, now)

    def start(self, now: float) -> Effects:
        """Make the first View, and begin."""
        self._started = True
        return self._settle(now, self._mesh.tick(now), everything=True)

    def datagram(self, source: Address, datagram: bytes, now: float) -> Effects:
        """A datagram came in on the gossip socket."""
        self._book.notice_pause(now)
        return self._settle(now, self._mesh.receive(now, source, datagram))

    def send_failed(self, address: Address, now: float) -> None:
        """The system refused to send a datagram: this node's own fault, which gossip takes into account."""
        self._mesh.send_failed(now, address)

    def tick(self, now: float) -> Effects:
        """The deadline has come."""
        self._book.notice_pause(now)
        silent = tuple(
            Event(EventKind.FORWARDER, str(one.worker), "silent", f"process {one.pid}", is_trouble=True)
            for one in self._forwarders.judge(now)
        )
        return self._settle(now, self._mesh.tick(now), events=silent)

    def probe_finished(self, replica: ReplicaId, result: ProbeResult, now: float) -> Effects:
        """A probe that was ordered has ended."""
        self._book.notice_pause(now)
        self._book.probe_finished(replica, success=result.success, reason=result.reason, now=now)
        return self._settle(now)

    def replica_failure(self, failure: ReplicaFailure, now: float) -> Effects:
        """A forwarder says that a request to a replica failed."""
        self._book.notice_pause(now)
        self._book.request_failed(failure.replica, failure.reason, now)
        return self._settle(now)

    def telemetry(self, telemetry: Telemetry, now: float) -> Effects:
        """A forwarder's figures of the last second."""
        self._book.notice_pause(now)
        was_silent = self._forwarders.is_silent(telemetry.worker)
        for replica in self._forwarders.take(telemetry, now):
            self._book.requests_succeeded(replica)
        if was_silent and not self._forwarders.is_silent(telemetry.worker):
            return self._settle(now, events=(_forwarder_event(telemetry.worker, telemetry.pid, "heard again"),))
        return self._settle(now)

    def forwarder_linked(self, worker: int, pid: int, now: float) -> Effects:
        """A link to a forwarder stands."""
        self._forwarders.link(worker, pid, now)
        return self._settle(now, events=(_forwarder_event(worker, pid, "linked"),))

    def forwarder_viewed(self, worker: int, version: ViewVersion, now: float) -> Effects:
        """A forwarder serves from this View now."""
        self._forwarders.view(worker, version)
        return self._settle(now)

    def forwarder_unlinked(self, worker: int, pid: int, now: float) -> Effects:
        """A link to a forwarder broke."""
        self._forwarders.unlink(worker, pid)
        return self._settle(now, events=(_forwarder_event(worker, pid, "unlinked"),))

    def reload(self, settings: Settings, changes: tuple[str, ...], now: float) -> Effects:
        """Put new settings in place, which the caller has compared with the old ones and found hot."""
        self._settings = settings
        self._reload = ReloadOutcome(ok=True, errors=(), at_s=now)
        self._book.configure(settings.services, now)
        for opinion in self._mesh.opinions():
            self._book.hear(opinion, now)
        event = Event(EventKind.RELOAD, "config", "taken", "; ".join(changes) or "nothing changed")
        return self._settle(now, events=(event,), everything=True)

    def reload_refused(self, errors: tuple[str, ...], now: float) -> Effects:
        """New settings were refused; the old ones stand."""
        self._reload = ReloadOutcome(ok=False, errors=errors, at_s=now)
        event = Event(EventKind.RELOAD, "config", "refused", "; ".join(errors), is_trouble=True)
        return self._settle(now, events=(event,))

    def leave(self, now: float) -> Effects:
        """Say goodbye to the mesh; requests are still served until the forwarders have drained."""
        self._leaving = True
        event = Event(EventKind.NODE, self._settings.node.name, "leaving", "asked to stop")
        return self._settle(now, self._mesh.leave(now), events=(event,))

    def next_deadline(self) -> float:
        """When `tick` is due: monotonic seconds, infinite when never, in the past when there is work left."""
        if not self._started:
            return float("inf")
        return min(self._mesh.next_deadline(), self._book.next_deadline(), self._forwarders.next_deadline())

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
        if not self._started:
            return Effects(events=events)
        said = list(events)
        if news:
            said += news.events
            if news.members_changed:
                self._book.set_members(self._mesh.members())
            for opinion in news.heard:
                self._book.hear(opinion, now)
            for observer, replica in news.unheard:
                self._book.unhear(observer, replica)
        ready = self._book.ready(now)
        said += map(_replica_event, ready.flips)
        self._mesh.publish(now, ready.words, ready.withdrawn)
        return Effects(
            datagrams=news.datagrams if news else (),
            probes=ready.probes,
            view=self._view(ready.flips, everything=everything),
            events=tuple(said),
        )

    def _view(self, flips: tuple[Flip, ...], *, everything: bool) -> View | None:
        members_by_zone = dict(self._book.members_by_zone)
        if members_by_zone != self._members_by_zone:
            self._members_by_zone = members_by_zone
            everything = True
        if not everything and not flips:
            return None
        dirty = None if everything else {flip.replica.service for flip in flips}
        return self._views.make(self._settings, self._book, dirty)

    # The picture ------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings in place."""
        return self._settings

    @property
    def view(self) -> View | None:
        """The newest View; None before `start`."""
        return self._views.latest

    def readiness(self) -> Readiness:
        """May clients be sent to this node?"""
        if self._leaving:
            return Readiness(False, "leaving: this node drains")
        if self.view is None:
            return Readiness(False, "starting: no View yet")
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
            notices=self._mesh.notices(now),
            local_shares=tuple((service.name, service.local_share) for service in view.services) if view else (),
        )

    def explain_member(self, now: float, name: str) -> Explanation | None:
        """Why a member is held for what it is; None for a name that is unknown."""
        return self._mesh.explain(now, name)

    def replica_states(self) -> Iterator[ReplicaState]:
        """Every replica, service by service. The plane may take inputs while this is half consumed."""
        for service in self._settings.services:
            for replica in service.replicas:
                yield self._replica_state(ReplicaId(service.name, replica.address), replica)

    def _replica_state(self, replica_id: ReplicaId, replica: Replica) -> ReplicaState:
        merged = self._book.merged(replica_id)
        if merged is None:
            return ReplicaState(replica_id, replica, Availability.UP, NOT_CHECKED, None, ())
        return ReplicaState(
            replica_id,
            replica,
            merged.availability,
            merged.reason,
            self._book.since_s(replica_id),
            self._book.opinions(replica_id),
        )


def _once(reason: str) -> str:
    """A reason without the marks of earlier inheritances, so that it does not grow with each agent."""
    return reason.rpartition(": ")[2] if reason.startswith("inherited from View ") else reason


def _replica_event(flip: Flip) -> Event:
    change = f"{flip.before} to {flip.after.availability}"
    is_trouble = flip.after.availability is Availability.DOWN
    return Event(EventKind.REPLICA, str(flip.replica), change, flip.after.reason, is_trouble)


def _forwarder_event(worker: int, pid: int, change: str) -> Event:
    return Event(EventKind.FORWARDER, str(worker), change, f"process {pid}")
