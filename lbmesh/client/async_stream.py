"""A stream as httpcore wants it, with one thing more: a watcher that is asked when nothing comes for a while."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpcore


class OutrunError(Exception):
    """Another balancer has taken over: give up what is read here."""


class WatchedStream(httpcore.AsyncNetworkStream):
    """While `stalled` is set, a read that gets nothing for `stall_s` awaits it, once, and is given up if it says so."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self.stall_s = 0.0
        self.stalled: Callable[[], Awaitable[bool]] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises OutrunError besides what httpcore's own streams raise."""
        if self.stalled is None or (timeout is not None and timeout <= self.stall_s):
            return await self._stream.read(max_bytes, timeout)
        deadline = None if timeout is None else anyio.current_time() + timeout
        try:
            return await self._stream.read(max_bytes, self.stall_s)
        except httpcore.ReadTimeout:
            stalled, self.stalled = self.stalled, None
            if await stalled():
                raise OutrunError from None
        left_s = None if deadline is None else max(0.0, deadline - anyio.current_time())
        return await self._stream.read(max_bytes, left_s)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
