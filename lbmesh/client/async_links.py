"""Connections to the balancers for the tasks' transport: a kept one, or the winner of a race."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import httpcore
import httpx

from lbmesh.client.async_race import AsyncRaced, race
from lbmesh.client.async_stream import WatchedStream
from lbmesh.client.attempts import Failure
from lbmesh.client.idle import ConnectionKey, IdleConnections
from lbmesh.client.limits import IDLE_MAX
from lbmesh.client.policy import Policy
from lbmesh.client.translate import DialError, Timeouts, handshake_limit_s, is_timeout, origin_of, tell
from lbmesh.model.address import Address


@dataclass(slots=True)
class AsyncLink:
    """A connection to one balancer, with the stream beneath it. `reused`: it has carried a request before."""

    key: ConnectionKey
    connection: httpcore.AsyncHTTP11Connection
    stream: WatchedStream
    reused: bool = False

    def has_expired(self) -> bool:
        return self.connection.has_expired()

    def is_idle(self) -> bool:
        return self.connection.is_idle()


@dataclass(frozen=True, slots=True)
class AsyncDialled:
    """A link, and what happened on the way to it."""

    link: AsyncLink
    failed: tuple[Failure, ...] = ()
    outrun: tuple[Address, ...] = ()


class AsyncLinks:
    """Hands out links and takes them back."""

    def __init__(self, policy: Policy, ssl_context: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._policy = policy
        self._ssl_context = ssl_context
        self._expiry_s = limits.keepalive_expiry
        idle_max = limits.max_keepalive_connections
        self._idle: IdleConnections[AsyncLink] = IdleConnections(IDLE_MAX if idle_max is None else idle_max)
        self._closed = False
        self._parents: list[AsyncLink] = []

    async def dial(
        self, order: Sequence[Address], url: httpcore.URL, timeouts: Timeouts, *, fresh: bool
    ) -> AsyncDialled:
        """A link to the first of `order` that can be had; over TLS, one whose handshake succeeded. `fresh`: none that
        was kept.

        Raises DialError when there is none.
        """
        key = ConnectionKey(order[0], origin_of(url))
        if not fresh:
            kept, expired = self._idle.take(key)
            await _close(expired)
            if kept is not None:
                return AsyncDialled(kept)
        failed: list[Failure] = []
        left = list(order)
        timed_out = False
        deadline = None if timeouts.connect is None else anyio.current_time() + timeouts.connect
        while left:
            raced = await self._race(left, failed, deadline)
            failed += raced.failed
            try:
                stream = await self._secure(raced.stream, url, deadline, others=len(left) - 1 - len(raced.failed))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed.append(Failure(raced.balancer, tell(error)))
                timed_out = is_timeout(error)
                left = [b for b in left if b not in [failure.balancer for failure in failed]]
                continue
            watched = WatchedStream(stream)
            connection = httpcore.AsyncHTTP11Connection(url.origin, watched, self._expiry_s)
            link = AsyncLink(ConnectionKey(raced.balancer, key.origin), connection, watched)
            return AsyncDialled(link, tuple(failed), raced.outrun)
        raise DialError(failed, timed_out=timed_out)

    async def give_back(self, link: AsyncLink) -> None:
        """The exchange is over: keep the link if it can carry another, else close it."""
        link.reused = True
        await _close([link] if self._closed else self._idle.give(link.key, link))

    async def drop(self, balancer: Address | None = None) -> None:
        """Close the kept links to one balancer, or to all."""
        await _close(self._idle.drop(balancer))

    async def aclose(self) -> None:
        """Close all kept links, and from now on those that are given back."""
        self._closed = True
        await self.drop()

    def start_afresh(self) -> None:
        """In the child of a fork: leave the links alone, for to close one would take it from the parent's loop, whose
        epoll the child shares.
        """
        self._parents = self._idle.drop()

    async def _race(self, left: Sequence[Address], failed: Sequence[Failure], deadline: float | None) -> AsyncRaced:
        timeout_s = None if deadline is None else deadline - anyio.current_time()
        try:
            return await race(left, stagger_s=self._policy.stagger_s, timeout_s=timeout_s)
        except DialError as error:
            raise DialError((*failed, *error.failures), timed_out=error.timed_out) from None

    async def _secure(
        self, stream: httpcore.AsyncNetworkStream, url: httpcore.URL, deadline: float | None, *, others: int
    ) -> httpcore.AsyncNetworkStream:
        if url.scheme != b"https":
            return stream
        left_s = None if deadline is None else max(0.0, deadline - anyio.current_time())
        timeout_s = handshake_limit_s(self._policy, left_s, others)
        try:
            return await stream.start_tls(self._ssl_context, url.host.decode("ascii"), timeout_s)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await stream.aclose()
            raise


async def _close(links: Sequence[AsyncLink]) -> None:
    """Close without fail, even while being cancelled: a half-closed connection would leak its socket."""
    with anyio.CancelScope(shield=True):
        for link in links:
            await link.connection.aclose()
