"""[[front]] and [failover]: defaults, and what contradicts itself or the mesh, in which line and in which words."""

from pathlib import Path

import pytest

from lbmesh.config.diff import Hot, NeedsRestart, diff
from lbmesh.config.settings import FailoverSettings, Settings
from lbmesh.model.address import Address
from lbmesh.model.front import (
    BgpDriver,
    CommandDriver,
    Ec2Driver,
    Front,
    FrontClass,
    NoDriver,
    VipDriver,
)
from tests.support.config_text import BASE, errors_of, settings_of

FRONT_LINE = BASE.count("\n") + 1
"""Of the first line that is put after the base."""

THREE_ZONES = """[failover.zones]
zone-a = ["lb-a1", "lb-a2"]
zone-b = ["lb-b1"]
zone-c = ["lb-c1"]
"""
TWO_ZONES = """[failover.zones]
zone-a = ["lb-a1"]
zone-b = ["lb-b1"]
"""
VIP = 'driver = "vip"\noptions = { interface = "eth0" }\n'
BGP = 'driver = "bgp"\noptions = { protocol = "p" }\n'
COMMAND = 'driver = "command"\noptions = { run = "/move" }\n'
HOME_B = '[[front]]\naddress = "203.0.113.10"\nzone = "zone-b"\n'
EC2 = HOME_B + 'driver = "ec2"\noptions = { %s }\n' + THREE_ZONES
ADDRESS = 'write an address without a port, such as "203.0.113.10" or "2001:db8::10"'


def test_defaults() -> None:
    settings = settings_of(BASE + HOME_B + VIP)
    assert settings.failover == FailoverSettings()
    assert settings.fronts == (
        Front(Address("203.0.113.10", 80), "zone-b", None, FrontClass.OVERLAP, VipDriver("eth0", 32), 30.0, 1),
    )


@pytest.mark.parametrize(
    ("text", "driver", "front_class"),
    [
        (VIP, VipDriver("eth0", 32), FrontClass.OVERLAP),
        (VIP + 'class = "exclusive"\n', VipDriver("eth0", 32), FrontClass.EXCLUSIVE),
        ('driver = "bgp"\noptions = { protocol = "p" }\n', BgpDriver("p", "203.0.113.10/32"), FrontClass.OVERLAP),
        (
            'driver = "ec2"\noptions = { resource = "eipalloc-0123456789abcdef0" }\n',
            Ec2Driver("eipalloc-0123456789abcdef0"),
            FrontClass.EXCLUSIVE,
        ),
        (
            (
                'driver = "ec2"\noptions = { resource = "subnet-01234567", region = "eu-central-1", '
                'device = "lo", endpoint = "http://[::1]:5000", '
                'interfaces = { lb-b1 = "eni-89abcdef", lb-a1 = "eni-01234567" } }\n'
            ),
            Ec2Driver(
                "subnet-01234567",
                "eu-central-1",
                "http://[::1]:5000",
                (("lb-a1", "eni-01234567"), ("lb-b1", "eni-89abcdef")),
                "lo",
            ),
            FrontClass.EXCLUSIVE,
        ),
        (
            'driver = "command"\noptions = { run = "/move", timeout = "5s", check = "0s" }\n',
            CommandDriver(Path("/move"), 5.0, 0.0),
            FrontClass.EXCLUSIVE,
        ),
        (
            'driver = "bgp"\noptions = { protocol = "p", takeover = "q-2", socket = "/b" }\n',
            BgpDriver("p", "203.0.113.10/32", Path("/b"), "q-2"),
            FrontClass.OVERLAP,
        ),
        (COMMAND, CommandDriver(Path("/move")), FrontClass.EXCLUSIVE),
        (COMMAND + 'class = "overlap"\n', CommandDriver(Path("/move")), FrontClass.OVERLAP),
        ('driver = "none"\n', NoDriver(), FrontClass.OVERLAP),
    ],
)
def test_every_driver_has_its_class_and_its_options(text: str, driver: object, front_class: FrontClass) -> None:
    (front,) = settings_of(BASE + HOME_B + text + THREE_ZONES).fronts
    assert (front.driver, front.front_class) == (driver, front_class)


