"""Long computations cut into small steps, between which a forwarder serves requests; who need not, runs through."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import TypeVar

ITEMS_PER_STEP = 512
"""Replicas that one step goes over: a fifth of a millisecond, for some hundred nanoseconds each."""

LOOKS_PER_STEP = 256
"""Replicas or services that are looked at and asked for a figure or two: about a tenth of a millisecond."""

UPDATES_PER_STEP = 64
"""Replicas taken over from a View, cookies made for them, and services looked at: about a tenth of a millisecond."""

ROUTES_PER_STEP = 32
"""Routes compared or put into a table: about a tenth of a millisecond."""

T = TypeVar("T")
U = TypeVar("U")


def finish(steps: Generator[None, None, T]) -> T:
    """Run all steps at once; what the last one gives."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def in_parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """So many at a time: for loops whose body is not worth a step of its own, and that yield after each part."""
    source = iter(items)
    while part := list(islice(source, size)):
        yield part


def collect(items: Iterable[T], of_part: Callable[[list[T]], list[U]]) -> Generator[None, None, list[U]]:
    """What is made of so many items a step, in one list. A generator in place of `of_part` would not do: mypyc makes a
    list of it at once.
    """
    found: list[U] = []
    for part in in_parts(items, ITEMS_PER_STEP):
        found += of_part(part)
        if len(part) == ITEMS_PER_STEP:
            yield
    return found


def are_same(before: Sequence[object], after: Sequence[object], per_step: int) -> Generator[None, None, bool]:
    """Are both the same, item by item? Of one agent's Views what has not changed is the same object; another agent's
    are compared. `per_step`: items looked at in one step.
    """
    if len(before) != len(after):
        return False
    for part in in_parts(zip(before, after, strict=True), per_step):
        if any(was is not item and was != item for was, item in part):
            return False
        yield
    return True


def sort(items: list[T], key: Callable[[T], str]) -> Generator[None, None, list[T]]:
    """The items in the order of their keys: parts are sorted, then merged."""
    parts = []
    for start in range(0, len(items), ITEMS_PER_STEP):
        parts.append(sorted(items[start : start + ITEMS_PER_STEP], key=key))
        yield
    return parts[0] if len(parts) == 1 else (yield from collect(merge(*parts, key=key), list))
