"""A world file is taken whole, or every error in it is said: what, where, and what to write instead."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from lbmesh_chaos.model.world import Attachment, Program, Role, Segment, Service, World
from lbmesh_chaos.model.world_file import parse_world
from tests.support.labs import THREE_ZONES

SHIPPED = sorted((Path(__file__).parents[3] / "chaos/worlds").glob("*.toml"))

GOOD = """\
name = "small"
clocks = ["lb-a1"]

[service]
name = "books"
host = "books.test"

[[zone]]
name = "zone-a"
balancers = ["lb-a1"]
replicas = ["app-a1", "app-a2"]
clients = ["client-a1"]
resolvers = ["dns-a1"]

[[zone]]
name = "zone-b"
replicas = ["app-b1"]

[[host]]
name = "monitor"
zone = "zone-b"

[[program]]
name = "bird"
host = "lb-a1"
command = ["bird", "-f"]

[[segment]]
name = "vips"
hosts = ["monitor", "lb-a1"]
"""


def world(text: str) -> World:
    read = parse_world(text, file="small.toml")
    assert isinstance(read, World), [str(error) for error in read]
    return read


def errors(text: str) -> list[str]:
    read = parse_world(text, file="small.toml")
    assert not isinstance(read, World)
    return [str(error) for error in read]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_world_is_right_and_called_as_its_file(file: Path) -> None:
    read = parse_world(file.read_text(), file=file.name)
    assert isinstance(read, World)
    assert read.name == file.stem
    # What is commented out is right, too.
    text = file.read_text()
    commented = [line[2:] for line in text[text.find("# [[") :].splitlines()]
    assert isinstance(parse_world("\n".join([text, *commented]), file=file.name), World)


def test_all_of_a_world() -> None:
    read = world(GOOD)
    assert read.service == Service("books", "books.test")
    assert read.clocks == ("lb-a1",)
    assert [zone.name for zone in read.zones] == ["zone-a", "zone-b"]
    assert read.segments == (Segment("vips", 201, ("monitor", "lb-a1")),)
    balancer = read.host("lb-a1")
    assert balancer is not None
    assert balancer.programs == (Program("bird", ("bird", "-f")),)
    assert balancer.attachments == (Attachment("vips", "eth1", "10.201.0.2"),)


def test_addresses_say_zone_role_and_number() -> None:
    addresses = {host.name: host.address for host in world(GOOD).everywhere if host.address}
    assert addresses == {
        "router-zone-a": "10.1.0.1",
        "lb-a1": "10.1.1.1",
        "app-a1": "10.1.2.1",
        "app-a2": "10.1.2.2",
        "client-a1": "10.1.3.1",
        "dns-a1": "10.1.4.1",
        "router-zone-b": "10.2.0.1",
        "app-b1": "10.2.2.1",
        "monitor": "10.2.5.1",
    }


def test_a_name_means_a_host_or_all_of_a_zone() -> None:
    read = world(GOOD)
    assert [host.name for host in read.meant_by("zone-b")] == ["app-b1", "monitor"]
    assert [host.role for host in read.meant_by("router-zone-a")] == [Role.ROUTER]
    assert read.meant_by("zone-c") == ()
    assert 'write "lb-a1"' in read.explain_unknown("lb-a2")


_NAME = 'small letters, digits and "-", at most 15, and not beginning with "router-" or "segment-"'


@pytest.mark.parametrize(
    ("found", "instead", "said"),
    [
        ('name = "small"', "", 'small.toml:1: name: missing; write name = "three-zones"'),
        ('name = "small"', "name = 3", f'small.toml:1: name: found 3; write a name such as "lb-a1": {_NAME}'),
        (
            '"lb-a1"]\nrep',
            '"LB"]\nrep',
            f'zone "zone-a": balancers[#1]: found "LB"; write a name such as "lb-a1": {_NAME}',
        ),
        ('"lb-a1"]\nrep', '"router-x"]\nrep', 'found "router-x"; write a name such as'),
        ('"lb-a1"]\nrep', '"a-name-too-long-"]\nrep', 'found "a-name-too-long-"; write a name such as'),
        ('balancers = ["lb-a1"]', 'balancers = "lb-a1"', 'balancers: write an array such as ["lb-a1"]'),
        (
            'balancers = ["lb-a1"]',
            'balancer = ["lb-b1"]',
            'small.toml:10: zone "zone-a": balancer: unknown key; write balancers',
        ),
        (
            '"app-a2"',
            '"lb-a1"',
            'small.toml:11: zone "zone-a": replicas: found "lb-a1"; this name is taken by a balancer of zone-a',
        ),
        ('"app-a2"', '"backbone"', 'found "backbone"; this name is taken by the lab itself; write another'),
        ('name = "zone-b"', "", 'small.toml:15: zone #2: name: missing; write name = "zone-a"'),
        ('name = "zone-b"', 'name = "zone-a"', 'found "zone-a"; this name is taken by zone zone-a; write another'),
        (
            'zone = "zone-b"',
            'zone = "zone-x"',
            'small.toml:21: host "monitor": zone: found "zone-x"; no zone is called so; write one of zone-a',
        ),
        ('zone = "zone-b"', "", 'host "monitor": zone: missing; write zone = "zone-a"'),
        (
            'host = "lb-a1"',
            'host = "lb-x"',
            'small.toml:25: program "bird": host: found "lb-x"; no host is called so; write one of lb-a1',
        ),
        ('name = "bird"', 'name = "lbmesh"', 'found "lbmesh"; lb-a1 has a program of this name; write another'),
        ('command = ["bird", "-f"]', "", 'program "bird": command: missing; write command = ["bird", "-f"]'),
        ('command = ["bird", "-f"]', "command = []", "command: found an empty array; write an array such as"),
        (
            '["bird", "-f"]',
            '["bird", 3]',
            "command[#2]: found 3; write a command's words, each a string that is not empty",
        ),
        (
            '["monitor", "lb-a1"]',
            '["monitor", "lb-x"]',
            'small.toml:30: segment "vips": hosts[#2]: found "lb-x"; no host is called so',
        ),
        ('["monitor", "lb-a1"]', '["monitor", "monitor"]', 'hosts[#2]: found "monitor"; is there twice; remove one'),
        ('name = "vips"', 'name = "too-long"', 'found "too-long"; write a name of at most 7 characters'),
        ('hosts = ["monitor", "lb-a1"]', "", 'segment "vips": hosts: missing; write hosts = ["lb-a1", "lb-b1"]'),
        (
            'host = "books.test"',
            'host = "books"',
            'small.toml:6: service.host: found "books"; write a name of at least two labels',
        ),
        ('clocks = ["lb-a1"]', 'clocks = ["lb-x"]', 'small.toml:2: clocks #1: found "lb-x"; no host is called so'),
        ("[[zone]]", "[[zones]]", "unknown key; write zone"),
        ("[[zone]]", "[zone", "small.toml:8: not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_to_write(found: str, instead: str, said: str) -> None:
    assert found in GOOD
    assert said in "\n".join(errors(GOOD.replace(found, instead)))


def test_all_errors_are_said_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace("small", "Small").replace('"app-a2"', '"lb-a1"').replace('"bird", "-f"', "1")
    said = errors(text)
    assert [line.split(":")[1] for line in said] == ["1", "11", "26"]


def test_balancers_without_replicas_are_refused() -> None:
    (said,) = errors('name = "x"\n[[zone]]\nname = "a"\nbalancers = ["b"]\n')
    assert 'no zone has replicas for the balancers; write replicas = ["app-a1"] into one' in said


def test_a_world_without_zones_is_refused() -> None:
    (said,) = errors('name = "x"\n')
    assert "zone: missing; write at least one [[zone]]" in said


def test_every_bound_is_kept() -> None:
    many = "".join(f'[[zone]]\nname = "z{number}"\n' for number in range(201))
    assert "more than 200 zones" in errors(f'name = "x"\n{many}')[0]
    hosts = ", ".join(f'"h{number}"' for number in range(251))
    assert "more than 250 in one zone" in errors(f'name = "x"\n[[zone]]\nname = "z"\nclients = [{hosts}]\n')[0]
    segments = "".join(f'[[segment]]\nname = "s{number}"\nhosts = ["monitor"]\n' for number in range(51))
    assert "more than 50 segments" in "\n".join(errors(GOOD[: GOOD.index("[[segment]]")] + segments))
    programs = "".join(f'[[program]]\nname = "p{number}"\nhost = "monitor"\ncommand = ["x"]\n' for number in range(17))
    assert "more than 16 programs on monitor" in "\n".join(errors(GOOD + programs))
    words = ", ".join('"x"' for _ in range(65))
    assert "more than 64 words" in "\n".join(errors(GOOD.replace('"bird", "-f"', words)))


def test_a_world_of_ipv6_has_the_same_numbers() -> None:
    read = parse_world("ipv6 = true\n" + THREE_ZONES, file="test.toml")
    assert isinstance(read, World)
    addresses = {name: getattr(read.host(name), "address", None) for name in ("lb-a1", "app-b2", "router-zone-c")}
    assert addresses == {"lb-a1": "fd00::1:1:1", "app-b2": "fd00::2:2:2", "router-zone-c": "fd00::3:0:1"}
    assert (read.zones[1].network, read.zones[1].backbone_address) == ("fd00::2:0:0/96", "fd00::2")
    assert all(str(ip_address(host.address)) == host.address for host in read.hosts), "as the kernel writes them"
    assert all(
        ip_address(one.address) in ip_network(zone.network) for zone in read.zones for one in read.in_zone(zone.name)
    )
