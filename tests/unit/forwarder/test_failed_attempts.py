"""What is asked again, of whom, and how often: seen at the replicas."""

from lbmesh.forward.retry import BUDGET_MINIMUM
from lbmesh.model.restraint import ServiceLimits
from lbmesh.model.traffic import TrafficPolicy
from tests.support.stepped import SteppedForwarder, StillReplica, stepped_forwarder


def break_off_who_is_asked(forwarder: SteppedForwarder) -> None:
    """Wait for an attempt at a replica that has not failed yet; it fails."""

    def asked() -> list[StillReplica]:
        return [one for one in forwarder.replicas if one.requests and not one.is_broken_off]

    forwarder.until(lambda: bool(asked()), "an attempt")
    asked()[0].break_off()


def test_beyond_the_budget_no_further_attempt_is_made() -> None:
    """What was saved pays for one repeat of each request under way; of repeats of repeats there are few at a time."""
    with stepped_forwarder(3) as forwarder:
        first, second, third = forwarder.replicas
        clients = [forwarder.ask_at(first) for _ in range(6)]
        forwarder.let_down(third)
        first.break_off()
        forwarder.reached(second, 6)
        forwarder.let_down()
        second.break_off()
        forwarder.reached(third, BUDGET_MINIMUM)
        forwarder.until(lambda: sum(b" 502 " in client.received for client in clients) == 3, "the others' answers")
        assert forwarder.attempts() == 2 * 6 + BUDGET_MINIMUM


def test_who_has_its_answer_gives_its_part_of_the_budget_back() -> None:
    with stepped_forwarder(2) as forwarder:
        broken, sound = forwarder.replicas
        for answered in range(6):
            client = forwarder.ask_at(broken)
            broken.connections[answered].close()
            forwarder.reached(sound, answered + 1)
            sound.answer(0)
            forwarder.answered(client)


def test_a_request_has_no_more_retries_than_its_service_allows() -> None:
    with stepped_forwarder(3, TrafficPolicy(retries=1)) as forwarder:
        client = forwarder.ask()
        for _ in range(2):
            break_off_who_is_asked(forwarder)
        forwarder.is_told(client, 502)
        assert forwarder.attempts() == 2


def test_each_retry_goes_to_a_replica_that_was_not_tried_yet() -> None:
    with stepped_forwarder(4, TrafficPolicy(retries=3)) as forwarder:
        client = forwarder.ask()
        for _ in forwarder.replicas:
            break_off_who_is_asked(forwarder)
        forwarder.is_told(client, 502)
        assert [one.requests for one in forwarder.replicas] == [1, 1, 1, 1]


def test_a_retry_goes_to_no_replica_without_room() -> None:
    """There is no other: it goes where it failed, for there is room now."""
    with stepped_forwarder(2, TrafficPolicy(limits=ServiceLimits(replica_connections=1))) as forwarder:
        broken, full = forwarder.replicas
        client, _ = forwarder.ask_at(broken), forwarder.ask_at(full)
        broken.break_off()
        forwarder.until(lambda: forwarder.attempts() == 3, "the retry")
        assert forwarder.state_of(full).in_flight == 1
        forwarder.until(lambda: broken.requests == 2, "the retry at its replica")
        broken.answer(1)
        forwarder.answered(client)


def test_a_retry_prefers_who_has_room_and_was_not_tried() -> None:
    limits = ServiceLimits(replica_connections=1)
    with stepped_forwarder(3, TrafficPolicy(limits=limits)) as forwarder:
        broken, full, free = forwarder.replicas
        client, _ = forwarder.ask_at(broken), forwarder.ask_at(full)
        broken.break_off()
        forwarder.until(lambda: free.requests == 1, "the retry where there is room")
        free.answer()
        forwarder.answered(client)
        assert forwarder.state_of(full).requests == 1


def test_a_body_of_which_some_has_gone_on_is_not_sent_again() -> None:
    with stepped_forwarder(2) as forwarder:
        first, other = forwarder.replicas
        client = forwarder.ask_at(first, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        forwarder.until(lambda: first.connections[0].received.endswith(b"ab"), "half a body")
        first.break_off()
        forwarder.is_told(client, 502)
        assert other.requests == 0
