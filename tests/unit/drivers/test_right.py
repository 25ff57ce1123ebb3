"""The right to a front bounds the acquire that is under way, and no other."""

from math import inf
from time import monotonic

import trio

from lbmesh.drivers.right import Right


def test_it_has_lapsed_until_it_is_given() -> None:
    right = Right()
    assert right.has_lapsed
    right.extend(inf)
    assert not right.has_lapsed


def test_an_acquire_ends_with_the_right_or_at_its_own_deadline() -> None:
    async def run() -> None:
        right = Right()
        right.extend(inf)
        acquiring = trio.CancelScope(deadline=trio.current_time() + 1000)
        own = acquiring.deadline
        right.bound(acquiring)
        assert acquiring.deadline == own
        right.extend(monotonic() + 500)
        assert acquiring.deadline < own
        right.extend(inf)
        assert acquiring.deadline == own
        right.unbound()
        right.extend(monotonic() - 1)
        assert acquiring.deadline == own

    trio.run(run)
