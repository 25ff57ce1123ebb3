"""Whom a replica's certificate must be for."""

import pytest

from lbmesh.agent.probes.probe import expected_name
from lbmesh.model.address import Address
from lbmesh.model.check import GrpcProbe, HttpProbe, Probe, ProbeTls, TcpProbe
from lbmesh.model.service import HealthCheck


@pytest.mark.parametrize(
    ("probe", "server_name", "host", "expected"),
    [
        (HttpProbe(), None, "10.0.0.1", "10.0.0.1"),
        (TcpProbe(), None, "fe80::1%eth0", "fe80::1"),
        (TcpProbe(), "shop.internal", "10.0.0.1", "shop.internal"),
        (HttpProbe(host="shop.internal:8443"), None, "10.0.0.1", "shop.internal"),
        (HttpProbe(host="[2001:db8::1]:8443"), None, "10.0.0.1", "2001:db8::1"),
        (GrpcProbe(host="[2001:db8::1]"), None, "10.0.0.1", "2001:db8::1"),
        (GrpcProbe(host="shop.internal"), "other.internal", "10.0.0.1", "other.internal"),
    ],
)
def test_the_server_name_else_the_host_else_the_address(
    probe: Probe, server_name: str | None, host: str, expected: str
) -> None:
    check = HealthCheck(probe, tls=ProbeTls(server_name=server_name))
    assert expected_name(check, Address(host, 443)) == expected
