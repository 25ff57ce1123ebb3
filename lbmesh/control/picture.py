"""The picture: what a plane tells of itself, to the admin interface, to `lbmesh status` and to the shell around it."""

from collections.abc import Iterator

from lbmesh.config.key_pairs import key_pairs
from lbmesh.control.explaining import explain_replica
from lbmesh.control.explaining_url import UrlExplanation, explain_url
from lbmesh.control.inputs import Event, EventKind
from lbmesh.control.parts import Parts
from lbmesh.control.replica_report import replica_ids, replica_states
from lbmesh.control.state import HeartbeatState, NodeState, Readiness, ReplicaState
from lbmesh.gossip.key_orders import RingPicture
from lbmesh.health.pace import pace_words
from lbmesh.model.address import Address
from lbmesh.model.explanation import Explanation
from lbmesh.model.member import MemberState
from lbmesh.model.service import ReplicaId


class Picture:
    """Of one plane. Nothing here changes it."""

    def __init__(self, parts: Parts, began_s: float) -> None:
        """`began_s`: monotonic time from which on this agent has known anything."""
        self._parts = parts
        self._began_s = began_s

    def caught_up(self) -> bool:
        """Has a peer's picture been taken in? Until then it is worth waiting a moment with the first View."""
        return self._parts.mesh.caught_up()

    def peer_addresses(self) -> Iterator[Address]:
        """Where other members that have not left are reached, live ones first."""
        peers = [one for one in self._parts.mesh.members() if one.name != self._parts.settings.node.name]
        yield from (one.address for one in peers if one.state.is_live)
        yield from (one.address for one in peers if one.state is MemberState.DOWN)

    def ring(self) -> RingPicture | None:
        """Who holds which gossip key; None for a node alone."""
        return self._parts.mesh.ring()

    @property
    def key_fault(self) -> str | None:
        """Why the key file cannot be written; None when it can."""
        return self._parts.mesh.key_fault

    def readiness(self) -> Readiness:
        """May clients be sent to this node?"""
        return self._parts.readiness()

    def state(self, now: float) -> NodeState:
        """The picture, without the replicas."""
        parts = self._parts
        view = parts.views.latest
        return NodeState(
            now=now,
            node=parts.settings.node.name,
            zone=parts.settings.node.zone,
            generation=parts.views.generation,
            view=view.version if view else None,
            readiness=self.readiness(),
            members=parts.mesh.members(),
            forwarders=parts.forwarders.states(),
            reload=parts.reload,
            gossip=parts.mesh.counters(),
            notices=(
                *parts.mesh.notices(now),
                *((parts.memory_problem,) if parts.memory_problem else ()),
                *parts.certificates.notices,
                *self._pace_notices(),
            ),
            certificates=tuple(key_pairs(parts.settings).values()),
            heartbeat=parts.heartbeat.state() if parts.heartbeat else HeartbeatState(),
            fronts=parts.fronts.statuses(),
            dns=parts.dns.picture,
            local_shares=tuple((service.name, service.share(parts.settings.node.zone)) for service in view.services)
            if view
            else (),
        )

    def _pace_notices(self) -> Iterator[Event]:
        settings = self._parts.settings
        if words := pace_words(settings.services):
            yield Event(EventKind.NODE, settings.node.name, "checks slower", words, is_trouble=True)

    def explain_member(self, now: float, name: str) -> Explanation | None:
        """Why a member is held for what it is; None for a name that is unknown."""
        return self._parts.mesh.explain(now, name)

    def explain_front(self, now: float, name: str) -> Explanation | None:
        """Who holds a front, why, and who says what of it; None for a front that the settings do not know."""
        return self._parts.fronts.explain(now, name, self._parts.mesh.members(), self._parts.mesh.front_words())

    def replica_ids(self) -> Iterator[ReplicaId]:
        """The name of every replica."""
        return replica_ids(self._parts.settings.services)

    def replica_states(self) -> Iterator[ReplicaState]:
        """Every replica, service by service. The plane may take inputs while this is half consumed."""
        parts = self._parts
        return replica_states(parts.settings.services, parts.views.latest, parts.book, parts.ejections)

    def explain_url(self, url: str) -> UrlExplanation | str:
        """Where a request would go, and why; in words, why that cannot be said."""
        parts = self._parts
        if parts.views.latest is None:
            return "there is no View yet: nothing is served"
        return explain_url(url, parts.views.latest, parts.forwarders.states(), parts.traffic)

    def explain_replica(self, now: float, replica: ReplicaId) -> Explanation | None:
        """Why a replica's availability is what it is: who said what, when, and which rule decided. None for a replica
        that the settings do not know.
        """
        parts = self._parts
        return explain_replica(
            replica,
            parts.settings.services,
            parts.book,
            parts.ejections,
            began_s=self._began_s,
            returned_s=parts.views.returned_s(replica),
            now=now,
        )
