"""Who would take a front is who takes it."""

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.failover.claims import Claim, FrontState
from lbmesh.failover.plan import Lost, Standing, place, successors
from lbmesh.model.address import Address
from lbmesh.model.front import Front, FrontClass

NAMES = tuple("abcdef")
NODES = st.dictionaries(
    st.sampled_from(NAMES), st.builds(Standing, st.sampled_from(["x", "y"]), st.booleans()), min_size=2
)


@given(nodes=NODES, judges=st.sets(st.sampled_from(NAMES)), home=st.sampled_from(NAMES), exclusive=st.booleans())
def test_the_first_successor_takes_the_front_when_its_holder_is_gone(
    nodes: dict[str, Standing], judges: set[str], home: str, exclusive: bool
) -> None:
    kind = FrontClass.EXCLUSIVE if exclusive else FrontClass.OVERLAP
    front = Front(Address("10.0.0.100", 80), "x", home, kind)
    holder = min(nodes)
    claims = {holder: Claim(FrontState.HELD, 1, "")}
    first, *_ = successors(front, holder, nodes, claims, judges)
    if exclusive:
        rest = {name: standing for name, standing in nodes.items() if name != holder}
        assert place(front, rest, {}, {}).holder == first
    else:
        assert place(front, nodes, claims, {holder: Lost(frozenset(judges))}).holder == first


def test_who_answers_for_it_already_is_no_successor() -> None:
    front = Front(Address("10.0.0.100", 80), "x")
    nodes = {name: Standing("x") for name in "abc"}
    claims = {"a": Claim(FrontState.HELD, 1, ""), "b": Claim(FrontState.HELD, 2, "")}
    assert successors(front, "a", nodes, claims, "bc") == ["c"]
