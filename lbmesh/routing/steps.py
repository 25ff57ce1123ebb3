"""Long computations cut into small steps, between which a forwarder serves requests; who need not, runs through."""

from collections.abc import Callable, Generator, Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import TypeVar

ITEMS_PER_STEP = 512
"""Replicas that one step goes over: a fifth of a millisecond, for some hundred nanoseconds each."""

T = TypeVar("T")


def finish(steps: Generator[None, None, T]) -> T:
    """Run all steps at once; what the last one gives."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def collect(items: Iterable[T]) -> Generator[None, None, list[T]]:
    """The list of what an iterator gives, so many a step."""
    source: Iterator[T] = iter(items)
    found: list[T] = []
    while part := list(islice(source, ITEMS_PER_STEP)):
        found += part
        if len(part) == ITEMS_PER_STEP:
            yield
    return found


def sort(items: list[T], key: Callable[[T], str]) -> Generator[None, None, list[T]]:
    """The items in the order of their keys: parts are sorted, then merged."""
    parts = []
    for start in range(0, len(items), ITEMS_PER_STEP):
        parts.append(sorted(items[start : start + ITEMS_PER_STEP], key=key))
        yield
    return parts[0] if len(parts) == 1 else (yield from collect(merge(*parts, key=key)))
