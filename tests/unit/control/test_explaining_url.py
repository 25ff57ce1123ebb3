"""Where a request would go: by which route, to which service, zone and replica, with the words for it."""

import pytest

from lbmesh.control.explaining_url import UrlExplanation, explain_url
from lbmesh.control.link import ReplicaTelemetry
from lbmesh.control.state import ForwarderState
from lbmesh.control.zone_traffic import ZoneTraffic
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.limits import TARGET_BYTES_MAX
from lbmesh.model.route import Conditions, Route, WeightedService
from lbmesh.model.service import Replica, ReplicaId
from lbmesh.model.traffic import Balance, HashKey, Sticky, TrafficPolicy
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion, ZoneShare

UP, DOWN = Availability.UP, Availability.DOWN
FIRST = Address("10.0.0.1", 80)


def replica(number: int, zone: str, weight: int = 1, availability: Availability = UP) -> ReplicaView:
    return ReplicaView(Replica(Address(f"10.0.0.{number}", 80), f"zone-{zone}", weight), availability, "why")


SHOP = ServiceView(
    "shop",
    (replica(1, "a", 3), replica(2, "a"), replica(3, "b"), replica(4, "b", availability=DOWN)),
    TrafficPolicy(Balance.RING_HASH, hash=HashKey(header="X-User", source=True), sticky=Sticky()),
    (ZoneShare("zone-a", 0.8, 0.8), ZoneShare("zone-b", 0.2, 0.2)),
)
VIEW = View(
    ViewVersion(1, 1),
    "lb-a1",
    "zone-a",
    (
        Route(("shop.test",), ("/",), (WeightedService("shop", 3), WeightedService("next", 1))),
        Route(("shop.test",), ("/q",), (WeightedService("next"),), conditions=Conditions(query=(("a", "1"),))),
    ),
    (SHOP, ServiceView("next", ())),
)


def explained(url: str, *forwarders: ForwarderState) -> UrlExplanation:
    found = explain_url(url, VIEW, forwarders, ZoneTraffic("zone-a"))
    assert isinstance(found, UrlExplanation)
    return found


def test_shares_go_down_to_the_replica() -> None:
    shop, other = explained("http://shop.test/a").services
    assert (shop.name, shop.share, other.share) == ("shop", 0.75, 0.25)
    assert [(zone.zone, zone.share) for zone in shop.zones] == [("zone-a", 0.8), ("zone-b", 0.2)]
    assert [(one.address, round(one.share, 3)) for one in shop.replicas] == [
        ("10.0.0.1:80", 0.6),
        ("10.0.0.2:80", 0.2),
        ("10.0.0.3:80", 0.2),
        ("10.0.0.4:80", 0.0),
    ]
    assert shop.replicas[-1].availability == "down"


def test_keys_and_cookies_are_named() -> None:
    balance, key, cookie = explained("http://shop.test/").services[0].how
    assert balance == "balance ring_hash"
    assert key.endswith("the key is header X-User, else the client's address")
    assert "cookie lbmesh" in cookie


def test_what_the_forwarders_see_is_put_together() -> None:
    states = [
        ForwarderState(
            worker,
            7,
            0.0,
            replicas={(one := ReplicaId("shop", FIRST)): ReplicaTelemetry(one, 9, 0, 0, worker, 0.01 * worker)},
        )
        for worker in (1, 2)
    ]
    first, second, *_ = explained("http://shop.test/", *states).services[0].replicas
    assert (first.in_flight, first.latency_s) == (3, 0.02)
    assert (second.in_flight, second.latency_s) == (0, None)


def test_conditions_on_the_query_are_looked_at() -> None:
    assert [one.name for one in explained("https://SHOP.test:8443/q?a=1").services] == ["next"]
    assert [one.name for one in explained("https://shop.test/q?a=2").services] == ["shop", "next"]


def test_a_url_that_no_route_takes() -> None:
    found = explain_url("http://other.test/", VIEW, (), ZoneTraffic("zone-a"))
    assert found == "no route takes http://other.test/: it would be answered with 404"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://shop.test:65536/", "400: Host is not a host name with an optional port"),
        ("http://shop.test/%zz", "400: a malformed request target"),
        ("http://shop.test/" + "a" * TARGET_BYTES_MAX, "414: a request target of more than"),
        ("http://shop.test/x%2f..%2fq?a=1", "400: "),
    ],
)
def test_what_forwarders_refuse_goes_nowhere(url: str, why: str) -> None:
    found = explain_url(url, VIEW, (), ZoneTraffic("zone-a"))
    assert isinstance(found, str)
    assert found.startswith(f"{url} would be answered with {why}")
