"""A View as JSON lines for the link between agent and forwarders, and back.

Many short lines rather than one long one: a forwarder decodes a big View a slice at a time, between batches
of requests, and swaps it in once the last line is there. The order is a header (`view`), the listeners
(`view_listener`), each followed by its certificates (`view_key_pair`), the routes (`view_route`), each service
(`view_service`) followed by its replicas (`view_replicas`), and `view_end`, which counts what came before. What a line
holds is said by the types of `model`; msgspec checks it against them.

On one link a View is told by what is other than in the one before (the header's `base`): `view_same_routes` stands for
all its routes, `view_same_services` for some of its services. So a change costs what it changes, not 10,000 replicas.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from msgspec import MsgspecError, Struct, json

from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ProvenancePolicy
from lbmesh.model.route import Route
from lbmesh.model.tls import KeyPair, ServiceTls
from lbmesh.model.traffic import TrafficPolicy
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion, ZoneShare

REPLICAS_PER_LINE = 64
"""Decoding a line of this many takes about a tenth of a millisecond, far below the latency of a request."""


ROUTES_PER_PIECE = 64


class _Header(Struct, frozen=True, tag_field="kind", tag="view"):
    version: ViewVersion
    node: str
    zone: str
    limits: ForwarderLimits
    workers: int
    provenance: ProvenancePolicy
    base: ViewVersion | None = None


class _SameRoutes(Struct, frozen=True, tag_field="kind", tag="view_same_routes"):
    """All routes of the View before."""


class _SameServices(Struct, frozen=True, tag_field="kind", tag="view_same_services"):
    """So many services of the View before, from the one with this number on, from 0."""

    first: int
    count: int


class _ListenerLine(Struct, frozen=True, tag_field="kind", tag="view_listener"):
    listener: ListenerPolicy


class _KeyPairLine(Struct, frozen=True, tag_field="kind", tag="view_key_pair"):
    """One of the listener before it, whose own line has none: many would be more than a line may hold."""

    key_pair: KeyPair


class _RouteLine(Struct, frozen=True, tag_field="kind", tag="view_route"):
    route: Route


class _ServiceLine(Struct, frozen=True, tag_field="kind", tag="view_service"):
    name: str
    traffic: TrafficPolicy
    zones: tuple[ZoneShare, ...]
    tls: ServiceTls | None


class _ReplicasLine(Struct, frozen=True, tag_field="kind", tag="view_replicas"):
    replicas: tuple[ReplicaView, ...]


class _EndLine(Struct, frozen=True, tag_field="kind", tag="view_end"):
    """`counts`: of listeners, routes, services and replicas."""

    counts: tuple[int, int, int, int]


_Line = (
    _Header
    | _ListenerLine
    | _KeyPairLine
    | _RouteLine
    | _SameRoutes
    | _ServiceLine
    | _ReplicasLine
    | _SameServices
    | _EndLine
)


def _text_of_path(value: object) -> str:
    if not isinstance(value, Path):
        raise NotImplementedError(f"no form for {type(value).__name__}")
    return str(value)


def _path_of_text(kind: type, text: object) -> Path:
    if kind is not Path or not isinstance(text, str):
        raise NotImplementedError(f"no form for {kind.__name__}")
    return Path(text)


_encode = json.Encoder(enc_hook=_text_of_path).encode
_decode = json.Decoder[_Line](_Line, dec_hook=_path_of_text).decode


class ViewEncoder:
    """Makes the lines of Views. What is as it was in the View before is not encoded again: of a big View most is."""

    __slots__ = ("_routes", "_services")

    def __init__(self) -> None:
        self._routes: tuple[tuple[Route, ...], list[bytes]] = ((), [])
        self._services: dict[str, tuple[ServiceView, bytes]] = {}

    def pieces(self, view: View, base: View | None = None) -> Iterator[bytes]:
        """The View's lines, each with its newline, some to a piece. Making a piece is a small step.

        `base`: the last View that the reader has had in full; None when it has had none of this agent's.
        """
        version = base.version if base else None
        yield _line(_Header(view.version, view.node, view.zone, view.limits, view.workers, view.provenance, version))
        yield b"".join(_line(line) for listener in view.listeners for line in _listener_lines(listener))
        if base is not None and base.routes is view.routes:
            yield _line(_SameRoutes())
        else:
            yield from self._all_routes(view.routes)
        yield from self._services_since(view, base)
        replicas = sum(len(service.replicas) for service in view.services)
        yield _line(_EndLine((len(view.listeners), len(view.routes), len(view.services), replicas)))

    def _all_routes(self, routes: tuple[Route, ...]) -> Iterator[bytes]:
        if self._routes[0] is routes:
            yield from self._routes[1]
            return
        pieces = []
        for start in range(0, len(routes), ROUTES_PER_PIECE):
            part = routes[start : start + ROUTES_PER_PIECE]
            pieces.append(b"".join(_line(_RouteLine(route)) for route in part))
            yield pieces[-1]
        self._routes = routes, pieces

    def _services_since(self, view: View, base: View | None) -> Iterator[bytes]:
        numbers = {id(service): number for number, service in enumerate(base.services)} if base else {}
        before, self._services = self._services, {}
        first = count = 0
        for service in view.services:
            known = before.get(service.name)
            if known is not None and known[0] is not service:
                known = None
            number = numbers.get(id(service))
            if known is not None:
                self._services[service.name] = known
            if number is not None and count and number == first + count:
                count += 1
                continue
            if count:
                yield _line(_SameServices(first, count))
            first, count = (number, 1) if number is not None else (0, 0)
            if number is None:
                known = known or (service, b"".join(_service_lines(service)))
                self._services[service.name] = known
                yield known[1]
        if count:
            yield _line(_SameServices(first, count))


def encode_view(view: View) -> tuple[bytes, ...]:
    """The View's lines, each with its newline."""
    return tuple(b"".join(ViewEncoder().pieces(view)).splitlines(keepends=True))


