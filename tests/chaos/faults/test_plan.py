"""Plans as values: what each fault does to which host, that it is undone, and what stands in whose way."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from lbmesh_chaos.faults.filters import Drop, Filter, Transport
from lbmesh_chaos.faults.order import Order, parse_order
from lbmesh_chaos.faults.plan import Plan, conflict, plan
from lbmesh_chaos.faults.steps import AddFilter, Freeze, Kill, Start, Step, undo
from lbmesh_chaos.model.faults import Part
from tests.chaos.faults.modelled import Modelled
from tests.chaos.faults.orders import ORDERS
from tests.chaos.faults.worlds import three_zones

WORLD = three_zones()
UNTOUCHED = Modelled.of(WORLD)


def planned(name: str, label: str | None = None, **arguments: object) -> Plan:
    order = parse_order(name, {"at_most": "10s", "label": label or name, **arguments}, WORLD)
    assert isinstance(order, Order), order
    return plan(order, WORLD)


ALL_PLANS = [planned(name, f"fault-{number}", **arguments) for number, (name, arguments) in enumerate(ORDERS)]
RELOAD = next(one for one, (name, _) in zip(ALL_PLANS, ORDERS, strict=True) if name == "reload")
"""The one that leaves everything as it is."""


def filters(made: Plan) -> dict[str, Filter]:
    return {step.host: step.filter for step in made.steps if isinstance(step, AddFilter)}


def unheard(made: Plan) -> dict[str, set[str]]:
    """By the hosts' names: who no longer hears whom."""
    names = {host.address: host.name for host in WORLD.hosts}
    return {
        host: {names[source] for drop in one.drops for source in drop.sources} for host, one in filters(made).items()
    }


def test_every_plan_changes_the_world_and_its_undos_take_it_back() -> None:
    for one in ALL_PLANS:
        during = UNTOUCHED.after(one.steps)
        assert (during == UNTOUCHED) == (one is RELOAD), one
        assert during.after(one.undos) == UNTOUCHED, one


def test_every_plan_can_be_taken_back_from_anywhere_within_it_and_twice() -> None:
    for one in ALL_PLANS:
        for done in range(len(one.steps) + 1):
            halfway = UNTOUCHED.after(one.steps[:done])
            assert halfway.after(one.undos) == UNTOUCHED
            assert halfway.after(one.undos).after(one.undos) == UNTOUCHED


def test_undos_come_in_the_reverse_order() -> None:
    for one in ALL_PLANS:
        assert one.undos == tuple(undo(step) for step in one.steps)[::-1]


def test_an_undo_is_its_own_undo() -> None:
    for step in (step for one in ALL_PLANS for step in one.undos):
        assert undo(step) == step


def test_no_plan_is_about_a_host_twice_with_the_same_hold() -> None:
    for one in ALL_PLANS:
        assert len(one.holds) == len(one.steps), one


def test_a_machine_without_power_falls_silent_before_it_dies() -> None:
    made = planned("kill", targets="zone-a", silent=True)
    hosts = ["lb-a1", "app-a1", "app-a2", "dns-a"]
    silence = Filter("chaos_kill", (), mute=True)
    assert made.steps == (*(AddFilter(host, silence) for host in hosts), *(Kill(host) for host in hosts))
    assert made.undos[: len(hosts)] == tuple(Start(host) for host in reversed(hosts))


def test_a_part_of_a_balancer_is_frozen_alone() -> None:
    assert planned("freeze", targets="lb-a1", part="agent").steps == (Freeze("lb-a1", Part.AGENT),)


def test_a_zone_that_is_cut_hears_itself_and_nobody_else() -> None:
    deaf = unheard(planned("cut", targets="zone-a"))
    inside = {host.name for host in WORLD.in_zone("zone-a")}
    outside = {host.name for host in WORLD.hosts} - inside
    assert deaf == {**dict.fromkeys(inside, outside), **dict.fromkeys(outside, inside)}


def test_a_bridge_reaches_both_sides() -> None:
    deaf = unheard(planned("split", groups=[["lb-a1", "lb-c1"], ["lb-b1", "lb-c1"][:1]], bridges=["lb-c1"]))
    assert deaf == {"lb-a1": {"lb-b1"}, "lb-b1": {"lb-a1"}}


