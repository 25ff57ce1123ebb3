"""The heartbeat's core between simulated nodes: who is gone, when, and who never is."""

from dataclasses import replace

import pytest

from lbmesh.failover.datagram import ASKS, PARTNER, Heartbeat, seal, short
from lbmesh.failover.heartbeats import Heartbeats
from lbmesh.failover.limits import ANSWER_GAP_S, HUNG_FORWARDER_S, INTERVAL_S, LINGER_S
from lbmesh.failover.table import RingKey, Station, partner_table
from lbmesh.failover.words import Back, Gone, GoneRule, Partner, Vitals
from tests.support.heartbeats import HEALTHY, RING, HeartbeatWorld, station

THREE = {"lb-a": "zone-a", "lb-b": "zone-b", "lb-c": "zone-c"}
SIX = {f"lb-{zone}{number}": f"zone-{zone}" for zone in "abc" for number in (1, 2)}
TWELVE = {f"lb-{zone}{number}": f"zone-{zone}" for zone in "abc" for number in range(4)}
BOUND_S = 0.15
"""The mark: *gone* within 150 ms of the death."""


def settled(living: dict[str, str], **network: float) -> HeartbeatWorld:
    world = HeartbeatWorld(living, **network)  # type: ignore[arg-type]
    world.run(1.0)
    assert not world.words(Gone)
    return world


def kill(world: HeartbeatWorld, *names: str) -> float:
    for name in names:
        world.nodes[name].is_dead = True
    return world.now


def judges(world: HeartbeatWorld, died_s: float) -> dict[str, float]:
    """Who said gone, and how long after."""
    return {name: at_s - died_s for at_s, name, _ in world.words(Gone)}


def test_both_backups_say_gone_soon_after_a_death_and_agree() -> None:
    world = settled(THREE)
    died_s = kill(world, "lb-a")
    world.run(1.0)
    said = judges(world, died_s)
    assert said.keys() == {"lb-b", "lb-c"}
    assert all(0.08 <= after_s <= BOUND_S for after_s in said.values())
    for _, name, word in world.words(Gone):
        assert word == Gone("lb-a", GoneRule.SILENT, "2 of 2 live backups heard nothing for 0.1 s")
        assert world.nodes[name].core.counters["suspicions"] == 1


def test_one_that_is_heard_again_is_back() -> None:
    world = settled(THREE)
    world.pause("lb-a", 1.0)
    world.run(0.5)
    assert world.gone_at("lb-b") == world.gone_at("lb-c") == {"lb-a"}
    world.run(1.0)
    assert world.gone_at("lb-b") == world.gone_at("lb-c") == set()
    assert {name for _, name, _ in world.words(Back)} == {"lb-b", "lb-c"}
    assert world.gone_at("lb-a") == set()
    assert world.nodes["lb-a"].core.counters["pauses"] == 1


def test_a_node_that_stood_still_condemns_nobody_though_all_its_datagrams_are_lost() -> None:
    world = settled(THREE)
    world.pause("lb-a", 3.0)
    world.run(2.99)
    world.nodes["lb-a"].inbox.clear()
    world.cut = {("lb-b", "lb-a"), ("lb-c", "lb-a")}
    world.run(0.06)
    world.cut.clear()
    world.run(1.0)
    assert not [one for one in world.words(Gone) if one[1] == "lb-a"]


@pytest.mark.parametrize("dead", [("lb-a1",), ("lb-a1", "lb-a2")])
def test_a_zone_is_gone_as_fast_as_a_node(dead: tuple[str, ...]) -> None:
    world = settled(SIX)
    died_s = kill(world, *dead)
    world.run(1.0)
    for name in dead:
        said = [at_s - died_s for at_s, _, word in world.words(Gone) if word.name == name]
        assert len(said) >= 2
        assert max(said) <= BOUND_S
    assert {word.name for _, _, word in world.words(Gone)} == set(dead)
    for _, who, word in world.words(Gone):
        assert isinstance(word, Gone)
        judges = {partner.name: partner.judges for partner in world.partners_of(who)}[word.name]
        assert set(word.absent) == set(judges) & set(dead), "who judges it and is silent, too, is named"


