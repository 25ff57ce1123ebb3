"""Turns of probes: never more than there are, none left free in vain, and none that a service keeps from another."""

from collections import Counter
from collections.abc import Iterable

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from lbmesh.agent.probes.turns import Turns


class Probes:
    """Tasks that want turns, and hold theirs until they are told to end.

    `waiting` and `running`: (service, number) in the order of their coming and of their starting.
    """

    def __init__(self, most: int, nursery: trio.Nursery) -> None:
        self.waiting: list[tuple[str, int]] = []
        self.running: list[tuple[str, int]] = []
        self._turns = Turns(most)
        self._nursery = nursery
        self._scopes: dict[tuple[str, int], trio.CancelScope] = {}
        self._ends: dict[tuple[str, int], trio.Event] = {}

    async def come(self, *services: str) -> None:
        """One probe of each of these services, in this order."""
        for service in services:
            key = service, len(self._scopes)
            self._scopes[key], self._ends[key] = trio.CancelScope(), trio.Event()
            self.waiting.append(key)
            self._nursery.start_soon(self._probe, key)
            await wait_all_tasks_blocked()

    async def _probe(self, key: tuple[str, int]) -> None:
        with self._scopes[key]:
            try:
                async with self._turns.turn(key[0]):
                    self.waiting.remove(key)
                    self.running.append(key)
                    await self._ends[key].wait()
            finally:
                (self.running if key in self.running else self.waiting).remove(key)

    async def end(self, ended: Iterable[tuple[str, int]] = (), cancelled: Iterable[tuple[str, int]] = ()) -> None:
        """End some probes and cancel others, all in one pass of the loop."""
        for key in ended:
            self._ends[key].set()
        for key in cancelled:
            self._scopes[key].cancel()
        await wait_all_tasks_blocked()

    def held(self) -> Counter[str]:
        return Counter(service for service, _ in self.running)

    async def end_all(self) -> None:
        """Let everything come to its end, and see to it that all turns are free again."""
        while self.running or self.waiting:
            assert self.running
            await self.end([self.running[0]])


def test_one_service_gets_half_and_the_next_starts_at_once() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            probes = Probes(128, nursery)
            await probes.come(*["hung"] * 100)
            assert probes.held() == {"hung": 64}
            await probes.come(*["well"] * 100)
            assert probes.held() == {"hung": 64, "well": 32}
            await probes.come("third")
            assert probes.held()["third"] == 1
            await probes.end_all()

    trio.run(main)


def test_waiters_of_a_service_start_in_their_order_and_services_in_turn() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            probes = Probes(2, nursery)
            await probes.come("a", "b")
            await probes.come("a", "a", "b", "b", "c")
            began = list(probes.running)
            while probes.waiting:
                await probes.end([probes.running[0]])
                began += [key for key in probes.running if key not in began]
            assert began == [("a", 0), ("b", 1), ("a", 2), ("b", 4), ("c", 6), ("a", 3), ("b", 5)]
            await probes.end_all()

    trio.run(main)


def test_a_turn_granted_to_who_was_just_cancelled_goes_to_the_next() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            probes = Probes(1, nursery)
            await probes.come("a", "b", "c")
            await probes.end([("a", 0)], [("b", 1)])
            assert probes.running == [("c", 2)]
            await probes.end(cancelled=[("c", 2)])
            await probes.come("d")
            assert probes.running == [("d", 3)]
            await probes.end_all()

    trio.run(main)


Ends = list[tuple[int, bool]]
"""Which of the probes that are there, and whether it is cancelled."""

services = st.lists(st.sampled_from("abcd"), max_size=4)
ends = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=4)


@given(st.integers(1, 9), st.lists(st.tuples(services, ends), max_size=12))
def test_turns_are_used_up_and_shared(most: int, acts: list[tuple[list[str], Ends]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            probes = Probes(most, nursery)
            passed: dict[tuple[str, int], Counter[str]] = {}
            for come, end in acts:
                await probes.come(*come)
                _holds(probes, most)
                before, waited = list(probes.running), list(probes.waiting)
                await _end_some(probes, end)
                _holds(probes, most)
                _nobody_is_passed_twice(probes, before, waited, passed)
            await probes.end_all()
            await probes.come(*map(str, range(most + 1)))
            assert len(probes.running) == most, "all turns came back"
            await probes.end_all()

    trio.run(main)


async def _end_some(probes: Probes, picked: Ends) -> None:
    ended: list[tuple[str, int]] = []
    cancelled: list[tuple[str, int]] = []
    for number, is_cancelled in picked:
        among = [*probes.running, *probes.waiting] if is_cancelled else probes.running
        if among:
            (cancelled if is_cancelled else ended).append(among[number % len(among)])
    await probes.end(ended, cancelled)


def _holds(probes: Probes, most: int) -> None:
    held = probes.held()
    free = most - held.total()
    assert free >= 0
    assert all(held[service] >= free for service, _ in probes.waiting), "nobody waits who could start"
    waiting = dict(reversed(probes.waiting))
    assert all(number < waiting.get(service, number + 1) for service, number in probes.running), "in their order"


def _nobody_is_passed_twice(
    probes: Probes,
    before: list[tuple[str, int]],
    waited: list[tuple[str, int]],
    passed: dict[tuple[str, int], Counter[str]],
) -> None:
    """Whose service holds nothing starts before another service gets a second turn: it cannot be starved."""
    started = [key for key in probes.running if key not in before]
    held = Counter(service for service, _ in before)
    for service, number in dict(reversed(waited)).items():
        key = service, number
        if key in probes.waiting and not held[service]:
            by = passed.setdefault(key, Counter())
            by.update(other for other, _ in started)
            assert max(by.values(), default=0) <= 1
