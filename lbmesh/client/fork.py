"""What a fork does to transports: parent and child would read each other's answers from one connection, and a lock that
another thread held at that moment would never be free again. So each begins afresh in the child.
"""

import os
from typing import Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something with connections, locks and counts of what is under way."""

    def start_afresh(self) -> None:
        """Forget all of these. The parent's connections stay as they are."""


_forkable: "WeakSet[Forkable]" = WeakSet()


def watch(one: Forkable) -> None:
    """From now on it starts afresh in every child of a fork."""
    _forkable.add(one)


def _start_afresh() -> None:
    for one in list(_forkable):
        one.start_afresh()


os.register_at_fork(after_in_child=_start_afresh)
