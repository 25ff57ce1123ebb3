"""A sticky split: by weight over all keys, always the same for one, and as few as must move when weights change."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lbmesh.routing.split import StickySplit

KEYS = [b"user-%d" % number for number in range(20_000)]


def split(**weights: int) -> StickySplit[str]:
    return StickySplit([(name, weight, name) for name, weight in weights.items()])


def test_keys_are_shared_out_by_weight() -> None:
    shares = Counter(split(a=95, b=5).choose(key) for key in KEYS)
    assert 0.04 < shares["b"] / len(KEYS) < 0.06
    shares = Counter(split(a=1, b=1, c=2).choose(key) for key in KEYS)
    assert all(abs(shares[name] / len(KEYS) - share) < 0.02 for name, share in (("a", 0.25), ("b", 0.25), ("c", 0.5)))


def test_a_canary_that_grows_keeps_whom_it_has() -> None:
    before, after = split(shop=95, next=5), split(next=20, shop=80)
    moved = Counter((before.choose(key), after.choose(key)) for key in KEYS)
    assert moved["next", "shop"] == 0
    assert 0.13 < moved["shop", "next"] / len(KEYS) < 0.17


weights = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 100), min_size=2)


@given(weights, st.data())
def test_nobody_moves_but_to_a_service_that_grew(weights: dict[str, int], data: st.DataObject) -> None:
    grown = data.draw(st.sampled_from(sorted(weights)))
    before, after = split(**weights), split(**{**weights, grown: weights[grown] + data.draw(st.integers(1, 100))})
    for key in KEYS[:300]:
        assert after.choose(key) in (before.choose(key), grown)


def test_every_node_decides_alike() -> None:
    """Told by value: a digest that changed between releases would move users during an upgrade."""
    assert "".join(split(a=1, b=1).choose(key) for key in KEYS[:24]) == "bbbaabaabbbababbaabababa"
