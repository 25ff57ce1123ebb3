"""What is really so: who runs, which paths work, and so who may be held for down, and by whom.

A verdict is right when it was right at some moment of the last seconds: what has changed takes that long to be seen.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from lbmesh.gossip.identity import Incarnation
from tests.sim import tables
from tests.sim.cores import Step
from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.world import World

WINDOW_S = 5.0
"""The mark for healing: how long a verdict may lag behind the truth."""

LOSS_MAX = 0.05
"""A path that loses more than this does not work. At 3 %, three pings in a row from most observers stay unheard of
in hours. Of two nodes each has one observer, whom three lost answers in a row mislead."""

LAG_MAX_S = 0.25
"""A loop that comes round later than this is sick: its answers are later than pings wait for them."""

BROKEN_SHARE_MAX = 0.25
"""A node that lacks at most this part of its paths must not be condemned: no majority of observers lacks theirs."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The truth from `at_s` on. `up`: nodes that run, and their zones. `broken`: paths that do not work both ways, or
    lose much; `cut`: those of them on which nothing is heard. `sick`: running nodes that cannot be expected to answer
    in time. `calm`: the network does nothing.
    """

    at_s: float
    up: Mapping[str, str]
    broken: Mapping[str, frozenset[str]]
    cut: Mapping[str, frozenset[str]]
    sick: frozenset[str]
    calm: bool

    def reach(self, name: str) -> frozenset[str]:
        """Whom a node may hear of, itself included: over a chain of paths, as trust goes."""
        reached, frontier, everybody = {name}, [name], frozenset(self.up)
        while frontier:
            news = everybody - self.cut.get(frontier.pop(), frozenset()) - reached
            reached |= news
            frontier += sorted(news)
        return frozenset(reached)

    def is_alone(self, name: str) -> bool:
        """May the node say that it is isolated? Not while most of the others, or one of another zone, answer it: it
        asks mostly those of other zones.
        """
        broken, others = self.broken.get(name, frozenset()), self.up.keys() - {name}
        if name in self.sick or len(others) < 2 or len(broken) * 2 >= len(others):
            return True
        return not {self.up[other] for other in others - broken} - {self.up.get(name)}

    @property
    def is_whole(self) -> bool:
        """True when everybody who runs can reach everybody who does."""
        return not self.sick and not any(self.broken.values())


def may_condemn(moment: Moment, heard: frozenset[str], broken: frozenset[str]) -> bool:
    """Would it be right of a node that hears `heard` to condemn one whose paths to `broken` do not work?

    Whoever lacks few of its paths is not to be condemned at all. The smaller side of a split condemns nobody beyond
    it, and no zone alone condemns the others, where there are three. Two zones, or two nodes, judge each other
    alone: they cannot know which side they are on.
    """
    others = len(moment.up) - 1
    if not broken or (others >= 2 and len(broken) <= max(1, int(others * BROKEN_SHARE_MAX))):
        return False
    zones = len(set(moment.up.values()))
    if zones == 2 or others < 2:
        return True
    theirs = moment.up.keys() - broken
    own_zones = {moment.up[name] for name in heard & moment.up.keys()}
    if zones > 2 and len(own_zones) < 2:
        return False
    return len(heard) >= len(theirs) or len(own_zones) > len({moment.up[name] for name in theirs})


class Truth:
    """The moments of the last seconds; a witness of the world."""

    def __init__(self, world: "World") -> None:
        self.heights: dict[str, tuple[Incarnation, int]] = {}
        """How far each owner ever wrote its rows."""

        self._world = world
        self._outranked: frozenset[str] = frozenset()
        self._moments: deque[Moment] = deque()
        self.turned()

    def stepped(self, node: Node, step: Step) -> None:  # noqa: ARG002
        """A node that lost its boot counter is refused until it has taken its name back."""
        gossip = node.gossip
        if gossip is None:
            return
        own, known = tables.own_version(gossip), self.heights.get(node.name)
        if known is None or own > known:
            self.heights[node.name] = own
        if (known is not None and own < known) != (node.name in self._outranked):
            self._outranked ^= {node.name}
            self._world.turned()

    def turned(self) -> None:
        """Look anew."""
        moments, now = self._moments, self._world.now
        moments.append(self._look())
        while len(moments) > 1 and moments[1].at_s < now - 10 * WINDOW_S:
            moments.popleft()

    def _look(self) -> Moment:
        world, network = self._world, self._world.network
        up = {node.name: node for node in world.nodes.values() if node.is_up}
        sick = frozenset(node.name for node in up.values() if node.lag_s > LAG_MAX_S)
        broken: dict[str, set[str]] = {}
        cut: dict[str, set[str]] = {}
        loss_max = LOSS_MAX if len(up) > 2 else 0.0
        if world.loss or not network.is_clear or self._outranked:
            for one, other in combinations(up.values(), 2):
                there, back = network.link(one, other), network.link(other, one)
                if self._outranked & {one.name, other.name} or (there.is_cut and back.is_cut):
                    _add(cut, one.name, other.name)
                    _add(broken, one.name, other.name)
                elif there.is_cut or back.is_cut or max(there.loss, back.loss) > loss_max:
                    _add(broken, one.name, other.name)
        zones = {name: node.zone for name, node in up.items()}
        calm = network.is_clear and world.loss == 0
        return Moment(world.now, zones, _frozen(broken), _frozen(cut), sick, calm)

    @property
    def now(self) -> Moment:
        """The truth of now."""
        return self._moments[-1]

    def of_late(self, seconds: float = WINDOW_S) -> Iterator[Moment]:
        """All moments that reach into the last seconds, newest first."""
        since_s = self._world.now - seconds
        for moment in reversed(self._moments):
            yield moment
            if moment.at_s <= since_s:
                return

    def may_be_down(self, observer: str, subject: str) -> bool:
        """Was it right, at some moment of late, of the observer to hold the subject for down? What it heard from one
        before a path broke, and saw itself after that, it may put together.
        """
        moments = tuple(self.of_late())
        if any(subject not in moment.up or subject in moment.sick for moment in moments):
            return True
        together = tuple(
            (moment, moment.reach(observer), moment.broken.get(subject, frozenset())) for moment in moments
        )
        now = moments[0]
        heard = frozenset().union(*(reach for _, reach, _ in together))
        broken = frozenset().union(*(broken for _, _, broken in together))
        return any(may_condemn(moment, reach, broken) for moment, reach, broken in [*together, (now, heard, broken)])

    def has_lost(self, observer: str, subject: str) -> bool:
        """Was the path between the two broken at some moment of late?"""
        return any(subject in moment.broken.get(observer, ()) for moment in self.of_late())

    def may_be_isolated(self, name: str) -> bool:
        """Was the node alone at some moment of late?"""
        return any(moment.is_alone(name) for moment in self.of_late())

    def has_been_whole(self, seconds: float) -> bool:
        """Did nobody start, stop or lose a path in the last seconds, and does everybody reach everybody?"""
        now = self.now
        return now.at_s <= self._world.now - seconds and now.is_whole


def _add(paths: dict[str, set[str]], one: str, other: str) -> None:
    paths.setdefault(one, set()).add(other)
    paths.setdefault(other, set()).add(one)


def _frozen(paths: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(others) for name, others in paths.items()}
