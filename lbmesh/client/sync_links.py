"""Connections to the balancers for the threads' transport: a kept one, or the winner of a race."""

import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpcore
import httpx

from lbmesh.client.attempts import Failure
from lbmesh.client.idle import ConnectionKey, IdleConnections
from lbmesh.client.limits import IDLE_MAX
from lbmesh.client.policy import Policy
from lbmesh.client.sync_race import race
from lbmesh.client.sync_socket import SocketStream
from lbmesh.client.translate import Timeouts, Tls, origin_of
from lbmesh.model.address import Address


@dataclass(slots=True)
class SyncLink:
    """A connection to one balancer, with the socket beneath it. `reused`: it has carried a request before."""

    key: ConnectionKey
    connection: httpcore.HTTP11Connection
    stream: SocketStream
    reused: bool = False

    def has_expired(self) -> bool:
        return self.connection.has_expired()

    def is_idle(self) -> bool:
        return self.connection.is_idle()


@dataclass(frozen=True, slots=True)
class Dialled:
    """A link, and what happened on the way to it. `connect_s`: what its connect took, 0 for one that was kept."""

    link: SyncLink
    connect_s: float = 0.0
    failed: tuple[Failure, ...] = ()
    outrun: tuple[Address, ...] = ()


class SyncLinks:
    """Hands out links and takes them back. Thread-safe."""

    def __init__(self, policy: Policy, ssl_context: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._policy = policy
        self._ssl_context = ssl_context
        self._expiry_s = limits.keepalive_expiry
        idle_max = limits.max_keepalive_connections
        self._idle: IdleConnections[SyncLink] = IdleConnections(IDLE_MAX if idle_max is None else idle_max)
        self._lock = threading.Lock()
        self._closed = False

    def dial(
        self,
        order: Sequence[Address],
        url: httpcore.URL,
        timeouts: Timeouts,
        cancelled: Callable[[], bool],
        *,
        fresh: bool,
    ) -> Dialled:
        """A link to the first of `order` that can be had; over TLS, one whose handshake succeeded. `fresh`: none that
        was kept.

        Raises DialError when there is none.
        """
        if not fresh and (kept := self._take(ConnectionKey(order[0], origin_of(url)))) is not None:
            return Dialled(kept)
        raced = race(
            order,
            Tls.of(url, self._ssl_context),
            stagger_s=self._policy.stagger_s,
            timeout_s=timeouts.connect,
            cancelled=cancelled,
        )
        connection = httpcore.HTTP11Connection(url.origin, raced.stream, self._expiry_s)
        link = SyncLink(ConnectionKey(raced.balancer, origin_of(url)), connection, raced.stream)
        return Dialled(link, raced.connect_s, raced.failed, raced.outrun)

    def give_back(self, link: SyncLink) -> None:
        """The exchange is over: keep the link if it can carry another, else close it."""
        link.reused = True
        with self._lock:
            surplus = [link] if self._closed else self._idle.give(link.key, link)
        _close(surplus)

    def drop(self, balancer: Address | None = None) -> None:
        """Close the kept links to one balancer, or to all."""
        with self._lock:
            dropped = self._idle.drop(balancer)
        _close(dropped)

    def close(self) -> None:
        """Close all kept links, and from now on those that are given back."""
        self._closed = True
        self.drop()

    def start_afresh(self) -> None:
        """In the child of a fork: close this process's descriptors, which ends nothing for the parent, and go on with
        no link and a lock that nobody holds.
        """
        for link in self._idle.drop():
            with suppress(OSError):
                link.connection.close()
        self._lock = threading.Lock()

    def _take(self, key: ConnectionKey) -> SyncLink | None:
        with self._lock:
            link, expired = self._idle.take(key)
        _close(expired)
        return link


def _close(links: Sequence[SyncLink]) -> None:
    for link in links:
        link.connection.close()
