"""The world's names and addresses, and what a name stands for."""

from lbmesh.dev.world import Transport, World, make_world


def friendly() -> World:
    return make_world(lambda _host, wanted, _transport: wanted)


def test_three_zones_with_a_balancer_and_two_replicas_each() -> None:
    world = friendly()

    assert world.zones == ("zone-a", "zone-b", "zone-c")
    assert [one.name for one in world.balancers] == ["lb-a1", "lb-b1", "lb-c1"]
    assert [one.name for one in world.replicas] == ["app-a1", "app-a2", "app-b1", "app-b2", "app-c1", "app-c2"]


def test_friendly_addresses() -> None:
    first, replica = friendly().balancers[0], friendly().replicas[0]

    assert (first.url, str(first.admin), str(first.gossip)) == (
        "http://127.0.1.1:8080/",
        "127.0.1.1:9900",
        "127.0.1.1:7946",
    )
    assert str(replica.address) == "127.0.1.21:8000"


def test_ports_are_the_choosers_and_gossip_alone_is_udp() -> None:
    asked: list[tuple[str, int, Transport]] = []

    def choose(host: str, wanted: int, transport: Transport) -> int:
        asked.append((host, wanted, transport))
        return wanted + 10_000

    world = make_world(choose)

    assert str(world.balancers[1].gossip) == "127.0.2.1:17946"
    assert {wanted for _, wanted, transport in asked if transport is Transport.UDP} == {7946}
    assert len(asked) == len(set(asked)) == 15


def test_a_name_stands_for_one_process_or_for_a_zone() -> None:
    world = friendly()

    assert [one.name for one in world.meant_by("app-b2")] == ["app-b2"]
    assert [one.name for one in world.meant_by("zone-c")] == ["lb-c1", "app-c1", "app-c2"]
    assert world.meant_by("zone-d") == ()


def test_an_unknown_name_gets_the_nearest_one() -> None:
    assert 'did you mean "zone-b"?' in friendly().explain_unknown("zoneb")
    assert "did you mean" not in friendly().explain_unknown("???")