def test_one_backup_that_still_hears_it_is_enough_to_keep_it() -> None:
    world = settled(THREE)
    world.cut = {("lb-a", "lb-b")}
    world.run(5.0)
    assert not world.words(Gone)
    world.cut.add(("lb-a", "lb-c"))
    world.run(0.2)
    assert world.gone_at("lb-b") == world.gone_at("lb-c") == {"lb-a"}
    world.cut = {("lb-a", "lb-b")}
    world.run(0.2)
    assert world.gone_at("lb-c") == set()


def test_a_node_that_hears_nobody_takes_itself_for_cut_off() -> None:
    world = settled(THREE)
    world.cut = {("lb-b", "lb-a"), ("lb-c", "lb-a"), ("lb-a", "lb-b"), ("lb-a", "lb-c")}
    world.run(2.0)
    assert world.gone_at("lb-a") == set()
    assert world.gone_at("lb-b") == world.gone_at("lb-c") == {"lb-a"}


def test_of_two_nodes_one_is_gone_when_its_front_is_dead_too() -> None:
    world = settled({"lb-a": "zone-a", "lb-b": "zone-b"})
    died_s = kill(world, "lb-a")
    world.run(1.0)
    assert judges(world, died_s).keys() == {"lb-b"}
    assert max(judges(world, died_s).values()) <= BOUND_S
    ((_, _, word),) = world.words(Gone)
    assert isinstance(word, Gone)
    front = world.nodes["lb-a"].station.front
    assert word.reason == f"the only live backup heard nothing for 0.1 s, and its front {front} refuses connections"


def test_of_two_nodes_one_whose_front_answers_is_not_gone() -> None:
    world = settled({"lb-a": "zone-a", "lb-b": "zone-b"})
    world.pause("lb-a", 2.0)
    world.run(1.5)
    assert not world.words(Gone)
    world.nodes["lb-a"].front_answers = False
    world.run(0.4)
    assert world.gone_at("lb-b") == {"lb-a"}


def test_a_frozen_front_is_silent_and_so_gone_within_the_bound() -> None:
    world = settled({"lb-a": "zone-a", "lb-b": "zone-b"})
    world.nodes["lb-a"].front_answers = False
    world.pause("lb-a", 2.0)
    began_s = world.now
    world.run(1.0)
    assert max(judges(world, began_s).values()) <= BOUND_S


def test_one_whose_forwarders_all_hang_is_gone_and_one_whose_agent_hangs_is_not() -> None:
    world = settled(THREE)
    world.nodes["lb-a"].vitals = replace(HEALTHY, agent_age_s=60.0, forwarder_age_s=60.0, hung=1)
    world.run(1.0)
    assert not world.words(Gone)
    world.nodes["lb-a"].vitals = replace(HEALTHY, forwarder_age_s=HUNG_FORWARDER_S, hung=2)
    world.run(0.1)
    assert [word for _, _, word in world.words(Gone)] == [
        Gone("lb-a", GoneRule.HUNG, "it says that its forwarders hang: 2 of 2")
    ] * 2
    world.nodes["lb-a"].vitals = HEALTHY
    world.run(0.1)
    assert world.gone_at("lb-b") == world.gone_at("lb-c") == set()


def test_one_that_is_heard_but_hears_none_of_its_backups_is_gone() -> None:
    world = settled(THREE)
    world.cut = {("lb-b", "lb-a"), ("lb-c", "lb-a")}
    world.run(0.3)
    assert [(name, word) for _, name, word in world.words(Gone)] == [
        (name, Gone("lb-a", GoneRule.DEAF, "it says that it hears none of its 2 backups")) for name in ("lb-b", "lb-c")
    ]
    world.run(1.0)
    assert world.gone_at("lb-a") == set(), "who hears nobody accuses nobody"
    world.cut.clear()
    world.run(0.1)
    assert world.gone_at("lb-b") == world.gone_at("lb-c") == set()


@pytest.mark.parametrize("dead", [(), ("lb-c",)], ids=["another is heard there", "nobody else is left"])
def test_a_backup_that_is_not_heard_alone_is_mute_itself(dead: tuple[str, ...]) -> None:
    world = settled(THREE)
    kill(world, *dead)
    world.run(0.3)
    world.cut = {("lb-b", "lb-a")}
    world.run(1.0)
    assert "lb-a" not in world.gone_at("lb-b")