def test_a_home_node_says_its_zone_where_the_zones_are_known() -> None:
    (front,) = settings_of(f'{BASE}[[front]]\naddress = "203.0.113.10"\nnode = "lb-c1"\n{VIP}{THREE_ZONES}').fronts
    assert (front.node, front.zone) == ("lb-c1", "zone-c")


def test_a_witness_makes_two_zones_enough() -> None:
    settings = settings_of(f'{BASE}{HOME_B}{COMMAND}[failover]\nwitnesses = ["10.0.9.1:7946"]\n{TWO_ZONES}')
    assert settings.failover.witnesses == (Address("10.0.9.1", 7946),)
    assert settings.fronts[0].is_exclusive


# One row for each rule: what follows the base, the line of the error counted from there, and the error.
# fmt: off
REFUSED = [
    # Single values.
    ('[[front]]\nzone = "zone-b"\n' + VIP, 0, 'front #1: address: missing; write address = "203.0.113.10"'),
    ('[[front]]\naddress = "203.0.113.10:80"\nzone = "zone-b"\n' + VIP, 1,
     f'front #1: address: found "203.0.113.10:80"; {ADDRESS}'),
    ('[[front]]\naddress = "0.0.0.0"\nzone = "zone-b"\n' + VIP, 1,
     f'front "0.0.0.0": address: found "0.0.0.0"; clients of other machines cannot use it; {ADDRESS}'),
    ('[[front]]\naddress = "203.0.113.10"\n' + VIP, 0,
     'front "203.0.113.10": zone: missing; write zone = "zone-a", where it is at home'),
    (HOME_B, 0, 'front "203.0.113.10": driver: missing; write driver = "vip"'),
    (HOME_B + 'driver = "vrrp"\n', 3,
     'front "203.0.113.10": driver: found "vrrp"; write one of "vip", "bgp", "ec2", "command", "none"'),
    (HOME_B + VIP + "weight = 0\n", 5, 'front "203.0.113.10": weight: found 0; write a whole number from 1 to 100'),
    (HOME_B + VIP + 'holddown = "1s"\n', 5,
     'front "203.0.113.10": holddown: unknown key; write hold_down'),
    # What a driver needs.
    (HOME_B + 'driver = "vip"\n', 0, 'front "203.0.113.10": options.interface: missing; write interface = "eth0"'),
    (HOME_B + 'driver = "vip"\noptions = { interface = "eth0", prefix_length = 33 }\n', 4,
     'front "203.0.113.10": options.prefix_length: found 33; write a whole number from 1 to 32'),
    (HOME_B + 'driver = "vip"\noptions = { interface = "a/b" }\n', 4,
     'front "203.0.113.10": options.interface: found "a/b"; write an interface such as "eth0"'),
    (HOME_B + 'driver = "bgp"\noptions = {}\n', 4,
     'front "203.0.113.10": options.protocol: missing; write protocol = "front_a"'),
    (HOME_B + 'driver = "bgp"\noptions = { protocol = "p", prefix = "198.51.100.0/24" }\n', 4,
     ('front "203.0.113.10": options.prefix: found "198.51.100.0/24"; 203.0.113.10 is not in it; write the network '
      "that holds the front")),
    (HOME_B + 'driver = "bgp"\noptions = { protocol = "a b" }\n', 4,
     ('front "203.0.113.10": options.protocol: found "a b"; write the name of a static protocol in bird.conf, such as '
      '"front_a": letters, digits, "_", "-"')),
    (HOME_B + 'driver = "bgp"\noptions = { protocol = "p", takeover = "p" }\n', 4,
     ('front "203.0.113.10": options.takeover: found "p"; this is the protocol itself; write a second one, whose route '
      "routers prefer, or leave it out")),
    (HOME_B + BGP + HOME_B.replace(".10", ".11") + BGP, 9,
     ('front "203.0.113.11": options: front "203.0.113.10" has BIRD\'s protocol "p"; each front needs one of its own')),
    ('[[front]]\naddress = "10.0.1.10"\nzone = "zone-b"\n' + BGP, 1,
     ('front "10.0.1.10": address: found "10.0.1.10"; this is the node\'s own address (gossip.advertise), which must '
      "stay; write one that may move")),
    (HOME_B + 'driver = "ec2"\noptions = {}\n' + THREE_ZONES, 4,
     'front "203.0.113.10": options.resource: missing; write resource = "eipalloc-0123456789abcdef0"'),
    (EC2 % 'resource = "eipalloc-1"', 4,
     ('front "203.0.113.10": options.resource: found "eipalloc-1"; write the id of an elastic address, a subnet or a '
      'route table, such as "eipalloc-0123456789abcdef0", "subnet-0123456789abcdef0", "rtb-0123456789abcdef0"')),
    (EC2 % 'resource = "eni-0123456789abcdef0"', 4,
     ('front "203.0.113.10": options.resource: found "eni-0123456789abcdef0"; an interface is one node\'s, and all '
      "nodes have the same fronts: write the subnet whose interfaces may have the address, "
      '"subnet-0123456789abcdef0", and each node\'s interface in interfaces')),
    (EC2 % 'resource = "vpc-01234567"', 4,
     ('front "203.0.113.10": options.resource: found "vpc-01234567"; this leads no address anywhere: write an id such '
      'as "eipalloc-0123456789abcdef0", "subnet-0123456789abcdef0", "rtb-0123456789abcdef0"')),
    (EC2 % 'resource = "rtb-01234567", region = "Frankfurt"', 4,
     'front "203.0.113.10": options.region: found "Frankfurt"; write a region such as "eu-central-1"'),
    (EC2 % 'resource = "rtb-01234567", endpoint = "ec2.example.com"', 4,
     ('front "203.0.113.10": options.endpoint: found "ec2.example.com"; write a URL such as '
      '"https://ec2.eu-central-1.amazonaws.com"')),
    (EC2 % 'resource = "rtb-01234567", interfaces = { lb-a1 = "i-01234567" }', 4,
     ('front "203.0.113.10": options.interfaces.lb-a1: found "i-01234567"; write the id of an interface such as '
      '"eni-0123456789abcdef0"')),
    (EC2 % 'resource = "eipalloc-01234567", device = "eth0"', 4,
     ('front "203.0.113.10": options.device: found "eth0"; EC2 translates an elastic address to a private one, which '
      "stays on the machine: remove device, and set the private addresses up with the system")),
    ((EC2 % 'resource = "eipalloc-01234567"').replace("203.0.113.10", "2001:db8::10"), 4,
     ('front #1: options.resource: found "eipalloc-01234567"; an elastic address is one of IPv4; write '
      'a subnet such as "subnet-0123456789abcdef0"')),
    (HOME_B + 'driver = "command"\noptions = { run = "/move", timeout = "1m" }\n' + THREE_ZONES, 4,
     ('front "203.0.113.10": options.timeout: found "1m"; who says nothing for longer has failed: write at most "12s", '
      "and where a move takes longer have the program exit with status 75: it is run again")),
    (HOME_B + 'driver = "command"\noptions = { run = "/move", check = "10ms" }\n' + THREE_ZONES, 4,
     'front "203.0.113.10": options.check: found "10ms"; write at least "1s", or "0s" for no checks'),
    (HOME_B + 'driver = "command"\noptions = { run = "move" }\n' + THREE_ZONES, 4,
     'front "203.0.113.10": options.run: found "move"; write an absolute path'),
    (HOME_B + 'driver = "none"\noptions = { interface = "eth0" }\n', 4,
     'front "203.0.113.10": options: found a table; a front without a driver takes none; remove it'),
    # Fronts that contradict each other or the mesh.
    (HOME_B + VIP + HOME_B + VIP, 6,
     ('front "203.0.113.10": address: found "203.0.113.10"; line 20 has this front already; an address has one home: '
      "remove one")),
    ('[[front]]\naddress = "10.0.1.10"\nzone = "zone-b"\n' + VIP, 1,
     ('front "10.0.1.10": address: found "10.0.1.10"; this is the node\'s own address (gossip.advertise), which must '
      "stay; write one that may move")),
    (HOME_B + 'node = "lb-a1"\n' + VIP, 2,
     ('front "203.0.113.10": zone: found "zone-b"; its home node is this one, which is in "zone-a" (node.zone); write '
      "that")),
    (HOME_B.replace("zone-b", "zone-d") + VIP + THREE_ZONES, 2,
     ('front "203.0.113.10": zone: found "zone-d"; failover.zones has no such zone; write one of "zone-a", "zone-b", '
      '"zone-c"')),
    (HOME_B + 'node = "lb-b2"\n' + VIP + THREE_ZONES, 3,
     'front "203.0.113.10": node: found "lb-b2"; failover.zones has no such node; write one of "lb-b1"'),
    (HOME_B + 'node = "lb-c1"\n' + VIP + THREE_ZONES, 3,
     'front "203.0.113.10": node: found "lb-c1"; failover.zones has it in "zone-c"; write zone = "zone-c"'),
    ('[[front]]\naddress = "::ffff:203.0.113.10"\nzone = "zone-b"\n' + VIP, 1,
     ('front #1: address: found "::ffff:203.0.113.10"; on the wire this is an address of IPv4; write "203.0.113.10"')),
    (HOME_B + VIP + HOME_B + BGP, 6,
     ('front "203.0.113.10": address: found "203.0.113.10"; line 20 has this front already; an address has one home: '
      "remove one")),
    (HOME_B + BGP.replace('"p"', '"p", prefix = "203.0.113.0/24"')
     + HOME_B.replace(".10", ".11") + BGP.replace('"p"', '"q", prefix = "203.0.113.0/24"'), 9,
     ('front "203.0.113.11": options: "203.0.113.11" is in 203.0.113.0/24, and would go wherever "203.0.113.10" does; '
      "write for each front a prefix that holds no other")),
    (HOME_B + BGP.replace('"p"', '"p", prefix = "203.0.113.0/24"')
     + HOME_B.replace(".10", ".11") + BGP.replace('"p"', '"q", prefix = "203.0.113.8/29"'), 9,
     ('front "203.0.113.11": options: "203.0.113.10" is in 203.0.113.8/29, and would go wherever "203.0.113.11" does; '
      "write for each front a prefix that holds no other")),
    (EC2 % 'resource = "eipalloc-01234567"'
     + (EC2 % 'resource = "eipalloc-01234567"').replace(".10", ".11").replace(THREE_ZONES, ""), 13,
     ('front "203.0.113.11": options.resource: found "eipalloc-01234567"; front "203.0.113.10" has this allocation, '
      "which is one address; write that of this one")),
    (EC2 % 'resource = "rtb-01234567", interfaces = { lb-a1 = "eni-01234567", lb-a2 = "eni-01234567" }', 4,
     ('front "203.0.113.10": options.interfaces.lb-a2: found "eni-01234567"; this is the interface of "lb-a1"; write '
      'the one that "lb-a2" has')),
    (EC2 % 'resource = "rtb-01234567", interfaces = { lb-x1 = "eni-01234567" }', 4,
     'front "203.0.113.10": options.interfaces.lb-x1: failover.zones has no such node; correct the name'),
    ('[[front]]\naddress = "10.0.9.1"\nzone = "zone-b"\n' + VIP + '[failover]\nwitnesses = ["10.0.9.1:7946"]\n', 1,
     ('front "10.0.9.1": address: found "10.0.9.1"; this is a witness\'s address (failover.witnesses), which must '
      "stay; write one that may move")),
    # Exclusive ones.
    (HOME_B + COMMAND, 0,
     ('front "203.0.113.10": class: an exclusive front needs to know who votes; write [failover.zones] with '
      'zone-a = ["lb-a1"] and so on')),
    (HOME_B + COMMAND + TWO_ZONES, 0,
     ('front "203.0.113.10": class: of 2 zones none is a majority when another is lost; write a witness in '
      'failover.witnesses, or class = "overlap"')),
    ((EC2 % 'resource = "rtb-01234567"').replace(THREE_ZONES, TWO_ZONES), 0,
     ('front "203.0.113.10": class: of 2 zones none is a majority when another is lost; write a witness in '
      "failover.witnesses")),
    (HOME_B + 'driver = "none"\nclass = "exclusive"\n' + THREE_ZONES, 4,
     ('front "203.0.113.10": class: found "exclusive"; a front without a driver moves nothing that '
      'could be held; write '
      'class = "overlap"')),
    (HOME_B + 'driver = "ec2"\nclass = "overlap"\noptions = { resource = "rtb-01234567" }\n', 4,
     ('front "203.0.113.10": class: found "overlap"; EC2 leads an address to one node at a time; write '
      'class = "exclusive"')),
    # [failover].
    ('[failover]\nwitnesses = ["10.0.9.1:1", "10.0.9.1:1"]\n', 1,
     "failover.witnesses: a witness has one vote, however often it stands here; write each once"),
    ('[failover.zones]\na = ["x"]\nb = ["x"]\n', 2,
     'failover.zones.b: "x" stands in zone "a" already; a node is in one zone'),
    ('[failover.zones]\nzone-b = ["lb-a1"]\n', 1,
     'failover.zones.zone-b: it has this node, "lb-a1", which is in "zone-a" (node.zone); write it there'),
    ('[failover]\nwitnesses = ["10.0.1.10:7946"]\n[failover.zones]\nzone-a = ["lb-a1"]\n', 1,
     ('failover.witnesses: this node is a witness, and stands as "lb-a1" in failover.zones; it has one vote: remove '
      "one")),
    ('[failover.zones]\na = []\n', 1,
     'failover.zones.a: found an empty array; write an array such as ["lb-a1", "lb-a2"]'),
]
# fmt: on


