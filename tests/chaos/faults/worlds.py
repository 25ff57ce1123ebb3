"""A world of three zones, each with a balancer, two replicas, a client and a resolver."""

from lbmesh_chaos.model.world import Host, Role, World, Zone

_ROLES = (
    (Role.BALANCER, 1, ("lb-{}1",)),
    (Role.REPLICA, 2, ("app-{}1", "app-{}2")),
    (Role.CLIENT, 3, ("client-{}",)),
    (Role.RESOLVER, 4, ("dns-{}",)),
)


CLOCKS = ("lb-a1", "app-a1", "app-a2", "dns-a")


def three_zones() -> World:
    zones = tuple(Zone(f"zone-{letter}", number) for number, letter in enumerate("abc", 1))
    hosts = tuple(
        Host(name.format(zone.name[-1]), zone.name, role, f"10.{zone.number}.{third}.{fourth}")
        for zone in zones
        for role, third, names in _ROLES
        for fourth, name in enumerate(names, 1)
    )
    return World("test", zones, (*hosts, Host("provider", "zone-b", Role.OTHER, "10.2.5.1")), clocks=CLOCKS)
