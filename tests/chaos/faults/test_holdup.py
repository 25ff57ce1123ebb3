"""When a relay lets datagrams go on."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lbmesh_chaos.faults import holdup
from lbmesh_chaos.faults.holdup import Held, Holdup

SHARES = st.floats(0.0, 1.0)


def held(delay_s: float, jitter_s: float = 0.0, duplicates: float = 0.0, overtaken: float = 0.0) -> Held:
    return Held(Holdup(delay_s, jitter_s, duplicates, overtaken), Random(1))


def drained(waiting: Held) -> list[tuple[float, bytes]]:
    found = []
    while (due_s := waiting.due_s) is not None:
        datagram = waiting.take(due_s)
        assert datagram is not None
        found.append((due_s, datagram))
    return found


def test_nothing_goes_on_before_its_time() -> None:
    waiting = held(0.05)
    assert waiting.due_s is None
    waiting.put(b"one", 10.0)
    assert waiting.due_s == 10.05
    assert waiting.take(10.049) is None
    assert waiting.take(10.05) == b"one"
    assert waiting.take(99.0) is None


@given(st.lists(st.floats(0.0, 0.1), max_size=40))
def test_jitter_keeps_the_order_and_its_bounds(gaps_s: list[float]) -> None:
    waiting, now_s, came_s = held(0.05, jitter_s=0.02), 0.0, []
    for number, gap_s in enumerate(gaps_s):
        now_s += gap_s
        came_s.append(now_s)
        waiting.put(str(number).encode(), now_s)
    gone = drained(waiting)
    assert [int(datagram) for _, datagram in gone] == list(range(len(gaps_s)))
    for (due_s, _), at_s in zip(gone, came_s, strict=True):
        assert at_s + 0.05 <= due_s <= at_s + 0.07 + 1e-9


def test_some_are_overtaken_and_none_is_lost() -> None:
    waiting = held(0.01, overtaken=0.2)
    for number in range(1000):
        waiting.put(str(number).encode(), number / 1000)
    numbers = [int(datagram) for _, datagram in drained(waiting)]
    assert sorted(numbers) == list(range(1000))
    assert numbers != sorted(numbers)


@given(SHARES)
def test_doubles_are_drawn_from_the_seed(duplicates: float) -> None:
    def numbers() -> list[bytes]:
        waiting = held(0.0, duplicates=duplicates)
        for number in range(100):
            waiting.put(str(number).encode(), 0.0)
        return [datagram for _, datagram in drained(waiting)]

    once = numbers()
    assert once == numbers()
    assert len(set(once)) == 100
    assert len(once) == 200 if duplicates == 1.0 else 100 <= len(once) <= 200


def test_what_does_not_fit_is_lost_and_counted() -> None:
    waiting = held(1.0)
    for _ in range(holdup.HELD_MAX + 3):
        waiting.put(b"", 0.0)
    assert waiting.lost == 3
    assert len(drained(waiting)) == holdup.HELD_MAX
