from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.gossip.sightings import Count, Pictures, Seen, Sighting, count, detections

MEMBERS = ("n1", "n2", "n3")
PAIRS = tuple(permutations(MEMBERS, 2))


def complete() -> Pictures:
    pictures = Pictures(MEMBERS)
    for at_s, (observer, subject) in enumerate(PAIRS):
        pictures.apply(Sighting(float(at_s), observer, subject, Seen.ALIVE))
    return pictures


def test_a_mesh_is_complete_from_the_last_missing_word_on() -> None:
    pictures = complete()
    assert pictures.complete_since_s == len(PAIRS) - 1
    pictures.apply(Sighting(20.0, *PAIRS[0], Seen.ALIVE))
    assert pictures.complete_since_s == len(PAIRS) - 1


def test_a_member_that_is_impaired_or_failed_breaks_it_until_it_is_alive_again() -> None:
    pictures = complete()
    for at_s, state in ((20.0, Seen.IMPAIRED), (21.0, Seen.FAILED), (22.0, Seen.LEFT)):
        pictures.apply(Sighting(at_s, *PAIRS[0], state))
        assert pictures.complete_since_s is None
        assert pictures.examples(9) == [PAIRS[0]]
    pictures.apply(Sighting(23.0, *PAIRS[0], Seen.ALIVE))
    assert pictures.complete_since_s == 23.0


def test_a_node_that_starts_anew_knows_nobody() -> None:
    pictures = complete()
    pictures.forget("n2")
    assert pictures.missing() == 2
    pictures.apply(Sighting(30.0, "n2", "n1", Seen.ALIVE))
    assert pictures.complete_since_s is None
    pictures.apply(Sighting(31.0, "n2", "n3", Seen.ALIVE))
    assert pictures.complete_since_s == 31.0


def test_a_node_s_word_of_itself_and_of_strangers_says_nothing() -> None:
    pictures = Pictures(MEMBERS)
    pictures.apply(Sighting(0.0, "n1", "n1", Seen.ALIVE))
    pictures.apply(Sighting(0.0, "n1", "n9", Seen.ALIVE))
    assert pictures.missing() == len(PAIRS)


@given(st.lists(st.tuples(st.sampled_from(PAIRS), st.sampled_from(Seen))))
def test_complete_is_what_the_last_words_say(words: list[tuple[tuple[str, str], Seen]]) -> None:
    pictures = Pictures(MEMBERS)
    for at_s, (pair, state) in enumerate(words):
        pictures.apply(Sighting(float(at_s), *pair, state))
    last = dict(words)
    is_complete = all(last.get(pair) is Seen.ALIVE for pair in PAIRS)
    assert (pictures.complete_since_s is not None) == is_complete


def test_detection_is_the_first_time_each_observer_declares_it() -> None:
    said = [
        Sighting(9.0, "n1", "n3", Seen.FAILED),
        Sighting(10.4, "n1", "n3", Seen.IMPAIRED),
        Sighting(10.5, "n1", "n3", Seen.FAILED),
        Sighting(10.75, "n2", "n1", Seen.FAILED),
        Sighting(11.0, "n2", "n3", Seen.FAILED),
        Sighting(12.0, "n2", "n3", Seen.ALIVE),
        Sighting(13.0, "n2", "n3", Seen.FAILED),
    ]
    assert detections(said, "n3", since_s=10.0) == {"n1": 0.5, "n2": 1.0}


def test_only_the_healthy_are_heard_and_the_faulty_are_counted_apart() -> None:
    said = [
        Sighting(1.0, "n1", "n2", Seen.FAILED),
        Sighting(2.0, "n1", "n2", Seen.FAILED),
        Sighting(2.5, "n2", "n1", Seen.IMPAIRED),
        Sighting(3.0, "n3", "n2", Seen.FAILED),
        Sighting(4.0, "n2", "n3", Seen.FAILED),
        Sighting(5.0, "n2", "n1", Seen.FAILED),
    ]
    assert count(said, {"n3"}, since_s=2.0, until_s=5.0) == Count(
        false_failures=1, false_impaired=1, culprit_failures=1
    )