@pytest.mark.parametrize(("text", "line", "error"), REFUSED)
def test_it_is_refused_with_its_place_and_what_to_write(text: str, line: int, error: str) -> None:
    assert errors_of(BASE + text) == [f"{FRONT_LINE + line}: {error}"]


def test_an_exclusive_front_of_a_node_alone_is_refused() -> None:
    alone = BASE.replace('[gossip]\nbind = "10.0.1.10:7946"\nkey_file = "/gossip.key"\n', "")
    (error,) = errors_of(alone + HOME_B + COMMAND + THREE_ZONES)
    assert error.endswith("an exclusive front needs votes, and a node alone has no peers; write [gossip]")


def test_there_may_not_be_too_many() -> None:
    many = "".join(HOME_B.replace(".10", f".{number}") + VIP for number in range(1, 66))
    assert errors_of(BASE + many) == [f"{FRONT_LINE}: front: more than 64 fronts; write fewer"]


def changes(before: str, after: str) -> Hot | NeedsRestart:
    def read(text: str) -> Settings:
        return settings_of(BASE + text)

    return diff(read(before), read(after))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("", HOME_B + VIP, ["front 203.0.113.10 added"]),
        (HOME_B + VIP, "", ["front 203.0.113.10 removed"]),
        (
            HOME_B + VIP,
            HOME_B + VIP.replace("eth0", "eth1") + 'hold_down = "1m"\nport = 443\nnode = "lb-b1"\n',
            [
                "front 203.0.113.10: port 80 → 443",
                "front 203.0.113.10: options.interface eth0 → eth1",
                "front 203.0.113.10: node none → lb-b1",
                "front 203.0.113.10: hold_down 30s → 60s",
            ],
        ),
        (HOME_B + VIP, HOME_B + 'driver = "none"\n', ["front 203.0.113.10: driver vip → none"]),
    ],
)
def test_fronts_change_by_a_reload(before: str, after: str, told: list[str]) -> None:
    assert changes(before, after) == Hot(tuple(told))


def test_who_votes_changes_with_a_restart() -> None:
    reasons = changes(TWO_ZONES, '[failover]\nwitnesses = ["10.0.9.1:7946"]\n' + THREE_ZONES)
    assert isinstance(reasons, NeedsRestart)
    assert reasons.reasons == (
        "failover.witnesses none → 10.0.9.1:7946 needs a restart",
        (
            "failover.zones zone-a: lb-a1, zone-b: lb-b1 → zone-a: lb-a1, lb-a2, zone-b: lb-b1, zone-c: lb-c1 needs a "
            "restart"
        ),
    )
