"""When requests are hedged: what is due, and no more than that, and not before what has come is read."""

from collections.abc import Callable

import trio

from lbmesh.model.restraint import Hedging
from lbmesh.model.traffic import TrafficPolicy
from tests.support.gates import with_traffic
from tests.support.stepped import GET, SteppedForwarder, stepped_forwarder
from tests.support.wait import PATIENCE_S

AT_ONCE = TrafficPolicy(hedging=Hedging(after_s=0.0, percent=100))
HARDLY_EVER = TrafficPolicy(hedging=Hedging(after_s=1000.0, percent=100))


def let_time_tell(forwarder: SteppedForwarder, until: Callable[[], bool]) -> None:
    """Run the timer alone until this is so: nothing else reads from a socket meanwhile."""

    async def run() -> None:
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(forwarder.engine.hedges.run, forwarder.engine.reactor)
                while not until():  # noqa: ASYNC110 - what is waited for has no event
                    await trio.sleep(0.001)
                nursery.cancel_scope.cancel()

    trio.run(run)


def set_traffic(forwarder: SteppedForwarder, traffic: TrafficPolicy) -> None:
    forwarder.adopt(with_traffic(forwarder.view, traffic))


def test_an_answer_that_has_come_is_not_late() -> None:
    with stepped_forwarder(2, AT_ONCE) as forwarder:
        first = forwarder.replicas[0]
        answered = forwarder.ask_at(first)
        forwarder.ask_at(first)
        first.answer()
        let_time_tell(forwarder, lambda: forwarder.service.hedges > 0)
        assert forwarder.service.hedges == 1
        forwarder.answered(answered)


def test_an_answered_request_hedges_not_the_next_one_of_its_connection() -> None:
    with stepped_forwarder(2, AT_ONCE) as forwarder:
        first = forwarder.replicas[0]
        client = forwarder.ask_at(first)
        first.answer()
        forwarder.answered(client)
        late = forwarder.ask_at(first)
        set_traffic(forwarder, HARDLY_EVER)
        client.send(GET)
        forwarder.until(lambda: forwarder.engine.counters.active == 2, "the next one")
        let_time_tell(forwarder, lambda: forwarder.service.hedges > 0)
        assert forwarder.service.hedges == 1
        assert late.received == b""


def test_what_is_not_due_is_left_alone() -> None:
    with stepped_forwarder(2, HARDLY_EVER) as forwarder:
        first = forwarder.replicas[0]
        forwarder.ask_at(first)
        set_traffic(forwarder, AT_ONCE)
        forwarder.ask_at(first)
        forwarder.ask_at(first)
        let_time_tell(forwarder, lambda: forwarder.service.hedges > 1)
        assert forwarder.service.hedges == 2
        assert [one.exchange.attempts for one in forwarder.connections()] == [1, 2, 2]
