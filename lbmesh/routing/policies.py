"""The policies: how one replica is chosen among those of one group, such as a zone's.

A policy is made anew whenever its group changes, in small steps, and is then nothing but `pick`: a call without
arguments.
"""

from collections.abc import Callable, Generator, Sequence
from heapq import heappush, heapreplace
from typing import Generic, Protocol, TypeVar, assert_never

from lbmesh.model.traffic import Balance
from lbmesh.routing.steps import ITEMS_PER_STEP, collect

LEAST_REQUEST_LOOKS_MAX = 64
"""How many replicas least_request compares: the least busy of so many stands among the least busy sixty-fourth of all
on average, and a look at 10,000 would take half a millisecond a request.
"""


class Candidate(Protocol):
    """What a policy looks at. `in_flight`: attempts under way from here. `cost_s`: what a request to it is expected to
    take, failures priced in. `weight`: relative to its siblings'.
    """

    @property
    def in_flight(self) -> int: ...
    @property
    def cost_s(self) -> float: ...
    @property
    def weight(self) -> int: ...


C = TypeVar("C", bound=Candidate)
Pick = Callable[[], C]
Random = Callable[[], float]


_Due = tuple[float, int, C]
Making = Generator[None, None, Pick[C]]
"""A policy that is made in small steps."""


def policy_over(balance: Balance, group: Sequence[C], random: Random) -> Making[C]:
    """The policy that picks among these, at least one. `random`: uniform in [0, 1).

    With ring_hash these are the picks for requests that have no key.
    """
    if len(group) == 1:
        return Only(group[0]).pick
    match balance:
        case Balance.P2C | Balance.RING_HASH:
            if not (yield from _differ_in_weight(group)):
                return TwoChoices(group, random).pick
            return WeightedTwoChoices((yield from _alias_table(group)), random).pick
        case Balance.LEAST_REQUEST:
            return LeastRequest(group, (yield from _round_robin(group, random)), random).pick
        case Balance.ROUND_ROBIN:
            return (yield from _round_robin(group, random))
        case _:
            assert_never(balance)


def _round_robin(group: Sequence[C], random: Random) -> Making[C]:
    """In turn, and where weights differ by their earliest deadlines."""
    if not (yield from _differ_in_weight(group)):
        return RoundRobin(group, random).pick
    due: list[_Due[C]] = []
    for number, one in enumerate(group):
        heappush(due, (random() / one.weight, number, one))
        if (number + 1) % ITEMS_PER_STEP == 0:
            yield
    return EarliestDeadline(due).pick


def _differ_in_weight(group: Sequence[Candidate]) -> Generator[None, None, bool]:
    weight = group[0].weight
    for number, one in enumerate(group, 1):
        if one.weight != weight:
            return True
        if number % ITEMS_PER_STEP == 0:
            yield
    return False


class Only(Generic[C]):
    """There is no choice."""

    __slots__ = ("_one",)

    def __init__(self, one: C) -> None:
        self._one = one

    def pick(self) -> C:
        """The only one."""
        return self._one


class TwoChoices(Generic[C]):
    """The better of two drawn at random (Mitzenmacher 2001), by own in-flight × cost."""

    __slots__ = ("_group", "_random", "_size")

    def __init__(self, group: Sequence[C], random: Random) -> None:
        self._group = tuple(group)
        self._size = len(group)
        self._random = random

    def pick(self) -> C:
        """Two different ones are drawn; a tie is the first one's."""
        group, random, size = self._group, self._random, self._size
        first = int(random() * size)
        second = int(random() * (size - 1))
        if second >= first:
            second += 1
        one, other = group[first], group[second]
        if (one.in_flight + 1) * one.cost_s <= (other.in_flight + 1) * other.cost_s:
            return one
        return other


