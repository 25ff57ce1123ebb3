"""Whose words count: of those who are trusted, not of who accuses everybody, and of the impaired only when nobody else
has looked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lbmesh.model.health import Opinion

NOT_TRUSTED = "this node cannot reach it over edges that are up"
DISCOUNTED = "it accuses most replicas of all zones, and others reach them"
IMPAIRED = "some balancers cannot reach it, and others have looked"


@dataclass(frozen=True, slots=True)
class Standing:
    """`zones`: the trusted members' zones by name, this node's among them. `impaired`: whom some cannot reach.
    `discounted`: whom the others contradict in most of what it says.
    """

    zones: Mapping[str, str]
    impaired: frozenset[str] = frozenset()
    discounted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Weighed:
    """`counting`: the words that count, by observer's name. `aside`: the others, each with the reason. `is_dispute`:
    trusted observers who are not discounted differ, the impaired among them: worth a look by more.
    """

    counting: tuple[Opinion, ...] = ()
    aside: tuple[tuple[Opinion, str], ...] = ()
    is_dispute: bool = False


def weigh(words: Iterable[Opinion], standing: Standing) -> Weighed:
    """Sort words into those that count and those that do not; at most one of each observer."""
    sound: list[Opinion] = []
    impaired: list[Opinion] = []
    aside: list[tuple[Opinion, str]] = []
    for word in sorted(words, key=lambda word: word.observer):
        if word.observer not in standing.zones:
            aside.append((word, NOT_TRUSTED))
        elif word.observer in standing.discounted:
            aside.append((word, DISCOUNTED))
        elif word.observer in standing.impaired:
            impaired.append(word)
        else:
            sound.append(word)
    is_dispute = len({word.up for word in (*sound, *impaired)}) > 1
    if not sound:
        return Weighed(tuple(impaired), tuple(aside), is_dispute)
    return Weighed(tuple(sound), (*aside, *((word, IMPAIRED) for word in impaired)), is_dispute)
