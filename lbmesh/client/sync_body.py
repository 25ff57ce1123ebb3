"""An answer's body in the caller's thread: streamed, and gone on with from another balancer when one breaks off."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx

from lbmesh.client.attempts import Answered
from lbmesh.client.resumption import Resumption
from lbmesh.client.sync_exchange import OutrunError, SyncAnswer
from lbmesh.client.sync_links import SyncLinks
from lbmesh.client.sync_socket import wait_ready
from lbmesh.client.takeover import Ask, Do, GoOn, Takeover
from lbmesh.client.translate import REPORT_EXTENSION, is_break, is_timeout, tell, to_httpx

AskAgain = Callable[[Answered, list[tuple[bytes, bytes]]], tuple[SyncAnswer, Answered]]
"""Sends the request again, with further fields, after an answer that broke off."""


class SyncBody(httpx.SyncByteStream):
    """Closing it gives the connection back. `extensions`: of the response, whose report follows what happens."""

    def __init__(
        self,
        answer: SyncAnswer,
        links: SyncLinks,
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

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                part = self._new or self._next()
            except OutrunError:
                continue
            except Exception as error:
                if not is_break(error) or not self._resume(tell(error)):
                    balancer = self._answer.link.key.balancer
                    raise to_httpx(error, f"{balancer} broke off in the body: {error}") from error
                continue
            self._new = b""
            if not part:
                return
            if self._resumption is not None:
                self._resumption.gave(part)
            yield part

    def close(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            try:
                self._let_go(self._answer)
            finally:
                release()

    def _next(self) -> bytes:
        """b"" at the end."""
        stream = self._answer.link.stream
        if self._resumption is None or not self._resumption.is_open or self._stall_s is None:
            return next(self._parts, b"")
        stream.watcher = self._watch
        try:
            return next(self._parts, b"")
        finally:
            stream.watcher = wait_ready

    def _watch(self, descriptor: int, events: int, deadline: float | None) -> None:
        """Wait for more; raise OutrunError when another balancer takes over from one that is silent."""
        assert self._stall_s is not None
        stalled = time.monotonic() + self._stall_s
        try:
            wait_ready(descriptor, events, stalled if deadline is None else min(stalled, deadline))
        except TimeoutError:
            if deadline is not None and time.monotonic() >= deadline:
                raise
            self._stall_s = None  # once: a second time it would be the service that is slow
            if self._resume("fell silent"):
                raise OutrunError from None
            wait_ready(descriptor, events, deadline)

    def _resume(self, what: str) -> bool:
        """Go on from another answer; False when there is none that can."""
        if self._resumption is None:
            return False
        takeover = Takeover(self._resumption, what)
        other: SyncAnswer | None = None
        parts = self._parts
        try:
            while (step := takeover.step()) is not Do.GIVE_UP:
                match step:
                    case Ask(after, fields):
                        if other is not None:
                            self._let_go(other)
                            other = None
                        with suppress(httpx.TransportError):
                            other, report = self._ask_again(after, fields)
                            parts = _parts_of(other)
                            takeover.answered(report, other.response.status, other.response.headers)
                    case Do.READ:
                        try:
                            takeover.read(next(parts, b""))
                        except Exception as error:
                            if not is_break(error) and not is_timeout(error):
                                raise
                            takeover.broke(tell(error))
                    case GoOn(new):
                        assert other is not None
                        broken, self._answer, other = self._answer, other, None
                        self._parts, self._new = parts, new
                        self.extensions[REPORT_EXTENSION] = self._resumption.report
                        self._let_go(broken)
                        return True
            return False
        finally:
            if other is not None:
                self._let_go(other)

    def _let_go(self, answer: SyncAnswer) -> None:
        answer.response.close()
        self._links.give_back(answer.link)


def _parts_of(answer: SyncAnswer) -> Iterator[bytes]:
    return iter(answer.response.iter_stream()) if answer.body is None else iter([answer.body])
