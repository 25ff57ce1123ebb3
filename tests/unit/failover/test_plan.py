"""Who is to hold a front: the same on every node, home first, few moves, each with its reason."""

import random

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.failover.claims import Claim, FrontState
from lbmesh.failover.plan import Lost, Place, PlaceRule, Standing, place, rank
from lbmesh.model.address import Address
from lbmesh.model.front import Front, FrontClass

ZONES = ("a", "b", "c")
names = st.text("abcdefgh0123", min_size=1, max_size=4)
meshes = st.dictionaries(names, st.builds(Standing, st.sampled_from(ZONES)), min_size=1, max_size=12)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, Standing], list[Front]]:
    nodes = draw(meshes)
    homes = st.none() | st.sampled_from(sorted(nodes))
    fronts = []
    for number in range(draw(st.integers(1, 12))):
        node = draw(homes)
        zone = nodes[node].zone if node else draw(st.sampled_from(ZONES))
        fronts.append(Front(Address(f"203.0.113.{number}", 80), zone, node))
    return nodes, fronts


def held_by(nodes: dict[str, Standing], fronts: list[Front]) -> dict[Front, dict[str, Claim]]:
    """Everybody holds what the plan gives it."""
    return {one: {_holder(place(one, nodes, {}, {})): claim()} for one in fronts}


def claim(epoch: int = 1, **more: object) -> Claim:
    return Claim(FrontState.HELD, epoch, "", **more)  # type: ignore[arg-type]


def _holder(found: Place) -> str:
    assert found.holder is not None
    return found.holder


@given(worlds(), st.randoms())
def test_the_same_on_every_node_whatever_order_it_heard_in(
    world: tuple[dict[str, Standing], list[Front]], rng: random.Random
) -> None:
    nodes, fronts = world
    shuffled = list(nodes.items())
    rng.shuffle(shuffled)
    assert [place(one, nodes, {}, {}) for one in fronts] == [place(one, dict(shuffled), {}, {}) for one in fronts]


@given(worlds())
def test_the_home_node_then_the_home_zone_then_anybody_and_each_says_why(
    world: tuple[dict[str, Standing], list[Front]],
) -> None:
    nodes, fronts = world
    for one in fronts:
        found = place(one, nodes, {}, {})
        holder = _holder(found)
        best = min(rank(one, name, standing.zone) for name, standing in nodes.items())
        assert rank(one, holder, nodes[holder].zone) == best
        rules = (PlaceRule.HOME_NODE, PlaceRule.HOME_ZONE, PlaceRule.ELSEWHERE)
        assert found.rule is rules[best]
        assert holder in found.reason


@given(worlds(), st.data())
def test_a_death_moves_only_what_the_dead_held(
    world: tuple[dict[str, Standing], list[Front]], data: st.DataObject
) -> None:
    nodes, fronts = world
    dead = data.draw(st.sampled_from(sorted(nodes)))
    claims = held_by(nodes, fronts)
    left = {name: standing for name, standing in nodes.items() if name != dead}
    for one in fronts:
        before, after = next(iter(claims[one])), place(one, left, claims[one], {}).holder
        assert after == before or before == dead
        assert (after is None) == (not left)


@given(worlds(), names, st.sampled_from(ZONES))
def test_who_joins_gets_only_what_is_at_home_there_and_that_not_at_once(
    world: tuple[dict[str, Standing], list[Front]], name: str, zone: str
) -> None:
    nodes, fronts = world
    claims = held_by(nodes, fronts)
    grown = {**nodes, name: nodes.get(name, Standing(zone))}
    for one in fronts:
        found = place(one, grown, claims[one], {})
        holder = next(iter(claims[one]))
        assert found.holder == holder
        if found.heir is not None:
            assert rank(one, found.heir, grown[found.heir].zone) < rank(one, holder, grown[holder].zone)


def test_the_fronts_of_a_dead_node_spread_over_the_others() -> None:
    nodes = {f"b{number}": Standing("b") for number in range(5)}
    fronts = [Front(Address(f"203.0.113.{number}", 80), "a", "a1") for number in range(250)]
    counts = [sum(place(one, nodes, {}, {}).holder == name for one in fronts) for name in nodes]
    assert min(counts) > 25
    assert max(counts) < 85


FRONT = Front(Address("203.0.113.1", 80), "a", "a1")
NODES = {"a1": Standing("a"), "a2": Standing("a"), "b1": Standing("b"), "c1": Standing("c")}
JUDGES = frozenset({"b1", "c1"})


def test_of_the_judges_that_are_not_silent_one_takes_the_front_of_who_is_gone() -> None:
    claims = {"a1": claim()}
    first = place(FRONT, NODES, claims, {"a1": Lost(JUDGES)})
    assert first.rule is PlaceRule.JUDGE
    assert first.holder in JUDGES
    (second,) = JUDGES - {first.holder}
    assert place(FRONT, NODES, claims, {"a1": Lost(JUDGES, frozenset({first.holder or ""}))}).holder == second
    assert place(FRONT, NODES, {}, {"a1": Lost(JUDGES)}) == first, "it is its front without a claim, too"


def test_gone_moves_no_exclusive_front_and_no_front_of_others() -> None:
    exclusive = Front(FRONT.address, "a", "a1", FrontClass.EXCLUSIVE)
    assert place(exclusive, NODES, {"a1": claim()}, {"a1": Lost(JUDGES)}).holder == "a1"
    assert place(FRONT, NODES, {"a1": claim()}, {"c1": Lost(JUDGES)}).holder == "a1"
    assert place(FRONT, NODES, {"a2": claim()}, {"a1": Lost(JUDGES)}).holder == "a2"


def test_of_two_holders_the_better_home_stays_unless_the_other_is_firm() -> None:
    assert place(FRONT, NODES, {"a1": claim(1), "b1": claim(2)}, {}).holder == "a1"
    assert place(FRONT, NODES, {"a1": claim(1), "b1": claim(2, is_firm=True)}, {}).holder == "b1"
    assert place(FRONT, NODES, {"b1": claim(3), "c1": claim(2)}, {}).holder == "b1"


def test_a_front_that_is_handed_over_belongs_to_its_heir_while_that_can_have_it() -> None:
    giving = Claim(FrontState.DRAINING, 2, "why", heir="a1")
    assert place(FRONT, NODES, {"b1": giving}, {}).rule is PlaceRule.HANDED_OVER
    alone = {"b1": Standing("b"), "c1": Standing("c")}
    assert place(FRONT, alone, {"b1": giving}, {}).holder == "b1"


def test_the_unwilling_and_the_unfit_come_last() -> None:
    drained = {**NODES, "a1": Standing("a", is_willing=False)}
    assert place(FRONT, drained, {"a1": claim()}, {}).holder == "a2"
    unfit = {"a1": Claim(FrontState.IDLE, 1, "no rights", is_unfit=True)}
    assert place(FRONT, NODES, unfit, {}).holder == "a2"
    assert place(FRONT, {"a1": Standing("a", is_willing=False)}, unfit, {}).holder == "a1"
    assert place(FRONT, {}, {}, {}).holder is None
