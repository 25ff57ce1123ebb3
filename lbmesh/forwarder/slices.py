"""Long work of the forwarder's trio tasks, cut so that requests do not wait for it."""

from collections.abc import AsyncIterator, Iterable
from time import monotonic
from typing import Generic, TypeVar

import trio

SLICE_S = 0.0005
"""Of this length is a slice: less than a request waits for others under load, even where a View, the second's work and
the figures for the agent come together.
"""

T = TypeVar("T")


class Slices(Generic[T]):
    """Iterates over `steps`, each a small one, and lets requests be served after each SLICE_S."""

    __slots__ = ("_began", "_steps")

    def __init__(self, steps: Iterable[T]) -> None:
        self._steps = iter(steps)
        self._began = monotonic()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        if monotonic() - self._began > SLICE_S:
            await trio.lowlevel.checkpoint()
            self._began = monotonic()
        try:
            return next(self._steps)
        except StopIteration:
            raise StopAsyncIteration from None
