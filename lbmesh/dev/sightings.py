"""When each balancer came to believe what: the changes of its picture, with their times."""

from bisect import bisect_right
from collections.abc import Iterable

from lbmesh.dev.picture import Picture

CHANGES_MAX = 10_000
"""Changes kept per balancer; older ones are forgotten. A drill of a minute makes about a hundred."""


class Sightings:
    """Times in seconds, on one clock; they must not go backwards."""

    def __init__(self, observers: Iterable[str], blind: Picture, now_s: float) -> None:
        self._changes: dict[str, list[tuple[float, Picture]]] = {name: [(now_s, blind)] for name in observers}

    def saw(self, observer: str, picture: Picture, now_s: float) -> bool:
        """A balancer was asked; True when its picture is another than before."""
        changes = self._changes[observer]
        if changes[-1][1] == picture:
            return False
        changes.append((now_s, picture))
        del changes[:-CHANGES_MAX]
        return True

    def now(self, observer: str) -> Picture:
        """The newest picture."""
        return self._changes[observer][-1][1]

    def noticed_s(self, observer: str, names: frozenset[str], since_s: float) -> float | None:
        """How long after `since_s` all the names were first down at once; None: not yet."""
        changes = self._changes[observer]
        first = max(0, bisect_right(changes, since_s, key=lambda change: change[0]) - 1)
        for at_s, picture in changes[first:]:
            if names <= picture.down:
                return max(0.0, at_s - since_s)
        return None

    def whole_s(self, observer: str, since_s: float) -> float | None:
        """How long after `since_s` the picture became whole to stay so until now; None: it is not."""
        began_s = self.whole_since(observer)
        return None if began_s is None else max(0.0, began_s - since_s)

    def whole_since(self, observer: str) -> float | None:
        """When the newest picture began to be whole; None when it is not."""
        at_s, picture = self._changes[observer][-1]
        return at_s if picture.whole else None
