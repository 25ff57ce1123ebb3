"""Work on all cores."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def spread(work: Callable[[T], R], items: Sequence[T], processes: int) -> Iterator[R]:
    """Do the work on several cores; results in the order of the items, each as soon as it and those before it are
    there, and progress on standard error.
    """
    with ProcessPoolExecutor(processes) as pool:
        for number, result in enumerate(pool.map(work, items), start=1):
            end = "" if number < len(items) else "\n"
            print(f"\r{work.__name__} {number}/{len(items)}", end=end, file=sys.stderr, flush=True)
            yield result
