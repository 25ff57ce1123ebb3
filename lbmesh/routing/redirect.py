"""Where a client is sent instead of to a service."""

import re

from lbmesh.model.route import Route
from lbmesh.model.route_rules import Redirect
from lbmesh.routing.asked import DEFAULT_PORTS, Asked, absolute_url
from lbmesh.routing.rewrite import PrefixReplacer
from lbmesh.routing.template import REDIRECT_VARIABLES, Template, parse_template

_TO = re.compile(
    r"(?:(?:https?|\{scheme\})://(?:\{host\}|[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?:\{port\}|[0-9]{1,5}))?"
    r"(?=/|\?|\{path\}|\{query\}|\Z)"
    r"|(?=/(?!/)))"
    r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?#-]|%[0-9A-Fa-f]{2}|\{[a-z_]+\})*\Z"
)
_AUTHORITY = re.compile(rb"https?://[^/?#]*")
_UNSAFE = re.compile(rb"[\[\]^`{|}\\]")
"""What browsers leave in a query, and a URI must not have (RFC 3986 §2)."""


class Redirector:
    """One route's `redirect`, made ready."""

    __slots__ = ("_host", "_path", "_port", "_prefix", "_scheme", "_to", "needs_host")

    def __init__(self, route: Route, redirect: Redirect) -> None:
        self._to: Template | None = None if redirect.to is None else parse_redirect_target(redirect.to)
        self._scheme = None if redirect.scheme is None else redirect.scheme.encode()
        self._host = None if redirect.host is None else redirect.host.encode()
        self._port = None if redirect.port is None else b"%d" % redirect.port
        self._path = None if redirect.path is None else redirect.path.encode()
        self._prefix = None if redirect.prefix is None else PrefixReplacer(route, redirect.prefix)
        self.needs_host = "host" in self._to.variables if self._to else self._host is None

    def location(self, asked: Asked) -> bytes | None:
        """The value of Location; None when it would be the very URL that was asked for."""
        location = self._own_url_changed(asked) if self._to is None else self._rendered(self._to, asked)
        target = asked.path + asked.query
        with_port = b"%b://%b:%b%b" % (asked.scheme, asked.host, asked.port, target)
        if location in (target, asked.url, with_port):
            return None
        return _escaped(location)

    def _rendered(self, to: Template, asked: Asked) -> bytes:
        location = to.render(asked)
        # Two slashes at the start would name another host (RFC 3986 §4.2).
        return b"/" + location.lstrip(b"/") if location.startswith(b"/") else location

    def _own_url_changed(self, asked: Asked) -> bytes:
        scheme = self._scheme or asked.scheme
        port = self._port
        if port is None:
            port = asked.port if scheme == asked.scheme else DEFAULT_PORTS[scheme]
        path = asked.path
        if self._path is not None:
            path = self._path
        elif self._prefix is not None:
            path = self._prefix.replace(path)
        return absolute_url(scheme, self._host or asked.host, port, path + asked.query)


def parse_redirect_target(text: str) -> Template:
    """Read `to`. Raises ValueError for what is no URL, or would let the client's path name a host."""
    if not _TO.match(text):
        raise ValueError(
            'write a URL such as "https://{host}{path}{query}", or a path such as "/new{path}": a host is written out '
            'or {host}, and what follows it begins with "/", "?", {path} or {query}'
        )
    return parse_template(text, REDIRECT_VARIABLES)


def _escaped(location: bytes) -> bytes:
    """The brackets of an IPv6 address stay."""
    authority = _AUTHORITY.match(location)
    start = authority.end() if authority else 0
    return location[:start] + _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], location[start:])
