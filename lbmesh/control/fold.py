"""The fold: carries what an input brought through all the parts of a plane, one way, to the next View and the things to
do.
"""

from collections.abc import Iterator, Set

from lbmesh.control.events import replica_event
from lbmesh.control.fronts import front_event
from lbmesh.control.inputs import Effects, Event, EventKind, StreamStep
from lbmesh.control.mesh import MeshNews
from lbmesh.control.parts import Parts
from lbmesh.failover.orders import Order
from lbmesh.failover.words import Partner
from lbmesh.model.dns import DnsPicture
from lbmesh.model.health import Availability
from lbmesh.model.service import ReplicaId
from lbmesh.model.view import View


class Fold:
    """Of one plane."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._members_by_zone = parts.book.members_by_zone

    def settle(
        self,
        now: float,
        news: MeshNews | None = None,
        *,
        events: tuple[Event, ...] = (),
        everything: bool = False,
        changed: Set[str] | None = None,
    ) -> Effects:
        """Carry an input through: members and opinions into health, health into gossip and the View. `changed`: the
        services that new settings have otherwise than those before; None when the settings are as they were.
        """
        parts = self._parts
        # Inputs that bring evidence have called it already, before the book took that.
        parts.book.notice_pause(now)
        if not parts.joined:
            return Effects(events=events)
        said = list(events)
        if news:
            said += news.events
            if news.members_changed:
                parts.book.set_members(parts.mesh.members(), parts.mesh.trusted())
                parts.traffic.hear(parts.mesh.peers())
            if news.stations_changed and parts.heartbeat:
                parts.heartbeat.unsettle(now)
            if news.fronts_changed:
                parts.fronts.unsettle()
                parts.dns.unsettle()
            for opinion in news.heard:
                parts.book.hear(opinion, now)
            for observer, replica in news.unheard:
                parts.book.unhear(observer, replica)
        parts.book.set_isolated(now, is_isolated=parts.mesh.is_isolated)
        ready = parts.book.ready(now)
        said += map(replica_event, ready.flips)
        for flip in ready.flips:
            if flip.before is Availability.DOWN:
                parts.ejections.no_longer_down(flip.replica, now)
        dirty = {flip.replica.service for flip in ready.flips} | (changed or set())
        for replica, event in self._eject(now):
            said.append(event)
            dirty.add(replica.service)
        parts.mesh.publish(now, ready.words, ready.withdrawn)
        if parts.traffic.is_due(now):
            dirty |= self._look_at_traffic(now)
        view = self._view(dirty, now, everything=everything, reloaded=changed is not None)
        orders, moved = self._look_at_fronts(now)
        said += moved
        dns, published = self._look_at_dns(now)
        said += published
        return Effects(
            datagrams=news.datagrams if news else (),
            probes=ready.probes,
            view=view,
            events=tuple(said),
            partners=self._partners(now),
            keys_to_store=news.keys_to_store if news else None,
            streams=news.streams if news else (),
            orders=orders,
            dns=dns,
            stream=news.stream if news else StreamStep(),
        )

    def _look_at_traffic(self, now: float) -> set[str]:
        """Tell the peers of this node's traffic, hear of theirs; the services of which the zones are to have other
        shares.
        """
        parts = self._parts
        parts.traffic.hear(parts.mesh.peers())
        rows = parts.traffic.speak(now)
        if rows is not None:
            parts.mesh.publish_ingress(now, rows)
        return parts.traffic.look(parts.views.services, now)

    def _look_at_fronts(self, now: float) -> tuple[tuple[Order, ...], tuple[Event, ...]]:
        """Orders for the drivers, and what changed. After the View: without one this node takes no front."""
        parts = self._parts
        if not parts.started or not parts.fronts.is_used:
            return (), ()
        readiness, is_stalled = parts.readiness(), parts.is_stalled
        if parts.fronts.fare(now, readiness, at_once=parts.leaving or is_stalled):
            parts.mesh.publish_willing(now, parts.fronts.is_willing)
        if not parts.fronts.is_due(now):
            return (), ()
        output = parts.fronts.step(
            now,
            parts.mesh.members(),
            parts.mesh.front_words(),
            parts.heartbeat.lost() if parts.heartbeat else {},
            is_isolated=parts.mesh.is_isolated,
            stalled=readiness.reason if is_stalled else "",
        )
        parts.mesh.publish_fronts(now, output)
        return tuple(output.orders), tuple(map(front_event, output.moves))

    def _look_at_dns(self, now: float) -> tuple[DnsPicture | None, tuple[Event, ...]]:
        """What is published, after the fronts have moved."""
        parts = self._parts
        if not parts.started or parts.settings.dns is None:
            return None, ()
        parts.dns.fare("leaves" if parts.leaving else "hangs" if parts.is_stalled else "")
        if not parts.dns.is_due(now):
            return None, ()
        return parts.dns.look(
            now,
            parts.settings,
            parts.mesh.members(),
            parts.mesh.front_words(),
            parts.heartbeat.lost() if parts.heartbeat else (),
            parts.fronts.statuses(),
            is_isolated=parts.mesh.is_isolated,
        )

    def _partners(self, now: float) -> tuple[Partner, ...] | None:
        parts = self._parts
        if parts.heartbeat is None or now < parts.heartbeat.due_s:
            return None
        return parts.heartbeat.table(now, parts.mesh.stations(), parts.mesh.ring_keys())

    def _eject(self, now: float) -> Iterator[tuple[ReplicaId, Event]]:
        """Begin and end ejections."""
        parts = self._parts
        for replica in parts.ejections.end(now):
            yield replica, Event(EventKind.REPLICA, str(replica), "ejection over", "its time is up: it starts slowly")
        for outlier in parts.ejections.look(now, self._availability):
            (reason,) = parts.ejections.words(outlier.replica, now)
            yield outlier.replica, Event(EventKind.REPLICA, str(outlier.replica), "ejected", reason, is_trouble=True)

    def _availability(self, replica: ReplicaId) -> Availability:
        merged = self._parts.book.merged(replica)
        return merged.availability if merged else Availability.UP

    def _view(self, dirty: set[str], now: float, *, everything: bool, reloaded: bool) -> View | None:
        parts = self._parts
        if not parts.started:
            return None
        members_by_zone = parts.book.members_by_zone
        if members_by_zone != self._members_by_zone:
            self._members_by_zone = members_by_zone
            everything = True
        if not everything and not dirty and not reloaded:
            return None
        return parts.views.make(
            parts.settings, parts.book, parts.ejections, parts.traffic, None if everything else dirty, now
        )
