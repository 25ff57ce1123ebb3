"""A View as JSON lines for the link between agent and forwarders, and back.

Many short lines rather than one long one: a forwarder decodes a big View a slice at a time, between batches
of requests, and swaps it in once the last line is there. The order is a header (`view`), the routes
(`view_route`), each service (`view_service`) followed by its replicas (`view_replicas`), and `view_end`, which
counts what came before.
"""

import json
from typing import Any

from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.service import Balance, Replica, Route, Timeouts, WeightedService
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion

REPLICAS_PER_LINE = 64
"""Decoding a line of this many takes about a tenth of a millisecond, far below the latency of a request."""


def encode_view(view: View) -> tuple[bytes, ...]:
    """The View's lines, each with its newline."""
    limits = view.limits
    lines = [
        _line(
            kind="view",
            version=[view.version.generation, view.version.number],
            node=view.node,
            zone=view.zone,
            limits=[
                limits.head_timeout_s,
                limits.keepalive_timeout_s,
                limits.connections_max,
                limits.upstream_idle_s,
            ],
        )
    ]
    lines += [
        _line(
            kind="view_route",
            hosts=route.hosts,
            paths=route.paths,
            services=[[target.name, target.weight] for target in route.services],
        )
        for route in view.routes
    ]
    for service in view.services:
        lines += _service_lines(service)
    replicas = sum(len(service.replicas) for service in view.services)
    lines.append(_line(kind="view_end", counts=[len(view.routes), len(view.services), replicas]))
    return tuple(lines)


class ViewDecoder:
    """Puts a View together from its lines. A new header discards a View that was only half read."""

    __slots__ = ("_header", "_replicas", "_routes", "_services")

    def __init__(self) -> None:
        self._header: dict[str, Any] | None = None
        self._routes: list[Route] = []
        self._services: list[dict[str, Any]] = []
        self._replicas: list[ReplicaView] = []

    def feed(self, line: bytes) -> View | None:
        """Take one line, with or without its newline; the View when this line ends it.

        Raises ValueError when the line is malformed or out of order; what was half read is then discarded.
        """
        try:
            return self._step(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._start(None)
            raise ValueError(f"a malformed line of a View: {error!r}") from error

    def _start(self, header: dict[str, Any] | None) -> None:
        self._header = header
        self._routes, self._services, self._replicas = [], [], []

    def _step(self, fields: dict[str, Any]) -> View | None:
        kind = fields["kind"]
        if kind == "view":
            self._start(fields)
            return None
        if self._header is None:
            raise ValueError(f'"{kind}" without a "view" line before it')
        match kind:
            case "view_route":
                self._routes.append(_route(fields))
            case "view_service":
                self._replicas = fields["replicas"] = []
                self._services.append(fields)
            case "view_replicas":
                if not self._services:
                    raise ValueError('"view_replicas" without a "view_service" line before it')
                self._replicas += map(_replica, fields["replicas"])
            case "view_end":
                return self._end(self._header, fields)
            case _:
                raise ValueError(f'unknown kind "{kind}"')
        return None

    def _end(self, header: dict[str, Any], fields: dict[str, Any]) -> View:
        replicas = sum(len(service["replicas"]) for service in self._services)
        counts = [len(self._routes), len(self._services), replicas]
        if counts != fields["counts"]:
            raise ValueError(f"{counts} routes, services and replicas came of {fields['counts']}")
        generation, number = header["version"]
        head_timeout_s, keepalive_timeout_s, connections_max, upstream_idle_s = header["limits"]
        view = View(
            version=ViewVersion(generation, number),
            node=header["node"],
            zone=header["zone"],
            routes=tuple(self._routes),
            services=tuple(map(_service, self._services)),
            limits=ForwarderLimits(head_timeout_s, keepalive_timeout_s, connections_max, upstream_idle_s),
        )
        self._start(None)
        return view


def _line(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _service_lines(service: ServiceView) -> list[bytes]:
    timeouts = service.timeouts
    head = _line(
        kind="view_service",
        name=service.name,
        balance=service.balance,
        retries=service.retries,
        timeouts=[timeouts.connect_s, timeouts.response_s, timeouts.idle_s],
        local_share=[service.cold_local_share, service.local_share],
        slow_start_s=service.slow_start_s,
    )
    rows = [
        [
            view.replica.address.host,
            view.replica.address.port,
            view.replica.zone,
            view.replica.weight,
            view.availability,
            view.reason,
            view.returned_s,
        ]
        for view in service.replicas
    ]
    return [head] + [
        _line(kind="view_replicas", replicas=rows[start : start + REPLICAS_PER_LINE])
        for start in range(0, len(rows), REPLICAS_PER_LINE)
    ]


def _route(fields: dict[str, Any]) -> Route:
    return Route(
        hosts=tuple(fields["hosts"]),
        paths=tuple(fields["paths"]),
        services=tuple(WeightedService(name, weight) for name, weight in fields["services"]),
    )


def _replica(row: list[Any]) -> ReplicaView:
    host, port, zone, weight, availability, reason, returned_s = row
    return ReplicaView(Replica(Address(host, port), zone, weight), Availability(availability), reason, returned_s)


def _service(fields: dict[str, Any]) -> ServiceView:
    connect_s, response_s, idle_s = fields["timeouts"]
    cold_local_share, local_share = fields["local_share"]
    return ServiceView(
        name=fields["name"],
        replicas=tuple(fields["replicas"]),
        balance=Balance(fields["balance"]),
        retries=fields["retries"],
        timeouts=Timeouts(connect_s, response_s, idle_s),
        local_share=local_share,
        cold_local_share=cold_local_share,
        slow_start_s=fields["slow_start_s"],
    )
