"""What `lbmesh status` says of DNS."""

from lbmesh.admin.dns_shapes import dns_lines, dns_shape
from tests.support.dns_zone import V6, A, B, C, picture


def test_it_shows_the_zone_each_address_and_what_each_name_answers() -> None:
    lines = "\n".join(dns_lines(dns_shape(picture(withdrawn=[B]))))
    assert "DNS zone mesh.example.com, picture 1.1" in lines
    assert any(line.split()[:3] == [B, "zone-b", "withdrawn"] for line in lines.splitlines())
    answers = dict(line.split(maxsplit=1) for line in lines.splitlines() if line.count(" ") > 1)
    assert answers["shop.mesh.example.com"] == f"{A}, {C}, {V6}"
    assert answers["mesh.example.com"] == f"{A}, {C}"


def test_it_says_so_when_every_address_looks_dead() -> None:
    lines = "\n".join(dns_lines(dns_shape(picture(withdrawn=[A, B, C, V6]))))
    assert "no address looks alive from here, so all are answered" in lines


def test_a_node_without_dns_says_nothing() -> None:
    assert list(dns_lines(None)) == []
