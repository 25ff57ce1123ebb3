"""Which route a request takes: by host, then by path. Look-ups cost the same with one route or a thousand."""

from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from lbmesh.http1.message import NO_HEAD, RequestHead
from lbmesh.model.route import Conditions, Route
from lbmesh.routing.conditions import Accepts, compile_conditions
from lbmesh.routing.path import normal_form, routing_path
from lbmesh.routing.readings import is_plain, readings

HOSTS_REMEMBERED_MAX = 4096
"""Spellings of Host whose tables are remembered; a client that invents more only clears the memory. The head's grammar
bounds the length of each.
"""

T = TypeVar("T")
Rank = tuple[bool, int, int]
_Choice = tuple[Rank, Accepts, T]
"""A route's rank, its test of a request, and its value."""

_Place = tuple[int, bytes, bool, T]
"""Where a path leads: how specific the host's table is (0 is most), the prefix or exact path that it fell under,
whether that was an exact one, and the value.
"""


class RouteTable(Generic[T]):
    """Maps (host, target) to what a route stands for.

    Exact host before the longest wildcard before "*"; within a host an exact path before the longest prefix by whole
    segments ("/a" is not "/ab"); of several routes for one path the one that asks for more (Conditions.rank). Where no
    route fits, the next shorter prefix is looked at, then the next less specific host.

    A path that some origin could read as one under a more specific rule leads nowhere (see `routing.readings`).
    """

    __slots__ = ("_any", "_exact", "_has_paths", "_remembered", "_wildcards")

    def __init__(self) -> None:
        self._exact: dict[bytes, _Paths[T]] = {}
        self._wildcards: dict[bytes, _Paths[T]] = {}
        self._any: _Paths[T] = _Paths()
        self._remembered: dict[bytes, tuple[_Paths[T], ...]] = {}
        self._has_paths = False

    def add(self, route: Route, value: T) -> None:
        """One more route with its value. To be called before any look-up."""
        exact_paths = [routing_path(path.encode()) for path in route.exact_paths]
        prefixes = [routing_path(path.encode()).rstrip(b"/") for path in route.paths]
        self._has_paths = self._has_paths or bool(exact_paths) or any(prefixes)
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
        path = target
        if self._has_paths:
            path, _, _ = target.partition(b"?")
            # As `is_plain`, without a call.
            if b"%" in path or b";" in path or b"//" in path or b"/." in path or b"\\" in path:
                place, other = _read_in_all_ways(candidates, path, head)
                return place[3] if place is not None and not other else None
        for paths in candidates:
            value = paths.match(path, head)
            if value is not None:
                return value
        return None

    def ambiguity(self, host: bytes, target: bytes, head: RequestHead = NO_HEAD) -> str:
        """Why the path leads nowhere, though there may be a route for it; "" when that is not why."""
        path, _, _ = target.partition(b"?")
        if not self._has_paths or is_plain(path):
            return ""
        return _read_in_all_ways(self._remember(host), path, head)[1]

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

    __slots__ = ("_by_prefix", "_choices", "_decoded", "_exact", "_longest", "_root")

    def __init__(self) -> None:
        self._by_prefix: dict[bytes, T] = {}
        self._longest = 0
        self._root: T | None = None
        self._choices: dict[bytes, list[_Choice[T]]] | None = None
        """Routes with conditions by their prefix, those that ask for most first; None when there is no such route."""
        self._exact: dict[bytes, list[_Choice[T]]] = {}
        self._decoded: dict[bytes, bytes] = {}
        """Rules' paths that have escapes in them, by what they are without."""

    def add(self, prefix: bytes, value: T) -> None:
        self._note_escapes(prefix)
        if prefix:
            self._by_prefix[prefix] = value
            self._longest = max(self._longest, len(prefix))
        else:
            self._root = value

    def add_choice(self, path: bytes, choice: _Choice[T], *, is_exact: bool) -> None:
        self._note_escapes(path)
        if self._choices is None:
            self._choices = {}
        if not is_exact:
            self._longest = max(self._longest, len(path))
        choices = (self._exact if is_exact else self._choices).setdefault(path, [])
        choices.append(choice)
        choices.sort(key=_rank, reverse=True)

    def _note_escapes(self, path: bytes) -> None:
        if b"%" in path:
            self._decoded[unquote_to_bytes(path)] = path

    def match(self, path: bytes, head: RequestHead) -> T | None:
        """The value for a plain path."""
        if self._choices is not None:
            return self._match_choices(self._choices, path, head)
        if self._by_prefix:
            path = path.rstrip(b"/")
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

    def place(self, path: bytes, head: RequestHead) -> tuple[bytes, bool, T] | None:
        """As `match`, for a path that was decoded in any way, and with the prefix that it fell under."""
        for _, accepts, value in self._exact.get(self._decoded.get(path, path), ()):
            if accepts(head):
                return path, True, value
        path = path.rstrip(b"/")
        while True:
            prefix = self._decoded.get(path, path)
            for _, accepts, value in self._choices.get(prefix, ()) if self._choices else ():
                if accepts(head):
                    return prefix, False, value
            plain = self._by_prefix.get(prefix) if prefix else self._root
            if plain is not None:
                return prefix, False, plain
            if not path:
                return None
            path = path[: path.rfind(b"/", 0, self._longest + 1)]


def _read_in_all_ways(
    candidates: tuple["_Paths[T]", ...], path: bytes, head: RequestHead
) -> tuple[_Place[T] | None, str]:
    """Where the path leads as it stands; and why it must not be taken there, or "".

    What no route is for is protected most. Only of a rule that is itself spelled with parameters or escapes can it not
    be told which of its readings are meant.
    """
    own = _find(candidates, normal_form(path), head)
    ways = readings(path)
    if ways is None:
        return own, "the path can be read in too many ways"
    for reading in sorted(ways):
        place = _find(candidates, reading, head)
        text = reading.decode("ascii", "backslashreplace")
        if place is not None and (own is None or not _covers(place, own)):
            return own, f'a server may read the path as "{text}", which another route is for; send that, if it is meant'
        if place is None and own is not None and is_plain(own[1]):
            return own, f'a server may read the path as "{text}", which no route is for'
    return own, ""


def _find(candidates: tuple["_Paths[T]", ...], path: bytes, head: RequestHead) -> _Place[T] | None:
    for number, paths in enumerate(candidates):
        place = paths.place(path, head)
        if place is not None:
            return number, *place
    return None


def _covers(other: _Place[T], own: _Place[T]) -> bool:
    """Is the other place the same, or a less specific one that this one lies within?"""
    host, prefix, is_exact, value = other
    if value is own[3] or host > own[0]:
        return True
    return host == own[0] and not is_exact and (not prefix or own[1] == prefix or own[1].startswith(prefix + b"/"))


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
