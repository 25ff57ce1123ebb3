"""What load a list allows: all that is wrong with it is said with its line, before anything is sent."""

import re
from pathlib import Path

import pytest

from lbmesh_chaos.load.template import RequestTemplate
from lbmesh_chaos.toolkit.target_list import parse_target_list
from lbmesh_chaos.toolkit.target_load import TargetLoad
from tests.chaos.toolkit.test_target_list import LIST, targets

LOAD = """
[load]
rate_max = 50
requests_max = 3000
lasts_max = "2m"
host = "shop.example.com"
get = "/products/1?drill={id}"
post = "/orders"
post_body = '{"drill": "{id}"}'
post_type = "application/json"
echo_header = "X-Drill-Id"
count_header = "X-Drill-Times"
[[load.address]]
address = "10.1.1.1:80"
zone = "zone-a"
[[load.address]]
address = "10.1.1.3:80"
zone = "zone-b"
[[load.address]]
address = "[fd00::2]:8080"
zone = "zone-a"
"""


def load_of(text: str = LOAD) -> TargetLoad:
    found = targets(LIST + text).load
    assert found is not None
    return found


def test_without_it_none_may_be_sent() -> None:
    assert targets(LIST).load is None


def test_what_it_allows() -> None:
    found = load_of()
    assert (found.rate_max, found.requests_max, found.lasts_max_s) == (50.0, 3000, 120.0)
    assert found.template == RequestTemplate(
        get="/products/1?drill={id}",
        post="/orders",
        body='{"drill": "{id}"}',
        content_type="application/json",
        echo_header="X-Drill-Id",
        count_header="X-Drill-Times",
    )
    assert found.zones == ("zone-a", "zone-b")
    assert found.nearest_to("zone-b") == ("10.1.1.3:80", "10.1.1.1:80", "[fd00::2]:8080")
    assert found.asks == "GET /products/1?drill={id}, POST /orders"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rate_max = 50\n", "", "load.rate_max: missing; write rate_max = 50"),
        ("rate_max = 50", "rate_max = 0", "load.rate_max: found 0; write a number above 0, and at most 5000"),
        ("requests_max = 3000", "requests_max = 1.5", "load.requests_max: found 1.5; write a whole number from 1"),
        ('lasts_max = "2m"', 'lasts_max = "2h"', 'load.lasts_max: found "2h"; write at most "60m"'),
        ('host = "shop.example.com"', 'host = "*"', 'load.host: found "*"; clients ask for one host'),
        ('host = "shop.example.com"', 'host = "a b"', "load.host: found"),
        ('get = "/products/1?drill={id}"', 'get = "products"', 'load.get: found "products"; write a path that starts'),
        ('get = "/products/1?drill={id}"', 'get = "/a b"', "load.get: found"),
        ('get = "/products/1?drill={id}"', 'get = "/a\\r\\nX: y"', "load.get: found"),
        ('get = "/products/1?drill={id}"', 'get = "/{di}"', "load.get: found"),
        ('get = "/products/1?drill={id}"\n', "", 'load.get: missing; write get = "/"'),
        ('post = "/orders"\n', "", 'load.post_body: nothing is posted; write post = "/drill/orders", or remove it'),
        ('"application/json"', '"application/json\\r\\nX: y"', "load.post_type: found"),
        ('echo_header = "X-Drill-Id"\n', "", "load.count_header: a count of whose id? write echo_header, too"),
        ('"X-Drill-Times"', '"x-drill-id"', "load.count_header: found"),
        ('"X-Drill-Id"', '"X Drill"', 'load.echo_header: found "X Drill"; write the name of a field'),
        ('"10.1.1.1:80"', '"shop.example.com:80"', "a name will not do here"),
        ('"10.1.1.1:80"', '"0.0.0.0:80"', "a wildcard leads nowhere"),
        ('"10.1.1.1:80"', '"10.1.1.3:80"', "is there twice; remove one"),
        ('zone = "zone-b"\n[[load.address]]', 'zone = "zone-x"\n[[load.address]]', "no node is in this zone"),
        ("rate_max = 50", "rate = 50", "load.rate: unknown key; write rate_max"),
    ],
)
def test_a_load_that_is_refused(old: str, new: str, says: str) -> None:
    assert old in LOAD
    found = parse_target_list(LIST + LOAD.replace(old, new, 1), file="staging.toml")
    assert isinstance(found, tuple)
    assert says in "\n".join(map(str, found))


def test_a_load_without_addresses_is_refused() -> None:
    found = parse_target_list(LIST + LOAD.partition("[[load.address]]")[0], file="staging.toml")
    assert isinstance(found, tuple)
    assert "load.address: missing; write a [[load.address]]" in "\n".join(map(str, found))


def test_the_documented_list_is_one() -> None:
    text = (Path(__file__).parents[3] / "docs" / "CHAOS.md").read_text()
    of_list, of_load = re.findall(r"^```toml\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    found = targets(of_list + of_load)
    assert found.load is not None
    assert [str(one.address) for one in found.load.addresses] == ["10.1.1.1:80"]
