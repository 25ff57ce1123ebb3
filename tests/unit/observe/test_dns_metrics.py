"""The figures of DNS, under their names."""

from lbmesh.observe.dns_metrics import dns_metrics
from tests.support.dns_zone import B, picture
from tests.unit.control.test_dns_link import TELEMETRY


def test_what_is_published_and_what_was_answered() -> None:
    page = b"".join(dns_metrics(picture(withdrawn=[B]), TELEMETRY)).decode()
    for line in (
        'lbmesh_dns_address_published{address="203.0.113.10",zone="zone-a"} 1',
        'lbmesh_dns_address_published{address="203.0.113.20",zone="zone-b"} 0',
        'lbmesh_dns_queries_total{transport="udp"} 1',
        'lbmesh_dns_queries_total{transport="tcp"} 2',
        'lbmesh_dns_answers_total{rcode="NOERROR"} 3',
        'lbmesh_dns_answers_total{rcode="REFUSED"} 1',
        "lbmesh_dns_truncated_total 4",
        'lbmesh_dns_unanswered_total{reason="ignored"} 3',
        'lbmesh_dns_unanswered_total{reason="rate_slipped"} 5',
        'lbmesh_dns_unanswered_total{reason="rate_dropped"} 6',
        'lbmesh_dns_unanswered_total{reason="unsent"} 7',
        "lbmesh_dns_connections 8",
        "lbmesh_dns_connections_shed_total 9",
    ):
        assert f"\n{line}\n" in page


def test_without_dns_there_is_nothing() -> None:
    assert list(dns_metrics(None, None)) == []
