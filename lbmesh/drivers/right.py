"""The right to a front while a driver works on it: an acquire that takes longer is stopped."""

from dataclasses import dataclass
from math import inf
from time import monotonic

import trio


@dataclass(slots=True)
class Right:
    """`until_s`: when it lapses, as far as is known, on this node's monotonic clock."""

    until_s: float = -inf
    _acquiring: trio.CancelScope | None = None
    _ends_by_s: float = inf

    @property
    def has_lapsed(self) -> bool:
        """Is it over?"""
        return monotonic() >= self.until_s

    def extend(self, until_s: float) -> None:
        """It lasts until then; so may the acquire that is under way."""
        self.until_s = until_s
        self._limit()

    def bound(self, acquiring: trio.CancelScope) -> None:
        """An acquire begins in this scope, whose own deadline stands."""
        self._acquiring, self._ends_by_s = acquiring, acquiring.deadline
        self._limit()

    def unbound(self) -> None:
        """It is over."""
        self._acquiring = None

    def _limit(self) -> None:
        """Monotonic seconds become trio's, which may be another clock."""
        if self._acquiring is not None:
            self._acquiring.deadline = min(self._ends_by_s, trio.current_time() + self.until_s - monotonic())
