"""A View as JSON lines for the link between agent and forwarders, and back.

Many short lines rather than one long one: a forwarder decodes a big View a slice at a time, between batches
of requests, and swaps it in once the last line is there. The order is a header (`view`), the routes
(`view_route`), each service (`view_service`) followed by its replicas (`view_replicas`), and `view_end`, which
counts what came before. What a line holds is said by the types of `model`; msgspec checks it against them.
"""

from collections.abc import Iterator

from msgspec import MsgspecError, Struct, json

from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.route import Route
from lbmesh.model.traffic import TrafficPolicy
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion

REPLICAS_PER_LINE = 64
"""Decoding a line of this many takes about a tenth of a millisecond, far below the latency of a request."""


class _Header(Struct, frozen=True, tag_field="kind", tag="view"):
    version: ViewVersion
    node: str
    zone: str
    limits: ForwarderLimits


class _RouteLine(Struct, frozen=True, tag_field="kind", tag="view_route"):
    route: Route


class _ServiceLine(Struct, frozen=True, tag_field="kind", tag="view_service"):
    name: str
    traffic: TrafficPolicy
    local_share: float
    cold_local_share: float


class _ReplicasLine(Struct, frozen=True, tag_field="kind", tag="view_replicas"):
    replicas: tuple[ReplicaView, ...]


class _EndLine(Struct, frozen=True, tag_field="kind", tag="view_end"):
    """`counts`: of routes, services and replicas."""

    counts: tuple[int, int, int]


_Line = _Header | _RouteLine | _ServiceLine | _ReplicasLine | _EndLine

_encode = json.Encoder().encode
_decode = json.Decoder[_Line](_Line).decode


def encode_view(view: View) -> tuple[bytes, ...]:
    """The View's lines, each with its newline."""
    return tuple(_encode(line) + b"\n" for line in _lines(view))


def _lines(view: View) -> Iterator[_Line]:
    yield _Header(view.version, view.node, view.zone, view.limits)
    for route in view.routes:
        yield _RouteLine(route)
    for service in view.services:
        yield _ServiceLine(service.name, service.traffic, service.local_share, service.cold_local_share)
        for start in range(0, len(service.replicas), REPLICAS_PER_LINE):
            yield _ReplicasLine(service.replicas[start : start + REPLICAS_PER_LINE])
    replicas = sum(len(service.replicas) for service in view.services)
    yield _EndLine((len(view.routes), len(view.services), replicas))


class ViewDecoder:
    """Puts a View together from its lines. A new header discards a View that was only half read."""

    __slots__ = ("_header", "_replicas", "_routes", "_services")

    def __init__(self) -> None:
        self._start(None)

    def feed(self, line: bytes) -> View | None:
        """Take one line, with or without its newline; the View when this line ends it.

        Raises ValueError when the line is malformed or out of order; what was half read is then discarded.
        """
        try:
            return self._step(_decode(line))
        except (MsgspecError, ValueError) as error:
            self._start(None)
            raise ValueError(f"a malformed line of a View: {error}") from error

    def _start(self, header: _Header | None) -> None:
        self._header = header
        self._routes: list[Route] = []
        self._services: list[tuple[_ServiceLine, list[ReplicaView]]] = []

    def _step(self, line: _Line) -> View | None:
        if isinstance(line, _Header):
            self._start(line)
            return None
        if self._header is None:
            raise ValueError("a line without the header of a View before it")
        match line:
            case _RouteLine():
                self._routes.append(line.route)
            case _ServiceLine():
                self._services.append((line, []))
            case _ReplicasLine():
                if not self._services:
                    raise ValueError("replicas without a service before them")
                self._services[-1][1].extend(line.replicas)
            case _EndLine():
                return self._end(self._header, line)
        return None

    def _end(self, header: _Header, end: _EndLine) -> View:
        replicas = sum(len(replicas) for _, replicas in self._services)
        counts = (len(self._routes), len(self._services), replicas)
        if counts != end.counts:
            raise ValueError(f"{counts} routes, services and replicas came of {end.counts}")
        view = View(
            version=header.version,
            node=header.node,
            zone=header.zone,
            routes=tuple(self._routes),
            services=tuple(
                ServiceView(line.name, tuple(replicas), line.traffic, line.local_share, line.cold_local_share)
                for line, replicas in self._services
            ),
            limits=header.limits,
        )
        self._start(None)
        return view
