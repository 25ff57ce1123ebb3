"""Fronts in the simulated world: the kernels that answer for them, the sentinels' word *gone*, and who holds what.

The sentinels are the truth with a delay here: who is reached by nobody for GONE_S is gone for all who live.
"""

from functools import partial
from math import inf
from typing import TYPE_CHECKING

from lbmesh.failover.orders import Acquire, Done, Drain, Drained, Order, Outcome, Release, Renew, Tickle
from lbmesh.failover.words import Back, Gone, GoneRule, Word
from lbmesh.model.front import Front
from tests.sim.cores import Core, Step
from tests.sim.invariants import InvariantError
from tests.sim.node import Node

if TYPE_CHECKING:
    from tests.sim.world import World

GONE_S = 0.12
"""What the heartbeat takes to find somebody gone."""

LOOK_S = 0.04
REPORT_S = 1.0
DRIVER_S = 0.005
KERNEL_LEASE_S = 0.3
"""What a sentinel renews: a frozen node is silent after that."""


class Fronts:
    """A witness of the world. It fails the moment an exclusive front has two holders. `moves`: every time that a node
    began or ceased to answer: (when, node, front, does it answer).
    """

    def __init__(self, world: "World", fronts: tuple[Front, ...]) -> None:
        self.moves: list[tuple[float, str, str, bool]] = []
        self._world = world
        self._fronts = fronts
        self._kernels: dict[tuple[str, str], float] = {}
        self._runs: dict[str, int] = {}
        self._newest: dict[tuple[str, str], int] = {}
        self._heard: set[tuple[str, str, int]] = set()
        self._silent_s: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, str, int], Gone] = {}
        self._paused_s: dict[str, float] = {}
        self._answered: set[tuple[str, str]] = set()
        world.witnesses.append(self)
        world.at(world.now + LOOK_S, self._look)
        world.at(world.now + REPORT_S, self._report)

    # Who answers

    def answers(self, name: str, front: Front) -> bool:
        """Would a client be answered by this node?"""
        node = self._world.nodes[name]
        if node.core is None or self._runs.get(name) != node.runs:
            return False
        is_silent = node.paused and self._world.now >= self._paused_s.get(name, inf) + KERNEL_LEASE_S
        until_s = self._kernels.get((name, front.name), -inf)
        return not is_silent and node.clock.local_s(self._world.now) < until_s

    def holders(self, front: Front) -> list[str]:
        """All who would answer."""
        return [name for name in self._world.nodes if self.answers(name, front)]

    # What happens

    def turned(self) -> None:
        """Somebody started, stopped, or lost a path."""
        for name, node in self._world.nodes.items():
            if node.paused:
                self._paused_s.setdefault(name, self._world.now)
            else:
                self._paused_s.pop(name, None)

    def stepped(self, node: Node, step: Step) -> None:
        """Do what the node asks of its drivers."""
        if self._runs.get(node.name) != node.runs:
            self._runs[node.name] = node.runs
            self._kernels = {key: until_s for key, until_s in self._kernels.items() if key[0] != node.name}
        for order in step.orders:
            self._carry_out(node, order)

    def _carry_out(self, node: Node, order: Order) -> None:
        key = node.name, order.front.name
        match order:
            case Renew(until_s=until_s):
                if key in self._kernels:
                    self._kernels[key] = until_s
                return
            case Acquire(ticket=ticket) | Release(ticket=ticket):
                self._newest[key] = ticket
            case Drain() | Tickle():
                pass
        world = self._world
        world.at(world.now + DRIVER_S, partial(self._carried_out, node, node.runs, order))

    def _carried_out(self, node: Node, run: int, order: Order) -> None:
        key = node.name, order.front.name
        if node.runs != run or node.core is None:
            return
        match order:
            case Acquire(ticket=ticket, until_s=until_s):
                if self._newest[key] == ticket:
                    self._kernels[key] = until_s
                self._tell(node, Done(order.front.name, ticket))
            case Release(ticket=ticket):
                self._kernels.pop(key, None)
                self._tell(node, Done(order.front.name, ticket))
            case Drain():
                self._tell(node, Drained(order.front.name))
            case Renew() | Tickle():
                pass

    def _tell(self, node: Node, outcome: Outcome) -> None:
        node.inform(lambda core, now: core.front_outcome(now, outcome))

    def _report(self) -> None:
        """Forwarders say that they serve."""
        world = self._world
        world.at(world.now + REPORT_S, self._report)
        for node in world.nodes.values():
            if node.is_up:
                node.inform(lambda core, now: core.forwarder_reports(now))

    # The sentinels

    def _look(self) -> None:
        world = self._world
        world.at(world.now + LOOK_S, self._look)
        self._note_moves()
        names = list(world.nodes)
        for one in names:
            for other in names:
                if one != other:
                    key = one, other
                    if self._hears(one, other):
                        self._silent_s.pop(key, None)
                        self._heard.add((*key, world.nodes[other].runs))
                    else:
                        self._silent_s.setdefault(key, world.now)
        for name in names:
            if world.nodes[name].is_up:
                for other in names:
                    if other != name:
                        self._judge(name, other)

    def _hears(self, one: str, other: str) -> bool:
        nodes = self._world.nodes
        return nodes[other].is_up and not self._world.network.link(nodes[other], nodes[one]).is_cut

    def _is_silent(self, one: str, other: str) -> bool:
        """Silence means nothing of one that was not heard since its start."""
        is_known = (one, other, self._world.nodes[other].runs) in self._heard
        return is_known and self._world.now >= self._silent_s.get((one, other), inf) + GONE_S

    def _judge(self, name: str, other: str) -> None:
        world = self._world
        node = world.nodes[name]
        key = name, other, node.runs
        others = [one for one in world.nodes if one not in (name, other)]
        # Of two and more partners none is heard: then it is more likely this node.
        is_deaf = bool(others) and all(self._is_silent(name, one) for one in (*others, other))
        absent = [one for one in others if self._is_silent(name, one)]
        agree = all(self._is_silent(one, other) for one in others if one not in absent)
        is_gone = self._is_silent(name, other) and agree and not is_deaf
        said = self._told.get(key)
        word: Word | None = None
        if is_gone and (said is None or said.absent != tuple(absent)):
            word = self._told[key] = Gone(other, GoneRule.SILENT, "silent", absent=tuple(absent))
        elif said is not None and not self._is_silent(name, other):
            del self._told[key]
            word = Back(other, "heard again", 1.0)
        if word is not None:
            node.inform(partial(_say, word))

    def _note_moves(self) -> None:
        world = self._world
        answered = {(name, front.name) for front in self._fronts for name in self.holders(front)}
        for key in sorted(answered ^ self._answered):
            self.moves.append((world.now, *key, key in answered))
            world.say(f"{key[0]} {'answers' if key in answered else 'does not answer'} for {key[1]}")
        self._answered = answered
        for front in self._fronts:
            if front.is_exclusive and len(holders := self.holders(front)) > 1:
                raise InvariantError(f"seed {world.seed}: {front.name} has two holders: {holders}\n{world.picture()}")


def _say(word: Word, core: Core, now: float) -> Step:
    return core.word(now, word)
