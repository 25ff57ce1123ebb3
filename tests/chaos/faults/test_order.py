"""What may be ordered, and what is refused, with what to write instead."""

from typing import Any

import pytest

from lbmesh_chaos.faults.order import Order, parse_order
from lbmesh_chaos.faults.vocabulary import VOCABULARY
from lbmesh_chaos.model.faults import Cut, Flapping, Kill, Part, Traffic
from lbmesh_chaos.model.world import Role, World
from tests.chaos.faults.orders import ORDERS
from tests.chaos.faults.worlds import three_zones

WORLD = three_zones()


def refused(name: str, world: World = WORLD, **arguments: Any) -> str:
    found = parse_order(name, {"at_most": "10s", **arguments}, world)
    assert isinstance(found, tuple), found
    return "\n".join(str(one) for one in found)


def test_every_fault_has_an_order_that_is_right() -> None:
    for name, arguments in ORDERS:
        assert isinstance(parse_order(name, {"at_most": "10s", **arguments}, WORLD), Order), name
    assert {name for name, _ in ORDERS} == set(VOCABULARY)


def test_an_order_says_what_it_was_given() -> None:
    arguments = {"targets": ["lb-a1"], "part": "agent", "at_most": "1m", "label": "agent-a"}
    assert parse_order("kill", arguments, WORLD) == Order("agent-a", Kill(("lb-a1",), Part.AGENT), 60.0)


def test_a_label_is_the_faults_name_by_default() -> None:
    arguments = {
        "targets": "zone-a",
        "traffic": "gossip",
        "at_most": "30s",
        "flapping": {"stands": "2s", "rests": "1s"},
    }
    assert parse_order("cut", arguments, WORLD) == Order(
        "cut", Cut(("zone-a",), Traffic.GOSSIP), 30.0, Flapping(2.0, 1.0)
    )


def test_everything_wrong_is_said_at_once() -> None:
    found = parse_order("kill", {"target": "lb-a1", "part": "brain"}, WORLD)
    assert isinstance(found, tuple)
    assert [one.key for one in found] == ["target", "targets", "part", "at_most"]


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("kil", {}, 'there is no such fault; write "kill"'),
        ("kill", {"targets": "lb-a9"}, 'nothing in the world "test" is called "lb-a9"; write "lb-a1"'),
        ("kill", {"targets": "client-a"}, '"client-a" is a client; write one of lb-a1'),
        ("kill", {"targets": "router-zone-a"}, '"router-zone-a" is a router'),
        ("kill", {"targets": []}, "write the name of a host or a zone, or a list of them"),
        ("kill", {"targets": "lb-a1", "sillent": True}, 'sillent: found True; is not known; write "silent"'),
        ("kill", {"targets": "lb-a1", "silent": "yes"}, "write true or false"),
        ("kill", {"targets": "app-a1", "part": "agent"}, "only balancers have that"),
        ("freeze", {"targets": "zone-a", "part": "forwarder"}, "only balancers have that"),
        ("kill", {"targets": "lb-a1", "part": "agent", "silent": True}, "a machine dies whole"),
        ("kill", {"targets": "lb-a1", "at_most": "2h"}, "write at most 1h"),
        ("kill", {"targets": "lb-a1", "at_most": 30}, 'write a duration such as "250ms"'),
        ("kill", {"targets": "lb-a1", "label": "Über"}, "small letters, digits"),
        ("starve", {"targets": "lb-a1"}, "share: is missing; write a number above 0"),
        ("starve", {"targets": "lb-a1", "share": 1}, "there is the fault freeze"),
        ("cut", {"targets": "zone-a", "traffic": "gosip"}, "write one of all, gossip, clients, replicas"),
        ("cut", {"targets": "zone-a", "flapping": {"stands": "2s"}}, "write both durations"),
        ("cut", {"targets": "zone-a", "flapping": {"stands": "9s", "rests": "2s"}}, "one turn is longer than at_most"),
        ("split", {"groups": [["zone-a"]]}, "a list of at least two groups"),
        ("split", {"groups": [["zone-a"], ["lb-a1"]]}, '"lb-a1" is in two groups'),
        ("split", {"groups": [["zone-a"], ["zone-b"]], "bridges": ["lb-c1"]}, "lb-c1 is in no group"),
        ("one_way", {"sources": "zone-a", "targets": "lb-a1"}, "lb-a1 is among the sources"),
        ("half_connected", {"target": "lb-a1", "reaches": "zone-a"}, "lb-a1 always reaches itself"),
        ("half_connected", {"target": "zone-a", "reaches": "lb-b1"}, "write one host's name"),
        ("lossy", {"targets": "zone-a", "loss": 0}, "a number above 0"),
        ("bandwidth", {"targets": "lb-a1", "rate": "1Mbit"}, 'write a rate such as "128KiB/s"'),
        ("clock_jump", {"targets": "lb-a1", "offset": "1h"}, "a duration with its sign"),
        ("clock_jump", {"targets": "lb-b1", "offset": "+1h"}, "the clock of lb-b1 cannot be set; write it into"),
        ("clock_jump", {"targets": ["lb-a1", "zone-b"], "offset": "+1h"}, "or aim at one of lb-a1, app-a1"),
        ("ailing", {"targets": "app-a1"}, "nothing would ail"),
        ("ailing", {"targets": "lb-a1", "errors": 1}, '"lb-a1" is a balancer; write one of app-a1'),
        ("config_poison", {"targets": "lb-a1", "poison": "arsenic"}, "write one of empty, truncated"),
    ],
)
def test_what_is_refused(name: str, arguments: dict[str, Any], says: str) -> None:
    assert says in refused(name, **arguments)


def test_a_zone_without_balancers_cannot_lose_one() -> None:
    hosts = tuple(host for host in WORLD.hosts if (host.zone, host.role) != ("zone-a", Role.BALANCER))
    world = World("test", WORLD.zones, hosts)
    says = refused("config_poison", world, targets="zone-a", poison="empty")
    assert 'zone "zone-a" has no balancer; write one of lb-b1, lb-c1' in says


def test_a_world_without_resolvers_has_no_dns_to_lose() -> None:
    world = World("test", WORLD.zones, tuple(host for host in WORLD.hosts if host.role is not Role.RESOLVER))
    assert "this world has no resolver" in refused("dns_down", world)
