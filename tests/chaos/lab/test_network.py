"""The network's scripts: each interface is made before it is used, and both ends of each cable are in the lab."""

from lbmesh_chaos.lab.network import namespaces, settings, stages
from lbmesh_chaos.model.world import Role, World
from lbmesh_chaos.model.world_file import parse_world
from tests.support.labs import THREE_ZONES

SEGMENT = '[[segment]]\nname = "vips"\nhosts = ["lb-a1", "lb-b1"]\n'


def world() -> World:
    read = parse_world(THREE_ZONES + SEGMENT, file="test.toml")
    assert isinstance(read, World)
    return read


def test_every_namespace_has_its_interfaces_before_they_are_used() -> None:
    there: dict[str, set[str]] = {name: {"lo"} for name in namespaces(world())}
    for stage in stages(world()):
        made: list[tuple[str, str]] = []
        for name, lines in stage:
            own = set(there[name])
            for line in lines:
                words = line.split()
                match words[:2]:
                    case ["link", "add"]:
                        own.add(words[2])
                        made.append((name, words[2]))
                        if "peer" in words:
                            made.append((words[words.index("netns") + 1], words[words.index("peer") + 2]))
                    case ["link", "set"]:
                        assert words[2] in own, (name, line)
                    case ["addr", "add"]:
                        assert words[-1] in own, (name, line)
                    case _:
                        assert words[:2] == ["route", "add"], line
        for name, interface in made:
            there[name].add(interface)
    assert there["lb-a1"] == {"lo", "eth0", "eth1"}
    assert there["router-zone-a"] >= {"bridge", "backbone", "lb-a1", "app-a1", "app-a2", "client-a1", "dns-a1"}
    assert there["segment-vips"] == {"lo", "bridge", "lb-a1", "lb-b1"}
    assert there["backbone"] == {"lo", "bridge", "zone-a", "zone-b", "zone-c"}


def test_interfaces_of_one_stage_do_not_need_each_other() -> None:
    """Its scripts run at the same time: what one puts into another namespace, that one's script must not touch."""
    for stage in stages(world()):
        scripts = dict(stage)
        assert len(scripts) == len(stage)
        for name, lines in stage:
            for line in lines:
                words = line.split()
                if "peer" in words:
                    peer, other = words[words.index("peer") + 2], words[words.index("netns") + 1]
                    assert all(peer not in each.split() for each in scripts.get(other, ())), (name, line)


def test_only_routers_forward() -> None:
    for host in world().everywhere:
        assert (("net/ipv4/ip_forward", "1") in settings(host)) == (host.role is Role.ROUTER)
