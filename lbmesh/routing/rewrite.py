"""What a replica is asked for instead of what the client asked for: another path, another Host."""

import re
from dataclasses import dataclass

from lbmesh.http1.grammar import ORIGIN_FORM, caseless
from lbmesh.http1.message import RequestHead
from lbmesh.model.limits import TARGET_BYTES_MAX
from lbmesh.model.route import Route
from lbmesh.model.route_rules import Rewrite
from lbmesh.routing.path import routing_path

REGEX_TIMEOUT_S = 0.002
"""Processor time for one path. Patterns cannot be told good from bad when they are read (docs/adr/0011); a pattern that
takes longer fails the request, and holds up the others by no more than this.
"""

_ORIGIN_FORM = re.compile(ORIGIN_FORM + rb"\Z")
_HOST_LINE = re.compile(rb"\n" + caseless(b"host") + rb":[^\r]*+\r")


@dataclass(frozen=True, slots=True)
class RewriteFailed:
    """Why a request cannot be rewritten. `status`: 400 when its own path is to blame, else 500."""

    status: int
    detail: str


class PrefixReplacer:
    """Puts another prefix in place of the one that a route matched."""

    __slots__ = ("_exact", "_prefixes", "_with")

    def __init__(self, route: Route, prefix: str) -> None:
        self._exact = frozenset(routing_path(path.encode()) for path in route.exact_paths)
        trimmed = {routing_path(path.encode()).rstrip(b"/") for path in route.paths}
        self._prefixes = sorted(trimmed, key=len, reverse=True)
        self._with = prefix.encode().rstrip(b"/")

    def replace(self, path: bytes) -> bytes:
        """The path with the other prefix. A path that is spelled otherwise than routing compares it goes on as it is
        compared: its "..", left as they are, would step out of the new prefix.
        """
        path = routing_path(path)
        if path in self._exact:
            return self._with or b"/"
        for prefix in self._prefixes:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"/", b""):
                return self._with + path[len(prefix) :] or b"/"
        return path


class RequestRewriter:
    """One route's `rewrite`, made ready."""

    __slots__ = ("_host", "_path", "_pattern", "_prefix", "_to")

    def __init__(self, route: Route, rewrite: Rewrite) -> None:
        self._host = None if rewrite.host is None else b"\nHost: " + rewrite.host.encode() + b"\r"
        self._path = None if rewrite.path is None else rewrite.path.encode()
        self._prefix = None if rewrite.prefix is None else PrefixReplacer(route, rewrite.prefix)
        self._pattern = None
        self._to = rewrite.to or ""
        if rewrite.regex is not None:
            # Imported here: few routes need it.
            import regex

            self._pattern = regex.compile(rewrite.regex)

    def rewrite(self, head: RequestHead) -> bytes | RewriteFailed:
        """`head.head` with the new target and Host. The query stays; so do the target "*", and all of CONNECT, whose
        target is its Host (RFC 9112 §3.2.3).
        """
        line_and_fields = head.head
        if head.target.startswith(b"/"):
            path, mark, query = head.target.partition(b"?")
            target = self._target(path, mark + query)
            if isinstance(target, RewriteFailed):
                return target
            start = len(head.method) + 1
            line_and_fields = line_and_fields[:start] + target + line_and_fields[start + len(head.target) :]
        if self._host is not None and head.method != b"CONNECT":
            line_and_fields = _HOST_LINE.sub(self._host.replace(b"\\", b"\\\\"), line_and_fields)
        return line_and_fields

    def _target(self, path: bytes, query: bytes) -> bytes | RewriteFailed:
        if self._path is not None:
            return self._path + query
        if self._prefix is not None:
            return self._prefix.replace(path) + query
        return self._matched(path, query) if self._pattern is not None else path + query

    def _matched(self, path: bytes, query: bytes) -> bytes | RewriteFailed:
        """The path with what the pattern matches replaced; where that brings a query, the client's follows it."""
        assert self._pattern is not None
        try:
            rewritten, count = self._pattern.subn(self._to, routing_path(path).decode(), timeout=REGEX_TIMEOUT_S)
        except TimeoutError:
            return RewriteFailed(500, f"the route's regex took more than {REGEX_TIMEOUT_S * 1000:g} ms on this path")
        if not count:
            return path + query
        new_path, mark, new_query = rewritten.encode().partition(b"?")
        target = new_path + (mark + new_query + b"&" + query[1:] if mark and query else mark + new_query + query)
        if routing_path(new_path) != new_path:
            return RewriteFailed(400, "the rewritten path holds empty or dot segments")
        if len(target) > TARGET_BYTES_MAX or not _ORIGIN_FORM.match(target):
            return RewriteFailed(500, "the rewritten path is none (RFC 9112 section 3.2.1)")
        return target
