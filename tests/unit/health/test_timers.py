"""Deadlines: the heap does what a plain table would do, and does not grow."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.health.timers import REPLACED_MAX, Timers
from lbmesh.model.address import Address
from lbmesh.model.service import ReplicaId

REPLICAS = [ReplicaId("shop", Address("10.0.0.1", port)) for port in (1, 2, 3)]


@given(st.lists(st.tuples(st.sampled_from(REPLICAS), st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0, inf])), max_size=30))
def test_each_replica_comes_up_once_at_its_newest_deadline(settings: list[tuple[ReplicaId, float]]) -> None:
    timers, table = Timers(), dict[ReplicaId, float]()
    for step, (replica, due_s) in enumerate(settings):
        timers.set(replica, due_s)
        table[replica] = due_s
        assert timers.next_s() == min(table.values())
        if step % 7 == 6:
            due = timers.take_due(2.0, 100)
            assert sorted(due) == sorted(one for one, at_s in table.items() if at_s <= 2.0)
            for one in due:
                table[one] = inf
    assert sorted(timers.take_due(1e9, 100)) == sorted(one for one, at_s in table.items() if at_s < inf)
    assert timers.next_s() == inf


def test_replaced_deadlines_do_not_pile_up() -> None:
    timers = Timers()
    for number in range(10_000):
        timers.set(REPLICAS[0], 1e6 + number)
    assert len(timers._heap) <= REPLACED_MAX + 2  # noqa: SLF001
    assert timers.take_due(1e7, 100) == [REPLICAS[0]]
