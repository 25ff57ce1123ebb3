"""The files of a world's hosts, made from the world alone."""

import json
from pathlib import Path

from lbmesh.config.check import check_file
from lbmesh_chaos.lab import files, paths
from lbmesh_chaos.lab.hands import poisoned
from lbmesh_chaos.model.faults import Poison
from lbmesh_chaos.model.world import Host, Role, World
from lbmesh_chaos.model.world_file import parse_world
from tests.support.labs import THREE_ZONES, TWO_ZONES


def world(text: str) -> World:
    read = parse_world(text, file="test.toml")
    assert isinstance(read, World)
    return read


def host(read: World, name: str) -> Host:
    found = read.host(name)
    assert found is not None
    return found


def checked(text: str, place: Path) -> tuple[str, ...]:
    """What `lbmesh check` says of a configuration, with the lab's own paths moved."""
    key = place / files.GOSSIP_KEY
    key.write_text(f"{'0' * 64}\n")
    key.chmod(0o600)
    file = place / "lbmesh.toml"
    file.write_text(text.replace(str(paths.etc("lb-a1")), str(place)))
    return check_file(file, unix_s=0.0)


def test_a_balancers_configuration_is_one_that_lbmesh_takes(tmp_path: Path) -> None:
    for text in (THREE_ZONES, TWO_ZONES):
        read = world(text)
        config = files.balancer_config(host(read, "lb-a1"), read)
        assert checked(config, tmp_path) == ()
        assert config.count("address =") == len(read.with_role(Role.REPLICA))


def test_every_poison_but_the_missing_replicas_is_refused_by_lbmesh(tmp_path: Path) -> None:
    """What is refused cannot do harm; whether a configuration without replicas is, is for the drill to find out."""
    read = world(THREE_ZONES)
    good = files.balancer_config(host(read, "lb-a1"), read).encode()
    for poison in Poison:
        bad = poisoned(good, poison)
        assert bad != good
        if poison is Poison.NO_REPLICAS:
            assert b"replicas = []" in bad
        elif poison is not Poison.GARBAGE:
            assert checked(bad.decode(), tmp_path) != ()


def test_a_host_asks_its_own_zones_resolver_first() -> None:
    read = world(THREE_ZONES)
    lines = files.resolv_conf(host(read, "client-b1"), read).splitlines()
    assert lines[:3] == ["nameserver 10.2.4.1", "nameserver 10.1.4.1", "nameserver 10.3.4.1"]


def test_resolvers_know_all_hosts_and_the_service() -> None:
    names = json.loads(files.names(world(TWO_ZONES)))
    assert names["app-b1.lab"] == ["10.2.2.1"]
    assert names["shop.lab"] == ["10.1.1.1"]
