"""Waiting for a condition in another process, with a bound."""

import time
from collections.abc import Callable
from typing import Literal, TypeVar

T = TypeVar("T")

PATIENCE_S = 30.0
"""Far beyond what anything takes on a busy machine: it only ends a test that would wait for ever."""


def wait_for(condition: Callable[[], T | Literal[False] | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """The first truthy value of the condition. Raises AssertionError when there is none in time."""
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"no {what} within {patience_s:g} s")
