"""What must hold after every step: of membership and of the rows. A violation raises, with the seed and the picture."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lbmesh.gossip.identity import Incarnation
from lbmesh.model.member import MemberState
from tests.sim import tables
from tests.sim.cores import Step, WholePlane
from tests.sim.node import Node
from tests.sim.truth import WINDOW_S, Truth

if TYPE_CHECKING:
    from tests.sim.world import World

ROUND_S = 0.1
"""How often the looks that cost more are taken …"""

ROWS_EVERY = 10
"""… and after how many of them tables are measured, and each row is compared with what its owner wrote."""

SAMPLE_ABOVE = 50
SAMPLE = 10
"""Of more nodes than that, so many are looked at in a round."""

DEADLINE_WITHIN_S = 60.0
"""A node that runs has something to do at least this often."""

STEPS_AT_ONCE_MAX = 1000
"""Ticks of one node without its clock going on."""


class InvariantError(AssertionError):
    """Something that must hold did not."""


class Invariants:
    """A witness of the world."""

    def __init__(self, world: "World") -> None:
        self.truth = Truth(world)
        self.false_downs = 0
        self.agreed = 0
        """Rounds in which agreement was due, and was there."""

        self._world = world
        self._at_once: dict[str, tuple[float, int]] = {}
        self._heights: dict[tuple[str, int, str], tuple[Incarnation, int]] = {}
        self._written: dict[tuple[str, Incarnation, str, int], bytes | None] = {}
        self._rounds = 0
        world.witnesses += [self.truth, self]
        world.at(world.now + ROUND_S, self._round)

    def turned(self) -> None:
        """Somebody started, stopped, or lost a path: the truth has noted it."""

    # After every step.

    def stepped(self, node: Node, step: Step) -> None:
        """What a step may not do."""
        for change in step.changes:
            if change.after is MemberState.DOWN:
                if not self._judges_alone(node, change.name) and not self.truth.may_be_down(node.name, change.name):
                    self.fail(f"{node.name} holds {change.name}, which is healthy, for down: {change.reason}")
                if change.before is MemberState.LEFT:
                    self.fail(f"{node.name} holds {change.name}, which has left, for down: {change.reason}")
        self._look_for_a_standstill(node)

    def _judges_alone(self, node: Node, subject: str) -> bool:
        """Does it know of nobody else who lives, and cannot reach the subject itself? Of two, each judges alone."""
        others = (state for name, state in node.believes.items() if name not in (node.name, subject))
        return not any(state.is_live for state in others) and self.truth.has_lost(node.name, subject)

    def _look_for_a_standstill(self, node: Node) -> None:
        if node.core is None:
            return
        at_s, steps = self._at_once.get(node.name, (-1.0, 0))
        steps = steps + 1 if at_s == self._world.now else 0
        self._at_once[node.name] = self._world.now, steps
        if steps > STEPS_AT_ONCE_MAX:
            self.fail(f"{node.name} is stuck: its deadline is {node.core.next_deadline()}, its clock {node.now_s()}")

    # Every 100 ms.

    def _round(self) -> None:
        world = self._world
        world.at(world.now + ROUND_S, self._round)
        self._rounds += 1
        running = [node for node in world.nodes.values() if node.is_up]
        sample = self._sample(running)
        for node in sample:
            self._look_at(node)
            if self._rounds % ROWS_EVERY == 0:
                self._compare_rows(node)
        if self.truth.has_been_whole(WINDOW_S):
            self._look_for_agreement(sample)

    def _sample(self, running: list[Node]) -> list[Node]:
        """All, or of a large mesh some, in turn: everybody is looked at every few seconds."""
        if len(running) <= SAMPLE_ABOVE:
            return running
        start = self._rounds * SAMPLE % len(running)
        return (running + running)[start : start + SAMPLE]

    def _look_at(self, node: Node) -> None:
        gossip, core = node.gossip, node.core
        assert gossip is not None
        assert core is not None
        if core.next_deadline() - node.now_s() > DEADLINE_WITHIN_S:
            self.fail(f"{node.name} has nothing to do until {core.next_deadline()}, its clock shows {node.now_s()}")
        if gossip.isolated and not self.truth.may_be_isolated(node.name):
            self.fail(f"{node.name} says that it is isolated, and most of the others answer it")
        for owner, version in tables.versions(gossip).items():
            self._look_at_version(node, owner, version)
        if self._rounds % ROWS_EVERY == 0:
            for table, size, bound in self._sizes(node):
                if size > bound:
                    self.fail(f"{node.name} keeps {size} {table}: {bound} is the most")

    def _sizes(self, node: Node) -> Iterator[tuple[str, int, int]]:
        world, core = self._world, node.core
        assert core is not None
        yield from tables.sizes(core.gossip, len(world.nodes))
        if isinstance(core, WholePlane) and world.replicas is not None:
            yield from tables.health_sizes(core.plane, len(world.replicas.by_id), len(world.nodes))

    def _look_at_version(self, node: Node, owner: str, version: tuple[Incarnation, int]) -> None:
        """Versions only rise, and only their owner raises them."""
        key = node.name, node.runs, owner
        before = self._heights.get(key)
        if before is not None and version < before:
            self.fail(f"{node.name} knew {owner} up to {before}, and now only up to {version}")
        self._heights[key] = version
        own = self.truth.heights.get(owner)
        if own is not None and version > own:
            self.fail(f"{node.name} knows {owner} up to {version}, which itself is at {own}: who wrote that?")

    def _compare_rows(self, node: Node) -> None:
        gossip = node.gossip
        assert gossip is not None
        for owner in tables.owners(gossip).values():
            for key, stored in owner.rows.items():
                identity = owner.name, owner.incarnation, key, stored.sequence
                if self._written.setdefault(identity, stored.value) != stored.value:
                    self.fail(f"{node.name} has another value in row {identity} than its owner wrote")

    def _look_for_agreement(self, sample: list[Node]) -> None:
        """All hold those that run for live, and the others not."""
        now = self.truth.now
        self.agreed += 1
        for node in sample:
            for other in self._world.nodes.values():
                if other is node:
                    continue
                state = node.believes.get(other.name)
                if other.name in now.up:
                    good = state is not None and (state is MemberState.ALIVE or (state.is_live and not now.calm))
                else:
                    good = state is None or not state.is_live or not self._can_tell()
                if not good:
                    self.fail(f"{node.name} holds {other.name} for {state}, {WINDOW_S} s after the last change")

    def _can_tell(self) -> bool:
        """Can those that are left tell the dead from a cut? Most of the nodes must be left, in most of the zones; or
        one of two.
        """
        nodes, up = self._world.nodes, self.truth.now.up
        zones = {node.zone for node in nodes.values()}
        return len(nodes) == 2 or (len(up) * 2 > len(nodes) and len(set(up.values())) * 2 > len(zones))

    def fail(self, what: str) -> None:
        """Raise, with all that is needed to find the reason."""
        world = self._world
        raise InvariantError(f"seed {world.seed}, at {world.now:.3f} s: {what}\n{world.picture()}")
