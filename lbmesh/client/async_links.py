"""Connections to the balancers for the tasks' transport: a kept one, or the winner of a race."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import httpcore
import httpx

from lbmesh.client.async_race import race
from lbmesh.client.async_stream import WatchedStream
from lbmesh.client.attempts import Failure
from lbmesh.client.idle import ConnectionKey, IdleConnections
from lbmesh.client.limits import IDLE_MAX
from lbmesh.client.policy import Policy
from lbmesh.client.translate import Timeouts, Tls, origin_of
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
    """A link, and what happened on the way to it. `connect_s`: what its connect took, 0 for one that was kept."""

    link: AsyncLink
    connect_s: float = 0.0
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
        tls = Tls.of(url, self._ssl_context)
        raced = await race(order, tls, stagger_s=self._policy.stagger_s, timeout_s=timeouts.connect)
        watched = WatchedStream(raced.stream)
        connection = httpcore.AsyncHTTP11Connection(url.origin, watched, self._expiry_s)
        link = AsyncLink(ConnectionKey(raced.balancer, key.origin), connection, watched)
        return AsyncDialled(link, raced.connect_s, raced.failed, raced.outrun)

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


async def _close(links: Sequence[AsyncLink]) -> None:
    """Close without fail, even while being cancelled: a half-closed connection would leak its socket."""
    with anyio.CancelScope(shield=True):
        for link in links:
            await link.connection.aclose()