class WeightedTwoChoices(Generic[C]):
    """The better of two drawn by weight, by in-flight for its weight × cost.

    A tie is the first one's, so that among equals the shares are exactly the weights. A draw takes one random number
    whatever the weights are: Vose's alias method (1991).
    """

    __slots__ = ("_mean_weight", "_random", "_size", "_table")

    def __init__(self, table: "AliasTable[C]", random: Random) -> None:
        self._table = table.columns
        self._size = len(table.columns)
        self._mean_weight = table.mean_weight
        self._random = random

    def pick(self) -> C:
        """Of two draws that are the same one, the second is made once more."""
        table, random, size, mean_weight = self._table, self._random, self._size, self._mean_weight
        point = random() * size
        column = int(point)
        part, one, alias = table[column]
        if point - column >= part:
            one = alias
        point = random() * size
        column = int(point)
        part, other, alias = table[column]
        if point - column >= part:
            other = alias
        if other is one:
            point = random() * size
            column = int(point)
            part, other, alias = table[column]
            if point - column >= part:
                other = alias
        if (one.in_flight * mean_weight / one.weight + 1) * one.cost_s <= (
            other.in_flight * mean_weight / other.weight + 1
        ) * other.cost_s:
            return one
        return other


class AliasTable(Generic[C]):
    """Columns of equal probability: its own replica up to that part of it, from there on the other one."""

    __slots__ = ("columns", "mean_weight")

    def __init__(self, columns: tuple[tuple[float, C, C], ...], mean_weight: float) -> None:
        self.columns = columns
        self.mean_weight = mean_weight


def _alias_table(group: Sequence[C]) -> Generator[None, None, AliasTable[C]]:
    weights = yield from collect(group, lambda part: [one.weight for one in part])
    size, total = len(group), sum(weights)
    parts = yield from collect(weights, lambda part: [weight * size / total for weight in part])
    poor = yield from collect(enumerate(parts), lambda some: [index for index, part in some if part < 1.0])
    rich = yield from collect(enumerate(parts), lambda some: [index for index, part in some if part >= 1.0])
    aliases = list(range(size))
    while poor and rich:
        index, giver = poor.pop(), rich[-1]
        aliases[index] = giver
        parts[giver] -= 1.0 - parts[index]
        if parts[giver] < 1.0:
            poor.append(rich.pop())
        if len(poor) % ITEMS_PER_STEP == 0:
            yield
    columns = yield from collect(
        range(size), lambda part: [(parts[index], group[index], group[aliases[index]]) for index in part]
    )
    return AliasTable(tuple(columns), total / size)


class RoundRobin(Generic[C]):
    """In turn, from a random one on, so that forwarders do not march in step."""

    __slots__ = ("_group", "_turn")

    def __init__(self, group: Sequence[C], random: Random) -> None:
        self._group = tuple(group)
        self._turn = int(random() * len(group))

    def pick(self) -> C:
        """The next one."""
        self._turn += 1
        return self._group[self._turn % len(self._group)]


class EarliestDeadline(Generic[C]):
    """In turn by weight, each spread evenly over the turns: who is due first goes, and is due again after 1 / weight.

    The same evenness as nginx's smooth weighted round robin, at log(n) a pick and not n.
    """

    __slots__ = ("_due",)

    def __init__(self, due: list[_Due[C]]) -> None:
        """`due`: a heap of when, from a random beginning on; a number that no other has; and who."""
        self._due = due

    def pick(self) -> C:
        """Who is due first."""
        due = self._due
        at, number, one = due[0]
        heapreplace(due, (at + 1.0 / one.weight, number, one))
        return one


class LeastRequest(Generic[C]):
    """The one with the fewest attempts under way for its weight; those that have as few take turns by weight."""

    __slots__ = ("_group", "_looks", "_next", "_position")

    def __init__(self, group: Sequence[C], turns: Pick[C], random: Random) -> None:
        """`turns`: gives those that have as few."""
        self._group = tuple(group)
        self._looks = min(len(group), LEAST_REQUEST_LOOKS_MAX)
        self._next = turns
        self._position = int(random() * len(group))

    def pick(self) -> C:
        """Whose turn it is, unless another one is less busy."""
        best = self._next()
        if not best.in_flight:
            return best
        group = self._group
        size = len(group)
        position = self._position
        for _ in range(self._looks):
            position += 1
            if position >= size:
                position = 0
            other = group[position]
            if other.in_flight * best.weight < best.in_flight * other.weight:
                best = other
                if not best.in_flight:
                    break
        self._position = position
        return best
