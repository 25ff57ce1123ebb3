"""Turns: how many probes there are at a time, shared so that no service can take all of them.

A service may start a probe while it holds fewer turns than are free: the dynamic threshold by which the ports of a
switch share its memory (Choudhury and Hahne 1998, with alpha 1). One service alone gets half of all turns, two a third
each; what they cannot have stays free for the next, whose first probe need not wait for one of theirs to end.
"""

from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


class Turns:
    """`most` turns in all. Waiters of a service get theirs in their order, the services that have waiters in turn.

    Between two calls no service that could start a probe has a waiter, so whoever comes and may start passes nobody of
    its own service.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[trio.Event]] = {}

    @asynccontextmanager
    async def turn(self, service: str) -> AsyncIterator[None]:
        """Hold a turn within the block."""
        if self._may_start(service):
            self._take(service)
        else:
            await self._wait(service)
        try:
            yield
        finally:
            self._give_back(service)

    def _may_start(self, service: str) -> bool:
        return self._held[service] < self._free

    def _take(self, service: str) -> None:
        self._free -= 1
        self._held[service] += 1

    async def _wait(self, service: str) -> None:
        granted = trio.Event()
        self._waiting.setdefault(service, deque()).append(granted)
        try:
            await granted.wait()
        except trio.Cancelled:
            if granted.is_set():
                self._give_back(service)
            else:
                self._remove(service, granted)
            raise

    def _remove(self, service: str, waiter: trio.Event) -> None:
        self._waiting[service].remove(waiter)
        if not self._waiting[service]:
            del self._waiting[service]

    def _give_back(self, service: str) -> None:
        self._free += 1
        self._held[service] -= 1
        if not self._held[service]:
            del self._held[service]
        while (next_one := next(filter(self._may_start, self._waiting), None)) is not None:
            waiters = self._waiting.pop(next_one)
            self._take(next_one)
            waiters.popleft().set()
            if waiters:
                self._waiting[next_one] = waiters
