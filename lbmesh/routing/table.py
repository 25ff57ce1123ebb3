"""Which route a request takes: by host, then by path. Look-ups cost the same with one route or a thousand."""

from typing import Generic, TypeVar

from lbmesh.http1.message import NO_HEAD, RequestHead
from lbmesh.model.route import Conditions, Route
from lbmesh.routing.conditions import Accepts, compile_conditions
from lbmesh.routing.path import routing_path

HOSTS_REMEMBERED_MAX = 4096
"""Spellings of Host whose tables are remembered; a client that invents more only clears the memory. The head's grammar
bounds the length of each.
"""

T = TypeVar("T")
Rank = tuple[bool, int, int]
_Choice = tuple[Rank, Accepts, T]
"""A route's rank, its test of a request, and its value."""


class RouteTable(Generic[T]):
    """Maps (host, target) to what a route stands for.

    Exact host before the longest wildcard before "*"; within a host an exact path before the longest prefix by whole
    segments ("/a" is not "/ab"); of several routes for one path the one that asks for more (Conditions.rank). Where no
    route fits, the next shorter prefix is looked at, then the next less specific host.
    """

    __slots__ = ("_any", "_exact", "_remembered", "_wildcards")

    def __init__(self) -> None:
        self._exact: dict[bytes, _Paths[T]] = {}
        self._wildcards: dict[bytes, _Paths[T]] = {}
        self._any: _Paths[T] = _Paths()
        self._remembered: dict[bytes, tuple[_Paths[T], ...]] = {}

    def add(self, route: Route, value: T) -> None:
        """One more route with its value. To be called before any look-up."""
        exact_paths = [routing_path(path.encode()) for path in route.exact_paths]
        prefixes = [routing_path(path.encode()).rstrip(b"/") for path in route.paths]
        choice = compile_conditions(route.conditions) if route.conditions else None
        rank = (route.conditions or Conditions()).rank
        for host in route.hosts:
            paths = self._paths_of(host.lower().encode())
            for prefix in prefixes:
                if choice is None:
                    paths.add(prefix, value)
                else:
                    paths.add_choice(prefix, (rank, choice, value), is_exact=False)
            for path in exact_paths:
                paths.add_choice(path, (rank, choice or _accept_all, value), is_exact=True)

    def match(self, host: bytes, target: bytes, head: RequestHead = NO_HEAD) -> T | None:
        """The value of the route for an authority as it came (any case, with or without port) and a request target.
        `head`: what conditions look at.
        """
        candidates = self._remembered.get(host)
        if candidates is None:
            candidates = self._remember(host)
        for paths in candidates:
            value = paths.match(target, head)
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
        name = host_name(host)
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

    __slots__ = ("_by_prefix", "_choices", "_exact", "_longest", "_root")

    def __init__(self) -> None:
        self._by_prefix: dict[bytes, T] = {}
        self._longest = 0
        self._root: T | None = None
        self._choices: dict[bytes, list[_Choice[T]]] | None = None
        """Routes with conditions by their prefix, those that ask for most first; None when there is no such route."""
        self._exact: dict[bytes, list[_Choice[T]]] = {}

    def add(self, prefix: bytes, value: T) -> None:
        if prefix:
            self._by_prefix[prefix] = value
            self._longest = max(self._longest, len(prefix))
        else:
            self._root = value

    def add_choice(self, path: bytes, choice: _Choice[T], *, is_exact: bool) -> None:
        if self._choices is None:
            self._choices = {}
        if not is_exact:
            self._longest = max(self._longest, len(path))
        choices = (self._exact if is_exact else self._choices).setdefault(path, [])
        choices.append(choice)
        choices.sort(key=_rank, reverse=True)

    def match(self, target: bytes, head: RequestHead) -> T | None:
        if self._choices is not None:
            return self._match_choices(self._choices, routing_path(target), head)
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

    def _match_choices(self, choices: dict[bytes, list[_Choice[T]]], path: bytes, head: RequestHead) -> T | None:
        for _, accepts, value in self._exact.get(path, ()):
            if accepts(head):
                return value
        path = path.rstrip(b"/")
        if len(path) > self._longest:
            path = path[: path.rfind(b"/", 0, self._longest + 1)]
        while True:
            for _, accepts, value in choices.get(path, ()):
                if accepts(head):
                    return value
            if not path:
                return self._root
            plain = self._by_prefix.get(path)
            if plain is not None:
                return plain
            path = path[: path.rfind(b"/")]


def _rank(choice: tuple[Rank, object, object]) -> Rank:
    return choice[0]


def _accept_all(head: RequestHead) -> bool:
    del head
    return True


def host_name(authority: bytes) -> bytes:
    """The authority without its port and trailing dot, lower case."""
    name = authority.lower()
    if name.startswith(b"["):
        return name.partition(b"]")[0] + b"]"
    return name.partition(b":")[0].rstrip(b".")
