"""Metrics of DNS: what is published, and what the nameserver answered."""

from collections.abc import Iterator

from lbmesh.control.dns_link import DnsTelemetry
from lbmesh.model.dns import DnsPicture
from lbmesh.observe.exposition import family, single


def dns_metrics(picture: DnsPicture | None, nameserver: DnsTelemetry | None) -> Iterator[bytes]:
    """Families in chunks; nothing for a node without [dns]."""
    if picture is not None:
        yield from family(
            "lbmesh_dns_address_published",
            "gauge",
            "Whether DNS sends clients to an address, as this node sees it.",
            (({"address": one.address, "zone": one.zone}, float(one.is_published)) for one in picture.addresses),
        )
    if nameserver is not None:
        yield from _nameserver(nameserver)


def _nameserver(figures: DnsTelemetry) -> Iterator[bytes]:
    yield from family(
        "lbmesh_dns_queries_total",
        "counter",
        "Messages that came to the nameserver, by transport.",
        [({"transport": "udp"}, figures.udp), ({"transport": "tcp"}, figures.tcp)],
    )
    yield from family(
        "lbmesh_dns_answers_total",
        "counter",
        "Answers of the nameserver by response code.",
        [({"rcode": code}, count) for code, count in figures.rcodes],
    )
    yield from single(
        "lbmesh_dns_truncated_total", "counter", "Answers that were too large for UDP.", figures.truncated
    )
    yield from family(
        "lbmesh_dns_unanswered_total",
        "counter",
        "Queries without a whole answer: no query at all, beyond the rate (sent to TCP, dropped), or not sent.",
        [
            ({"reason": "ignored"}, figures.ignored),
            ({"reason": "rate_slipped"}, figures.slipped),
            ({"reason": "rate_dropped"}, figures.dropped),
            ({"reason": "unsent"}, figures.unsent),
        ],
    )
    yield from single("lbmesh_dns_connections", "gauge", "Connections over TCP.", figures.connections)
    yield from single(
        "lbmesh_dns_connections_shed_total", "counter", "Connections over TCP that were too many.", figures.shed
    )
