"""Places at replicas: who gets one, and that none stays empty while somebody waits."""

from lbmesh.model.restraint import Hedging, ServiceLimits
from lbmesh.model.traffic import TrafficPolicy
from tests.support.stepped import stepped_forwarder


def test_who_waits_for_a_handshake_waits_no_longer_than_for_that() -> None:
    with stepped_forwarder(1, TrafficPolicy(limits=ServiceLimits(connecting=1))) as forwarder:
        replica = forwarder.replicas[0]
        clients = [forwarder.send() for _ in range(3)]
        forwarder.until(lambda: forwarder.engine.counters.active == 3, "all requests")
        forwarder.until(lambda: replica.requests == 3, "all of them at the replica, though none was answered")
        for number, client in enumerate(clients):
            replica.answer(number)
            forwarder.answered(client)


def test_who_waits_for_the_handshake_of_a_hedge_waits_no_longer_than_for_that() -> None:
    policy = TrafficPolicy(
        hedging=Hedging(after_s=1000.0, percent=100), limits=ServiceLimits(connecting=1, replica_connections=2)
    )
    with stepped_forwarder(2, policy) as forwarder:
        first, other = forwarder.replicas
        forwarder.ask_at(first)
        forwarder.ask_at(first)
        hedged = forwarder.connections()[0]
        forwarder.send()
        forwarder.engine.reactor.step_now(hedged, hedged.exchange.hedge)
        forwarder.until(lambda: forwarder.engine.counters.active == 3, "all requests")
        forwarder.until(lambda: other.requests == 2, "the hedge and who waited")