def _service_lines(service: ServiceView) -> Iterator[bytes]:
    yield _line(_ServiceLine(service.name, service.traffic, service.zones, service.tls))
    for start in range(0, len(service.replicas), REPLICAS_PER_LINE):
        yield _line(_ReplicasLine(service.replicas[start : start + REPLICAS_PER_LINE]))


def _line(line: _Line) -> bytes:
    return _encode(line) + b"\n"


def _listener_lines(listener: ListenerPolicy) -> Iterator[_Line]:
    if listener.tls is None:
        yield _ListenerLine(listener)
        return
    yield _ListenerLine(replace(listener, tls=replace(listener.tls, key_pairs=())))
    for pair in listener.tls.key_pairs:
        yield _KeyPairLine(pair)


def _with_key_pair(listeners: list[ListenerPolicy], pair: KeyPair) -> ListenerPolicy:
    """The last listener, with one certificate more."""
    if not listeners:
        raise ValueError("a certificate without a listener before it")
    listener = listeners[-1]
    if listener.tls is None:
        raise ValueError("a certificate behind a listener without TLS")
    return replace(listener, tls=replace(listener.tls, key_pairs=(*listener.tls.key_pairs, pair)))


class ViewDecoder:
    """Puts Views together from their lines. A new header discards a View that was only half read.

    Lines that the last View had too are not decoded again, and a service that is as it was is the same object: of a
    big View most is.
    """

    __slots__ = (
        "_header",
        "_known",
        "_known_services",
        "_last",
        "_lines",
        "_listeners",
        "_replicas",
        "_routes",
        "_same_routes",
        "_section",
        "_service",
        "_services",
    )

    def __init__(self) -> None:
        self._last: View | None = None
        self._known: dict[str, dict[bytes, _Line]] = {}
        """The lines of each service of the last View; those before all services by ""."""
        self._known_services: dict[str, ServiceView] = {}
        self._start(None)

    def feed(self, line: bytes) -> View | None:
        """Take one line, with or without its newline; the View when this line ends it.

        Raises ValueError when the line is malformed or out of order; what was half read is then discarded.
        """
        line = line.removesuffix(b"\n")
        try:
            decoded = self._known.get(self._section, _NO_LINES).get(line) or _decode(line)
            view = self._step(decoded)
        except (MsgspecError, ValueError) as error:
            self._start(None)
            raise ValueError(f"a malformed line of a View: {error}") from error
        if view is None:
            self._lines.setdefault(self._section, {})[line] = decoded
        return view

    def _start(self, header: _Header | None) -> None:
        self._header = header
        self._section = ""
        self._lines: dict[str, dict[bytes, _Line]] = {}
        self._listeners: list[ListenerPolicy] = []
        self._routes: list[Route] = []
        self._same_routes: tuple[Route, ...] | None = None
        self._services: list[ServiceView] = []
        self._service: _ServiceLine | None = None
        self._replicas: list[ReplicaView] = []

    def _step(self, line: _Line) -> View | None:
        if isinstance(line, _Header):
            self._begin(line)
            return None
        if self._header is None:
            raise ValueError("a line without the header of a View before it")
        match line:
            case _ListenerLine():
                self._listeners.append(line.listener)
            case _KeyPairLine():
                self._listeners[-1:] = [_with_key_pair(self._listeners, line.key_pair)]
            case _RouteLine():
                self._routes.append(line.route)
            case _SameRoutes():
                self._same_routes = self._base().routes
            case _ServiceLine():
                self._end_service()
                self._service, self._section = line, line.name
            case _ReplicasLine():
                self._add_replicas(line)
            case _SameServices():
                self._end_service()
                self._same_services(line)
            case _EndLine():
                self._end_service()
                return self._end(self._header, line)
        return None

    def _begin(self, header: _Header) -> None:
        if header.base is not None and (self._last is None or self._last.version != header.base):
            raise ValueError(f"it is told by what is other than in View {header.base}, which was not the last one")
        self._start(header)

    def _base(self) -> View:
        if self._header is None or self._header.base is None or self._last is None:
            raise ValueError("it refers to a View before it without naming one")
        return self._last

    def _same_services(self, line: _SameServices) -> None:
        same = self._base().services[line.first : line.first + line.count]
        if line.first < 0 or len(same) != line.count:
            raise ValueError(f"the View before it has no {line.count} services from {line.first} on")
        self._services += same

    def _add_replicas(self, line: _ReplicasLine) -> None:
        if self._service is None:
            raise ValueError("replicas without a service before them")
        self._replicas += line.replicas

    def _end_service(self) -> None:
        if self._service is None:
            return
        line, replicas = self._service, tuple(self._replicas)
        service = ServiceView(line.name, replicas, line.traffic, line.zones, line.tls)
        known = self._known_services.get(line.name)
        self._services.append(known if known is not None and known == service else service)
        self._service = None
        self._replicas = []

    def _end(self, header: _Header, end: _EndLine) -> View:
        replicas = sum(len(service.replicas) for service in self._services)
        routes = tuple(self._routes) if self._same_routes is None else self._same_routes
        counts = (len(self._listeners), len(routes), len(self._services), replicas)
        if counts != end.counts:
            raise ValueError(f"{counts} listeners, routes, services and replicas came of {end.counts}")
        view = View(
            version=header.version,
            node=header.node,
            zone=header.zone,
            routes=routes,
            services=tuple(self._services),
            limits=header.limits,
            provenance=header.provenance,
            listeners=tuple(self._listeners),
            workers=header.workers,
        )
        self._remember(view)
        return view

    def _remember(self, view: View) -> None:
        """What did not come this time stays as it was."""
        known, lines = self._known, self._lines
        if self._same_routes is not None:
            lines[""] = known.get("", {})
        self._known = {
            name: lines.get(name) or known.get(name, {}) for name in ("", *(one.name for one in view.services))
        }
        self._known_services = {service.name: service for service in view.services}
        self._last = view
        self._start(None)


_NO_LINES: dict[bytes, _Line] = {}
