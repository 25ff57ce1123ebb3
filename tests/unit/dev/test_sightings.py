"""When each balancer believed what."""

from lbmesh.dev.picture import Picture
from lbmesh.dev.sightings import Sightings

WHOLE = Picture(frozenset(), frozenset())
BLIND = Picture(frozenset(), frozenset({"lb-a1", "app-a1"}))


def sees_down(*names: str) -> Picture:
    return Picture(frozenset(names), frozenset(names))


def test_a_fault_is_noticed_when_all_its_parts_are_down_at_once() -> None:
    seen = Sightings(["lb-a1"], BLIND, 0.0)
    seen.saw("lb-a1", WHOLE, 1.0)
    seen.saw("lb-a1", sees_down("app-b1"), 5.4)
    seen.saw("lb-a1", sees_down("app-b1", "lb-b1"), 5.9)

    assert seen.noticed_s("lb-a1", frozenset({"app-b1"}), 5.0) == 5.4 - 5.0
    assert seen.noticed_s("lb-a1", frozenset({"app-b1", "lb-b1"}), 5.0) == 5.9 - 5.0
    assert seen.noticed_s("lb-a1", frozenset({"app-c1"}), 5.0) is None


def test_what_was_believed_before_counts_only_if_it_lasts() -> None:
    seen = Sightings(["lb-a1"], BLIND, 0.0)
    seen.saw("lb-a1", sees_down("app-b1"), 1.0)
    assert seen.noticed_s("lb-a1", frozenset({"app-b1"}), 2.0) == 0.0

    seen.saw("lb-a1", WHOLE, 3.0)
    assert seen.noticed_s("lb-a1", frozenset({"app-b1"}), 4.0) is None


def test_a_picture_is_whole_again_when_it_stays_so() -> None:
    seen = Sightings(["lb-a1"], BLIND, 0.0)
    assert seen.whole_s("lb-a1", 0.0) is None
    seen.saw("lb-a1", WHOLE, 1.0)
    seen.saw("lb-a1", BLIND, 2.0)
    assert seen.whole_s("lb-a1", 0.5) is None
    seen.saw("lb-a1", WHOLE, 3.0)

    assert seen.whole_since("lb-a1") == 3.0
    assert seen.whole_s("lb-a1", 0.5) == 2.5
    assert seen.whole_s("lb-a1", 9.0) == 0.0


def test_only_changes_are_kept() -> None:
    seen = Sightings(["lb-a1"], BLIND, 0.0)

    assert seen.saw("lb-a1", WHOLE, 1.0)
    assert not seen.saw("lb-a1", WHOLE, 2.0)
    assert seen.whole_since("lb-a1") == 1.0