def test_one_that_leaves_is_not_mourned() -> None:
    world = settled(THREE)
    world.nodes["lb-a"].vitals = Vitals(forwarders=2, leaving=True)
    world.run(0.1)
    kill(world, "lb-a")
    world.run(1.0)
    assert not world.words(Gone)


@pytest.mark.parametrize("first", ["lb-a", "lb-b"])
def test_one_that_learns_of_a_change_late_takes_nobody_for_gone(first: str) -> None:
    world = settled({**THREE, "lb-d": "zone-d", "lb-e": "zone-e"})
    world.tell(first, without=("lb-c", "lb-d"))
    world.run(LINGER_S + 1.0)
    world.tell(first)
    world.run(1.0)
    assert not world.words(Gone)


def test_a_restart_is_a_new_session_and_a_recording_of_the_old_one_is_worth_nothing() -> None:
    world = settled(THREE)
    recorded = [data for address, data in world.nodes["lb-a"].sent if address == world.nodes["lb-b"].station.address]
    kill(world, "lb-a")
    world.run(0.5)
    before = world.nodes["lb-b"].core.counters["rejected_replayed"]
    for datagram in recorded:
        world.deliver("lb-b", datagram)
    world.run(0.3)
    assert world.nodes["lb-b"].core.counters["rejected_replayed"] - before == len(recorded)
    assert world.gone_at("lb-b") == {"lb-a"}
    world.start("lb-a", "zone-a", start=2)
    world.tell()
    world.run(0.2)
    assert world.gone_at("lb-b") == world.gone_at("lb-c") == set()
    for datagram in recorded:
        world.deliver("lb-b", datagram)
    world.run(0.1)
    assert world.nodes["lb-b"].core.counters["rejected_unknown_session"] == len(recorded)


def test_a_recording_of_a_session_that_left_the_table_is_no_life_when_it_comes_back() -> None:
    world = settled(THREE)
    recorded = world.nodes["lb-a"].sent[-10:]
    kill(world, "lb-a")
    world.run(0.01)
    world.tell("lb-b", "lb-c", without=("lb-a",))
    world.run(LINGER_S + 0.5)
    world.tell("lb-b", "lb-c")
    before = world.nodes["lb-b"].core.counters["rejected_replayed"]
    for address, datagram in recorded:
        if address == world.nodes["lb-b"].station.address:
            world.deliver("lb-b", datagram)
    world.run(0.1)
    assert world.nodes["lb-b"].core.counters["rejected_replayed"] > before


def test_a_new_agent_is_told_who_is_gone() -> None:
    world = settled(THREE)
    kill(world, "lb-a")
    world.run(0.5)
    world.nodes["lb-b"].said.clear()
    world.tell("lb-b")
    ((_, word),) = world.nodes["lb-b"].said
    assert isinstance(word, Gone)
    assert 0.3 < word.for_s < 0.5


def test_a_key_is_rotated_without_a_false_word() -> None:
    world = settled(THREE)
    new = RingKey(b"key2", b"2" * 32)
    for ring in ((*RING, new), (new, *RING), (new,)):
        for name in THREE:
            world.tell(name, ring=ring)
            world.run(0.3)
    assert not world.words(Gone)
    for name in THREE:
        assert not [one for one in world.nodes[name].core.counters if one.startswith("rejected")]
    died_s = kill(world, "lb-a")
    world.run(0.2)
    assert judges(world, died_s).keys() == {"lb-b", "lb-c"}


def test_a_key_that_a_partner_lacks_makes_it_unheard() -> None:
    world = settled(THREE)
    world.tell("lb-a", ring=(RingKey(b"key2", b"2" * 32),))
    world.run(0.5)
    assert world.nodes["lb-b"].core.counters["rejected_unknown_key"] > 0
    assert world.gone_at("lb-b") == {"lb-a"}


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_lateness_below_the_bound_make_nobody_gone(seed: int) -> None:
    world = HeartbeatWorld(SIX, delay_s=0.005, loss=0.05, seed=seed)
    world.lateness = lambda: world.rng.expovariate(1 / 0.008) if world.rng.random() < 0.5 else 0.0
    world.run(10.0)
    assert not world.words(Gone)
    died_s = kill(world, "lb-a1")
    world.run(1.0)
    assert len(judges(world, died_s)) >= 2


