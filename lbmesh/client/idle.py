"""Connections kept for the next request: which to hand out, which to close. Closing is the caller's
business.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from lbmesh.model.address import Address


class Keepable(Protocol):
    """The part of httpcore's HTTP/1.1 connections that matters here."""

    def has_expired(self) -> bool: ...

    def is_idle(self) -> bool: ...


ConnectionT = TypeVar("ConnectionT", bound=Keepable)


@dataclass(frozen=True, slots=True)
class ConnectionKey:
    """Connections are interchangeable when they go to one balancer, for one scheme, host and port."""

    balancer: Address
    origin: Hashable


class IdleConnections(Generic[ConnectionT]):
    """At most `idle_max` connections, the newest used first, the oldest given up first."""

    def __init__(self, idle_max: int) -> None:
        self._idle_max = idle_max
        self._idle: OrderedDict[int, tuple[ConnectionKey, ConnectionT]] = OrderedDict()
        self._next = 0

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, key: ConnectionKey) -> tuple[ConnectionT | None, list[ConnectionT]]:
        """A live connection for `key`, if there is one; and expired ones, to be closed."""
        expired: list[ConnectionT] = []
        for number in [n for n, (k, _) in reversed(self._idle.items()) if k == key]:
            _, connection = self._idle.pop(number)
            if not connection.has_expired():
                return connection, expired
            expired.append(connection)
        return None, expired

    def give(self, key: ConnectionKey, connection: ConnectionT) -> list[ConnectionT]:
        """Keep the connection if it is idle; returns those to be closed."""
        if not connection.is_idle():
            return [connection]
        self._idle[self._next] = (key, connection)
        self._next += 1
        return [self._idle.popitem(last=False)[1][1] for _ in range(len(self._idle) - self._idle_max)]

    def drop(self, balancer: Address | None = None) -> list[ConnectionT]:
        """Give up the connections to one balancer, or to all; returns them, to be closed."""
        numbers = [n for n, (key, _) in self._idle.items() if balancer is None or key.balancer == balancer]
        return [self._idle.pop(number)[1] for number in numbers]
