"""Which route a request takes: by host, then by path. Look-ups cost the same with one route or a thousand."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from lbmesh.routing.path import routing_path

HOSTS_REMEMBERED_MAX = 4096
"""Spellings of Host whose tables are remembered; a client that invents more only clears the memory. The head's grammar
bounds the length of each.
"""

T = TypeVar("T")


class RouteTable(Generic[T]):
    """Maps (host, target) to what a route stands for.

    Exact host before the longest wildcard before "*"; within a host the longest prefix by whole segments
    ("/a" is not "/ab"). A host whose paths do not match falls through to the next less specific one.
    """

    __slots__ = ("_any", "_exact", "_remembered", "_wildcards")

    def __init__(self) -> None:
        self._exact: dict[bytes, _Paths[T]] = {}
        self._wildcards: dict[bytes, _Paths[T]] = {}
        self._any: _Paths[T] = _Paths()
        self._remembered: dict[bytes, tuple[_Paths[T], ...]] = {}

    def add(self, hosts: Iterable[str], prefixes: Iterable[str], value: T) -> None:
        """One more route, with hosts and path prefixes as in `model.route.Route`. To be called before any look-up."""
        keys = [prefix.encode() for prefix in prefixes]
        for host in hosts:
            paths = self._paths_of(host.lower().encode())
            for key in keys:
                paths.add(key, value)

    def match(self, host: bytes, target: bytes) -> T | None:
        """The value of the route for an authority as it came (any case, with or without port) and a request target."""
        candidates = self._remembered.get(host)
        if candidates is None:
            candidates = self._remember(host)
        for paths in candidates:
            value = paths.match(target)
            if value is not None:
                return value
        return None

    def _paths_of(self, host: bytes) -> "_Paths[T]":
        if host == b"*":
            return self._any
        if host.startswith(b"*."):
            return self._wildcards.setdefault(host[1:], _Paths())
        return self._exact.setdefault(host, _Paths())

    def _remember(self, host: bytes) -> tuple["_Paths[T]", ...]:
        if len(self._remembered) >= HOSTS_REMEMBERED_MAX:
            self._remembered.clear()
        name = _host_name(host)
        found = [self._exact[name]] if name in self._exact else []
        dot = name.find(b".")
        while dot >= 0:
            suffix = name[dot:]
            if suffix in self._wildcards:
                found.append(self._wildcards[suffix])
            dot = name.find(b".", dot + 1)
        candidates = (*found, self._any)
        self._remembered[host] = candidates
        return candidates


class _Paths(Generic[T]):
    """The prefixes of one host."""

    __slots__ = ("_by_prefix", "_longest", "_root")

    def __init__(self) -> None:
        self._by_prefix: dict[bytes, T] = {}
        self._longest = 0
        self._root: T | None = None

    def add(self, prefix: bytes, value: T) -> None:
        trimmed = routing_path(prefix).rstrip(b"/")
        if trimmed:
            self._by_prefix[trimmed] = value
            self._longest = max(self._longest, len(trimmed))
        else:
            self._root = value

    def match(self, target: bytes) -> T | None:
        if self._by_prefix:
            path = routing_path(target).rstrip(b"/")
            if len(path) > self._longest:
                path = path[: path.rfind(b"/", 0, self._longest + 1)]
            while path:
                value = self._by_prefix.get(path)
                if value is not None:
                    return value
                path = path[: path.rfind(b"/")]
        return self._root


def _host_name(authority: bytes) -> bytes:
    """The authority without its port and trailing dot, lower case."""
    name = authority.lower()
    if name.startswith(b"["):
        return name.partition(b"]")[0] + b"]"
    return name.partition(b":")[0].rstrip(b".")