def test_each_heartbeat_goes_out_on_time_and_costs_few_datagrams() -> None:
    world = settled(SIX)
    before = {name: node.core.counters["datagrams_out"] for name, node in world.nodes.items()}
    world.run(10.0)
    for name, node in world.nodes.items():
        sent = node.core.counters["datagrams_out"] - before[name]
        partners = len(SIX) - 1
        assert sent == pytest.approx(partners * 10.0 / INTERVAL_S, rel=0.02)


def test_datagrams_are_waited_for_one_by_one_only_while_somebody_may_be_about_to_fall_silent() -> None:
    world = settled(THREE)
    core = world.nodes["lb-b"].core
    assert not core.is_attentive(world.now)
    kill(world, "lb-a")
    world.run(0.07)
    assert core.is_attentive(world.now)
    world.run(0.2)
    assert world.gone_at("lb-b") == {"lb-a"}
    assert not core.is_attentive(world.now)


def test_the_end_of_a_partnership_is_no_death() -> None:
    world = settled({"lb-a": "zone-a", "lb-b": "zone-b"})
    world.nodes["lb-a"].front_answers = False
    world.tell("lb-a", without=("lb-b",))
    world.run(LINGER_S + 1.0)
    assert not world.words(Gone)


def strangers(world: HeartbeatWorld) -> tuple[str, str, str]:
    """A node, and two backups of it that are no partners of each other."""
    for name, node in world.nodes.items():
        others = [one.station for one in world.nodes.values() if one is not node]
        for row in partner_table(node.station, others, dict.fromkeys(world.nodes, RING)):
            for other in row.judges:
                rows = {one.name: one for one in partner_table(node.station, others, dict.fromkeys(world.nodes, RING))}
                if other != name and not rows[other].watched:
                    return row.name, name, other
    raise AssertionError("everybody is everybody's partner")


def test_a_backup_that_is_no_partner_is_asked_and_its_word_counts() -> None:
    world = settled(TWELVE)
    suspect, judge, other = strangers(world)
    world.nodes[suspect].front_answers = False
    world.cut = {(suspect, judge)}
    world.run(2.0)
    assert not world.words(Gone)
    world.cut.add((suspect, other))
    world.run(0.2)
    assert {(name, word.name) for _, name, word in world.words(Gone)} == {(judge, suspect), (other, suspect)}


def test_a_backup_that_died_with_its_node_holds_the_word_up_for_no_longer_than_the_bound() -> None:
    world = settled(TWELVE)
    suspect, judge, other = strangers(world)
    died_s = kill(world, suspect, other)
    world.run(1.0)
    said = [at_s - died_s for at_s, name, word in world.words(Gone) if (name, word.name) == (judge, suspect)]
    assert len(said) == 1
    assert said[0] <= BOUND_S


def asking(own: Station, partner: Partner, counter: int) -> bytes:
    """What the partner sends to be answered at once."""
    key = partner.keys[0]
    question = Heartbeat(
        key_id=bytes.fromhex(key.id),
        session=bytes.fromhex(partner.session),
        counter=counter,
        flags=PARTNER | ASKS,
        agent_age_ms=0,
        forwarder_age_ms=0,
        forwarders=2,
        hung=0,
        silent=(short(own.session),),
    )
    return seal(question, bytes.fromhex(key.open))


def test_a_partner_that_asks_again_and_again_gets_one_answer() -> None:
    own, now = station("lb-a", "zone-a"), 100.0
    core = Heartbeats(own.session)
    (partner,) = table = partner_table(own, [station("lb-b", "zone-b")], {"lb-b": RING})
    core.set_partners(now, "lb-a", table)
    assert len(core.tick(now, HEALTHY).datagrams) == 1, "the beat"
    for counter in range(1, 6):
        core.receive(now, asking(own, partner, counter))
    assert [address for address, _ in core.tick(now, HEALTHY).datagrams] == [partner.address]
    core.receive(now, asking(own, partner, 6))
    assert not core.tick(now + ANSWER_GAP_S / 2, HEALTHY).datagrams
    core.receive(now, asking(own, partner, 7))
    assert len(core.tick(now + ANSWER_GAP_S, HEALTHY).datagrams) == 1
    assert not {counter for counter in core.counters if counter.startswith("rejected")}