def test_who_is_in_no_group_reaches_all() -> None:
    assert set(unheard(planned("split", groups=[["lb-a1"], ["lb-b1"]]))) == {"lb-a1", "lb-b1"}


def test_one_way_is_deaf_in_one_direction() -> None:
    deaf = unheard(planned("one_way", sources="lb-a1", targets=["lb-b1", "lb-c1"]))
    assert deaf == {"lb-b1": {"lb-a1"}, "lb-c1": {"lb-a1"}}


def test_the_half_connected_keep_their_friends() -> None:
    deaf = unheard(planned("half_connected", target="lb-a1", reaches="lb-b1"))
    assert deaf == {"lb-a1": {"lb-c1"}, "lb-c1": {"lb-a1"}}


def test_what_is_sent_to_oneself_is_never_lost() -> None:
    for host, sources in unheard(planned("lossy", targets=["zone-a", "zone-b"], loss=0.5)).items():
        assert host not in sources


def test_gossip_alone_is_cut_at_the_ports_of_gossip_and_heartbeat() -> None:
    made = planned("one_way", sources="lb-a1", targets="lb-b1", traffic="gossip")
    assert filters(made)["lb-b1"].drops == (Drop(("10.1.1.1",), Transport.ANY, (7946, 7947)),)


def test_a_filter_is_text_for_nft() -> None:
    assert Filter("chaos_x", (Drop(("10.1.1.1", "fd00::1"), Transport.UDP, (7946,), 0.25),)).text == (
        "add table inet chaos_x\n"
        "delete table inet chaos_x\n"
        "table inet chaos_x {\n"
        "  chain incoming {\n"
        "    type filter hook prerouting priority raw; policy accept;\n"
        '    iifname "lo" accept\n'
        "    ip saddr { 10.1.1.1 } udp dport { 7946 } numgen random mod 1000000 < 250000 counter drop\n"
        "    ip saddr { 10.1.1.1 } udp sport { 7946 } numgen random mod 1000000 < 250000 counter drop\n"
        "    ip6 saddr { fd00::1 } udp dport { 7946 } numgen random mod 1000000 < 250000 counter drop\n"
        "    ip6 saddr { fd00::1 } udp sport { 7946 } numgen random mod 1000000 < 250000 counter drop\n"
        "  }\n"
        "}\n"
    )


def test_two_faults_do_not_hold_the_same_thing() -> None:
    frozen, starved = planned("freeze", targets="zone-a"), planned("starve", targets="lb-a1", share=0.5)
    says = 'the fault "freeze" has the processes of lb-a1 in its hand; heal it first, or aim elsewhere'
    assert conflict(starved, [frozen]) == says
    assert conflict(planned("starve", targets="lb-b1", share=0.5), [frozen]) is None


def test_two_cuts_may_overlap_and_a_label_is_used_once() -> None:
    cut, other = planned("cut", targets="zone-a"), planned("cut", "other", targets="zone-b")
    assert conflict(other, [cut]) is None
    assert conflict(planned("cut", targets="zone-b"), [cut]) is not None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, len(ALL_PLANS) - 1)), max_size=30), st.randoms())
def test_whatever_is_done_and_undone_only_what_stands_is_to_be_seen(
    moves: list[tuple[bool, int]], order: Random
) -> None:
    world, standing = UNTOUCHED, list[Plan]()
    for is_fault, number in moves:
        if is_fault and conflict(ALL_PLANS[number], standing) is None:
            standing.append(ALL_PLANS[number])
            world = world.after(ALL_PLANS[number].steps)
        elif not is_fault and standing:
            world = world.after(standing.pop(number % len(standing)).undos)
        assert world == UNTOUCHED.after(_all_steps(standing))
    order.shuffle(standing)
    for one in standing:
        world = world.after(one.undos)
    assert world == UNTOUCHED


def _all_steps(plans: list[Plan]) -> list[Step]:
    return [step for one in plans for step in one.steps]
