import random
from itertools import pairwise

from lbmesh.gossip.limits import GossipTiming
from lbmesh.gossip.probing import Edge, Prober
from lbmesh.model.address import Address

PEER = Address("10.0.0.2", 7946)
TIMING = GossipTiming()


def prober() -> Prober:
    watching = Prober(TIMING, random.Random(1))
    watching.watch(0.0, {"peer": (PEER, False)})
    return watching


def run(watching: Prober, start: float, end: float, *, rtt_s: float | None) -> float:
    """Let time pass until `end`; every ping is answered after `rtt_s`, or never. Returns the end."""
    answers: list[tuple[float, int]] = []
    now = start
    while True:
        now = min([watching.deadline_s(), *(at_s for at_s, _ in answers)])
        if now > end:
            return end
        for answer in [answer for answer in answers if answer[0] <= now]:
            answers.remove(answer)
            watching.pong(now, "peer", answer[1])
        for _, nonce in watching.due(now):
            if rtt_s is not None:
                answers.append((now + rtt_s, nonce))


def test_an_edge_is_untested_then_whole_then_broken_after_three_misses() -> None:
    watching = prober()
    assert watching.broken() == {}
    run(watching, 0.0, 2.0, rtt_s=0.002)
    assert watching.broken() == {"peer": False}
    run(watching, 2.0, 2.45, rtt_s=None)
    assert watching.broken() == {"peer": False}
    run(watching, 2.45, 2.8, rtt_s=None)
    assert watching.broken() == {"peer": True}
    run(watching, 2.8, 3.2, rtt_s=0.002)
    assert watching.broken() == {"peer": True}, "two answers are not enough"
    run(watching, 3.2, 3.6, rtt_s=0.002)
    assert watching.broken() == {"peer": False}
    assert watching.flips == 3


def test_no_answer_is_missed_while_some_may_wait_in_the_socket() -> None:
    watching = prober()
    run(watching, 0.0, 2.0, rtt_s=0.002)
    watching.due(watching.deadline_s())
    for second in range(3, 10):
        assert watching.due(second, drained=False) == []
    assert watching.broken() == {"peer": False}
    assert watching.due(10.0), "drained at last: a miss, and the next ping"
    assert watching.edges["peer"].misses == 1


def test_answers_with_gaps_between_them_do_not_make_an_edge_whole() -> None:
    watching = prober()
    run(watching, 0.0, 1.0, rtt_s=0.002)
    run(watching, 1.0, 2.0, rtt_s=None)
    for second in range(2, 20):
        run(watching, second, second + 0.3, rtt_s=0.002)
        run(watching, second + 0.3, second + 1.0, rtt_s=None)
        assert watching.broken() == {"peer": True}


def test_a_node_that_doubts_itself_lets_more_answers_fail() -> None:
    watching = prober()
    run(watching, 0.0, 1.0, rtt_s=0.002)
    pinged = [watching.due(1.0 + step / 100, extra_misses=2) for step in range(75)]
    assert sum(map(len, pinged)) >= 3
    assert watching.broken() == {"peer": False}
    for step in range(60):
        watching.due(1.75 + step / 100, extra_misses=2)
    assert watching.broken() == {"peer": True}


def test_a_slow_path_is_learned_and_not_broken() -> None:
    watching = prober()
    run(watching, 0.0, 5.0, rtt_s=0.3)
    for rtt_s in (0.45, 0.3, 0.5):
        run(watching, 5.0, 15.0, rtt_s=rtt_s)
        assert watching.broken() == {"peer": False}


def test_the_timeout_keeps_between_floor_and_cap() -> None:
    edge = Edge(PEER, False, 0.0)
    assert edge.timeout_s(TIMING) == TIMING.timeout_first_s
    for _ in range(50):
        edge.observe(0.0001)
    assert edge.timeout_s(TIMING) == TIMING.timeout_floor_s
    for _ in range(50):
        edge.observe(5.0)
    assert edge.timeout_s(TIMING) == TIMING.timeout_cap_s


def test_an_answer_that_was_not_asked_for_or_comes_twice_proves_nothing() -> None:
    watching = prober()
    watching.pong(0.1, "peer", 42)
    watching.pong(0.1, "stranger", 42)
    assert watching.broken() == {}
    ((_, nonce),) = watching.due(0.2)
    watching.pong(0.2 + TIMING.late_pong_s + 0.01, "peer", nonce)
    assert watching.broken() == {}


def test_after_a_pause_old_pings_count_for_nothing() -> None:
    watching = prober()
    run(watching, 0.0, 2.0, rtt_s=0.002)
    watching.due(2.2)
    watching.forgive(60.0)
    watching.due(60.2)
    watching.due(60.31)
    assert watching.broken() == {"peer": False}
    assert watching.edges["peer"].misses == 1


def test_a_broken_edge_is_pinged_at_once_when_its_member_is_heard() -> None:
    watching = prober()
    run(watching, 0.0, 3.0, rtt_s=None)
    watching.watch(3.0, {"peer": (PEER, True)})
    run(watching, 3.0, 10.0, rtt_s=None)
    watching.poke(watching.edges["peer"].last_ping_s + 0.2, "peer")
    assert len(watching.due(watching.edges["peer"].last_ping_s + 0.2)) == 1


def test_who_is_no_longer_watched_is_forgotten() -> None:
    watching = prober()
    watching.watch(1.0, {})
    assert watching.deadline_s() == float("inf")


def test_pings_that_fall_due_close_together_stay_together_and_keep_their_pace() -> None:
    peers = {f"peer{number}": (Address(f"10.0.1.{number}", 7946), False) for number in range(10)}
    names = {address: name for name, (address, _) in peers.items()}
    watching = Prober(TIMING, random.Random(1))
    watching.watch(0.0, peers)
    steps: list[float] = []
    sent: dict[str, list[float]] = {name: [] for name in peers}
    while (now := watching.deadline_s()) < 60.0:
        pings = watching.due(now)
        steps += [now] if pings else []
        for address, nonce in pings:
            sent[names[address]].append(now)
            watching.pong(now + 0.001, names[address], nonce)
    assert sum(at_s > 30.0 for at_s in steps) < 2 * 30.0 / TIMING.ping_interval_s
    for at_s in sent.values():
        gaps = [after - before for before, after in pairwise(at_s)]
        assert min(gaps) >= 0.95 * TIMING.ping_interval_s - TIMING.gather_s
        assert 0.95 < sum(gaps) / len(gaps) / TIMING.ping_interval_s < 1.05
