"""The network of a world in the words of ip(8): bridges, cables, addresses, routes. Pure.

Both ends of every cable are in the lab. What a namespace's script makes reaches only into namespaces of the stages
before it, so those of one stage can run at the same time.
"""

from collections.abc import Iterator

from lbmesh_chaos.model.world import BACKBONE, BRIDGE, UPLINK, Host, Role, Segment, World, Zone

Script = tuple[str, tuple[str, ...]]
"""A namespace, and the lines for `ip -batch` in it."""


def namespaces(world: World) -> tuple[str, ...]:
    """All of them."""
    return tuple(host.name for host in world.everywhere)


def stages(world: World) -> tuple[tuple[Script, ...], ...]:
    """What to run, one stage after the other."""
    bridges = [BACKBONE, *(f"segment-{one.name}" for one in world.segments)]
    return (
        tuple((name, _BRIDGE) for name in bridges),
        tuple((zone.router, tuple(_router(zone, world))) for zone in world.zones),
        (
            (BACKBONE, tuple(_ports(zone.name for zone in world.zones))),
            *((f"segment-{one.name}", tuple(_segment(one, world))) for one in world.segments),
        ),
        tuple((host.name, tuple(_host(host, world))) for host in world.hosts),
    )


_BRIDGE = ("link set lo up", f"link add {BRIDGE} type bridge mcast_snooping 0", f"link set {BRIDGE} up")


def _router(zone: Zone, world: World) -> Iterator[str]:
    yield from _BRIDGE
    yield _address(zone.router_address, BRIDGE)
    hosts = [host.name for host in world.in_zone(zone.name)]
    for name in hosts:
        yield f"link add {name} type veth peer name {UPLINK} netns {name}"
    yield from _ports(hosts)
    yield f"link add {BACKBONE} type veth peer name {zone.name} netns {BACKBONE}"
    yield _address(zone.backbone_address, BACKBONE, _ON_BACKBONE)
    yield f"link set {BACKBONE} up"
    for other in world.zones:
        if other != zone:
            yield f"route add {other.network} via {other.backbone_address}"


def _segment(segment: Segment, world: World) -> Iterator[str]:
    for host in world.hosts:
        for attachment in host.attachments:
            if attachment.segment == segment.name:
                yield f"link add {host.name} type veth peer name {attachment.interface} netns {host.name}"
    yield from _ports(segment.hosts)


def _ports(names: Iterator[str] | list[str] | tuple[str, ...]) -> Iterator[str]:
    for name in names:
        yield f"link set {name} master {BRIDGE} up"


def _host(host: Host, world: World) -> Iterator[str]:
    zone = world.zone(host.zone)
    assert zone is not None, "the parser saw to it"
    yield "link set lo up"
    yield _address(host.address, UPLINK)
    yield f"link set {UPLINK} up"
    yield f"route add default via {zone.router_address}"
    for attachment in host.attachments:
        yield _address(attachment.address, attachment.interface)
        yield f"link set {attachment.interface} up"


_IN_ZONE, _ON_BACKBONE = (16, 96), (24, 112)
"""How long the network's part of an address is, of IPv4 and of IPv6."""


def _address(address: str, interface: str, lengths: tuple[int, int] = _IN_ZONE) -> str:
    """Without duplicate address detection (RFC 4862, 5.4), during which nobody could bind to it."""
    short, long = lengths
    return (
        f"addr add {address}/{long} dev {interface} nodad"
        if ":" in address
        else f"addr add {address}/{short} dev {interface}"
    )


def settings(host: Host) -> tuple[tuple[str, str], ...]:
    """What to write below /proc/sys in the host's namespaces."""
    common = (
        ("kernel/hostname", host.name),
        ("net/ipv4/conf/all/rp_filter", "0"),
        ("net/ipv4/conf/default/rp_filter", "0"),
    )
    # A host must forward IPv6 for its relay's sake: unlike IPv4, it is not a single interface's to say.
    forwarding = ("net/ipv6/conf/all/forwarding", "1")
    return (*common, forwarding, *((("net/ipv4/ip_forward", "1"),) if host.role is Role.ROUTER else ()))
