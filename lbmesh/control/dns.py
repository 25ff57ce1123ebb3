"""DNS as the plane sees it: members, claims and the heartbeat's word become a sight, and that a picture."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from lbmesh.config.settings import Settings
from lbmesh.control.front_book import PeerFronts
from lbmesh.control.inputs import Event, EventKind
from lbmesh.control.publishing import DnsSight, NodeSight, Publisher
from lbmesh.failover.sight import FrontStatus
from lbmesh.model.dns import DnsPicture
from lbmesh.model.member import Member, MemberState


class DnsPart:
    """One agent's DNS. `generation`: the agent's own number, which all its pictures carry."""

    def __init__(self, node: str, zone: str, generation: int) -> None:
        self._node, self._zone = node, zone
        self._publisher = Publisher(generation)
        self._is_unsettled = True
        self._own_trouble = ""

    @property
    def picture(self) -> DnsPicture | None:
        """The newest."""
        return self._publisher.latest

    def unsettle(self) -> None:
        """Somebody came or went, says something new of fronts, or the settings are others."""
        self._is_unsettled = True

    def fare(self, trouble: str) -> None:
        """Why this node serves nobody, "" when it does."""
        self._is_unsettled |= trouble != self._own_trouble
        self._own_trouble = trouble

    def is_due(self, now: float) -> bool:
        """Is `look` to be called?"""
        return self._is_unsettled or now >= self._publisher.due_s

    def next_deadline(self) -> float:
        """When `look` is due; infinite while nothing waits for its time."""
        return self._publisher.due_s

    def look(
        self,
        now: float,
        settings: Settings,
        members: Iterable[Member],
        said: Mapping[str, PeerFronts],
        lost: Collection[str],
        own: Iterable[FrontStatus],
        *,
        is_isolated: bool,
    ) -> tuple[DnsPicture | None, tuple[Event, ...]]:
        """The next picture, and what it changes. `said`: what the members say of fronts; `lost`: who is gone; `own`:
        this node's fronts.
        """
        self._is_unsettled = False
        if settings.dns is None:
            return None, ()
        nodes = (self._own(), *self._peers(members, said, lost))
        serving = {node.name for node in nodes if node.serves}
        holders: dict[str, set[str]] = {}
        for status in own:
            if status.state.answers and self._node in serving:
                holders.setdefault(status.front.name, set()).add(self._node)
        for name, words in said.items():
            for front, claim in words.claims.items():
                if name in serving and claim.state.answers:
                    holders.setdefault(front, set()).add(name)
        before = self._publisher.latest
        hears_peers = not serving <= {self._node}
        sight = DnsSight(nodes, holders, is_isolated, hears_peers)
        picture = self._publisher.look(now, settings.dns.policy, settings.fronts, sight)
        return picture, tuple(_changes(before, picture))

    def _own(self) -> NodeSight:
        return NodeSight(self._node, self._zone, not self._own_trouble, self._own_trouble or "serves")

    def _peers(
        self, members: Iterable[Member], said: Mapping[str, PeerFronts], lost: Collection[str]
    ) -> Iterator[NodeSight]:
        for member in members:
            if member.name == self._node:
                continue
            words = said.get(member.name)
            trouble = ""
            if member.name in lost:
                trouble = "is gone"
            elif member.state is MemberState.LEFT:
                trouble = "has left"
            elif not member.state.is_live:
                trouble = f"is {member.state}"
            elif words is not None and words.is_willing is False:
                trouble = "serves nobody"
            yield NodeSight(member.name, member.zone, not trouble, trouble or "serves")


def _changes(before: DnsPicture | None, after: DnsPicture | None) -> Iterator[Event]:
    """An event for each address that came or went."""
    known = {one.address: one.is_published for one in before.addresses} if before else {}
    for one in after.addresses if after else ():
        if one.is_published is not known.get(one.address, True):
            change = "published" if one.is_published else "withdrawn"
            yield Event(EventKind.DNS, one.address, change, one.reason, is_trouble=not one.is_published)
