"""An answer's body in a task: streamed, and gone on with from another balancer when one breaks off."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import anyio
import httpx

from lbmesh.client.async_exchange import AsyncAnswer
from lbmesh.client.async_links import AsyncLinks
from lbmesh.client.async_stream import OutrunError
from lbmesh.client.attempts import Answered
from lbmesh.client.resumption import Resumption
from lbmesh.client.takeover import Ask, Do, GoOn, Takeover
from lbmesh.client.translate import REPORT_EXTENSION, is_break, is_timeout, tell, to_httpx

AskAgain = Callable[[Answered, list[tuple[bytes, bytes]]], Awaitable[tuple[AsyncAnswer, Answered]]]
"""Sends the request again, with further fields, after an answer that broke off."""


class AsyncBody(httpx.AsyncByteStream):
    """Closing it gives the connection back. `extensions`: of the response, whose report follows what happens."""

    def __init__(
        self,
        answer: AsyncAnswer,
        links: AsyncLinks,
        release: Callable[[], None],
        resumption: Resumption | None,
        ask_again: AskAgain,
        stall_s: float | None,
    ) -> None:
        """`resumption`: None when no other answer may take over."""
        self.extensions: dict[str, object] = {}
        self._answer = answer
        self._links = links
        self._release: Callable[[], None] | None = release
        self._resumption = resumption
        self._ask_again = ask_again
        self._stall_s = stall_s
        self._parts = _parts_of(answer)
        self._new = b""
        """Read already, beyond what the caller has."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            try:
                part = self._new or await self._next()
            except OutrunError:
                continue
            except Exception as error:
                if not is_break(error) or not await self._resume(tell(error)):
                    balancer = self._answer.link.key.balancer
                    raise to_httpx(error, f"{balancer} broke off in the body: {error}") from error
                continue
            self._new = b""
            if not part:
                return
            if self._resumption is not None:
                self._resumption.gave(part)
            yield part

    async def aclose(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()
            await self._let_go(self._answer)
            await _unwind(self._parts)

    async def _next(self) -> bytes:
        """b"" at the end."""
        stream = self._answer.link.stream
        if self._resumption is not None and self._resumption.is_open and self._stall_s is not None:
            stream.stall_s, stream.stalled = self._stall_s, self._stalled
        try:
            return await anext(self._parts, b"")
        finally:
            stream.stalled = None

    async def _stalled(self) -> bool:
        """True when another balancer takes over from one that is silent."""
        self._stall_s = None  # once: a second time it would be the service that is slow
        return await self._resume("fell silent")

    async def _resume(self, what: str) -> bool:
        """Go on from another answer; False when there is none that can."""
        if self._resumption is None:
            return False
        takeover = Takeover(self._resumption, what)
        other: AsyncAnswer | None = None
        parts = self._parts
        try:
            while (step := takeover.step()) is not Do.GIVE_UP:
                match step:
                    case Ask(after, fields):
                        if other is not None:
                            await self._let_go(other)
                            await _unwind(parts)
                            other = None
                        with suppress(httpx.TransportError):
                            other, report = await self._ask_again(after, fields)
                            parts = _parts_of(other)
                            takeover.answered(report, other.response.status, other.response.headers)
                    case Do.READ:
                        try:
                            takeover.read(await anext(parts, b""))
                        except Exception as error:
                            if not is_break(error) and not is_timeout(error):
                                raise
                            takeover.broke(tell(error))
                    case GoOn(new):
                        assert other is not None
                        broken, self._answer, other = self._answer, other, None
                        self._parts, self._new = parts, new
                        self.extensions[REPORT_EXTENSION] = self._resumption.report
                        await self._let_go(broken)  # its parts may be what this runs in, and end by themselves
                        return True
            return False
        finally:
            if other is not None:
                await self._let_go(other)
                await _unwind(parts)

    async def _let_go(self, answer: AsyncAnswer) -> None:
        with anyio.CancelScope(shield=True):
            await answer.response.aclose()
            await self._links.give_back(answer.link)


async def _held(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _parts_of(answer: AsyncAnswer) -> AsyncIterator[bytes]:
    return aiter(answer.response.aiter_stream()) if answer.body is None else _held(answer.body)


async def _unwind(parts: AsyncIterator[bytes]) -> None:
    """Have the generators end that httpcore reads a body with: its connection is closed, so they do so now, and not
    when trio finds them unfinished.
    """
    with anyio.CancelScope(shield=True), suppress(Exception):
        async for _ in parts:
            pass
