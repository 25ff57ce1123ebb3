"""[[front]] and [failover]: the addresses that clients use, and who has a vote when one must move."""

import ipaddress
from collections.abc import Sequence

from lbmesh.config import values
from lbmesh.config.front_conflicts import note_conflicts
from lbmesh.config.front_values import (
    absolute_path,
    bird_protocol,
    check_interval_s,
    command_timeout_s,
    front_address,
    interface_name,
)
from lbmesh.config.fronts_ec2 import read_ec2
from lbmesh.config.settings import FailoverSettings, GossipSettings, ListenerSettings, NodeSettings
from lbmesh.config.table import Table
from lbmesh.model.address import Address
from lbmesh.model.front import (
    BIRD_SOCKET,
    CLASS_OF,
    COMMAND_CHECK_S,
    COMMAND_TIMEOUT_S,
    HOLD_DOWN_S,
    BgpDriver,
    CommandDriver,
    Driver,
    DriverKind,
    Ec2Driver,
    Front,
    FrontClass,
    NoDriver,
    VipDriver,
)

FRONTS_MAX = 64
"""All are looked at in one step of the agent's: measured, 3.6 ms with 64 fronts and 100 nodes."""

WITNESSES_MAX = 8
ZONES_MAX = 64
ZONES_WITHOUT_WITNESS = 3
"""With fewer voters than that, the loss of one leaves no majority."""

WEIGHT_MAX = 100
HTTP_PORT = 80


def read_failover(root: Table, node: NodeSettings | None, gossip: GossipSettings | None) -> FailoverSettings:
    """[failover]; one without witnesses and zones when there is none."""
    table = root.table("failover")
    if table is None:
        return FailoverSettings()
    witnesses = table.items("witnesses", values.reachable_address, (), '["10.0.9.1:7946"]')
    if len(witnesses) > WITNESSES_MAX:
        table.error(f"more than {WITNESSES_MAX} witnesses; write one, or two", "witnesses")
    if len(set(witnesses)) < len(witnesses):
        table.error("a witness has one vote, however often it stands here; write each once", "witnesses")
    zones = _read_zones(table)
    table.close()
    failover = FailoverSettings(witnesses, zones)
    _check_own_vote(table, node, gossip, failover)
    return failover


def _check_own_vote(
    table: Table, node: NodeSettings | None, gossip: GossipSettings | None, failover: FailoverSettings
) -> None:
    """This node is where it says that it is, and has one vote."""
    if node is None:
        return
    zone = failover.zone_of(node.name)
    if zone is not None and zone != node.zone:
        message = f'it has this node, "{node.name}", which is in "{node.zone}" (node.zone); write it there'
        table.error(message, "zones", zone)
    if zone is not None and gossip is not None and gossip.advertise in failover.witnesses:
        message = f'this node is a witness, and stands as "{node.name}" in failover.zones; it has one vote: remove one'
        table.error(message, "witnesses")


def _read_zones(failover: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each zone with its nodes, by name."""
    table = failover.table("zones")
    if table is None:
        return ()
    if len(table.values) > ZONES_MAX:
        table.error(f"more than {ZONES_MAX} zones; write fewer")
        return ()
    homes: dict[str, str] = {}
    zones: list[tuple[str, tuple[str, ...]]] = []
    for zone in sorted(table.values):
        nodes = table.items(zone, values.name, (), '["lb-a1", "lb-a2"]')
        for name in nodes:
            if name in homes:
                table.error(f'"{name}" stands in zone "{homes[name]}" already; a node is in one zone', zone)
            homes.setdefault(name, zone)
        zones.append((zone, tuple(sorted(set(nodes)))))
    return tuple(zones)


def read_fronts(
    root: Table,
    node: NodeSettings | None,
    gossip: GossipSettings | None,
    listeners: Sequence[ListenerSettings],
    failover: FailoverSettings,
) -> tuple[Front, ...]:
    """[[front]], in the file's order. Fronts that contradict each other or the mesh are noted."""
    tables = root.tables("front", label="address")
    if len(tables) > FRONTS_MAX:
        root.error(f"more than {FRONTS_MAX} fronts; write fewer", "front")
        return ()
    first_lines: dict[str, int] = {}
    fronts: list[Front] = []
    for table in tables:
        front = _read_front(table, listeners, failover)
        table.close()
        if front is None:
            continue
        if front.name in first_lines:
            message = f"line {first_lines[front.name]} has this front already; an address has one home: remove one"
            table.error(message, "address", found=front.name)
        first_lines.setdefault(front.name, table.line("address"))
        _check_home(table, front, node, failover)
        _check_class(table, front, gossip, failover)
        note_conflicts(table, front, fronts, gossip, failover)
        fronts.append(front)
    return tuple(fronts)


def _read_front(table: Table, listeners: Sequence[ListenerSettings], failover: FailoverSettings) -> Front | None:
    host = table.required("address", front_address, '"203.0.113.10"')
    port = table.optional("port", values.whole_number(1, 65_535), _first_port(listeners))
    node = table.optional("node", values.name, None)
    zone = table.optional("zone", values.name, failover.zone_of(node) if node else None)
    if zone is None and "zone" not in table.values:
        table.error('missing; write zone = "zone-a", where it is at home', "zone")
    kind = table.required("driver", values.one_of(DriverKind), '"vip"')
    driver = _read_driver(table, kind, host) if kind and host else None
    front_class = table.optional("class", values.one_of(FrontClass), CLASS_OF[kind] if kind else FrontClass.OVERLAP)
    hold_down_s = table.optional("hold_down", values.duration_or_none_s, HOLD_DOWN_S)
    weight = table.optional("weight", values.whole_number(1, WEIGHT_MAX), 1)
    if host is None or zone is None or driver is None:
        table.known.add("options")
        return None
    return Front(Address(host, port), zone, node, front_class, driver, hold_down_s, weight)


def _first_port(listeners: Sequence[ListenerSettings]) -> int:
    return (listeners[0].bind.port if listeners else 0) or HTTP_PORT


def _read_driver(front: Table, kind: DriverKind, host: str) -> Driver | None:
    """The driver with its `options`; None when something is wrong there, which is noted."""
    if kind is DriverKind.NONE:
        front.known.add("options")
        if "options" in front.values:
            found = front.values["options"]
            front.error("a front without a driver takes none; remove it", "options", found=found)
        return NoDriver()
    options = front.table("options")
    if options is None:
        if "options" in front.values:
            return None
        options = Table({}, (*front.keys, "options"), f"{front.path}.options", front.report)
    driver = _read_options(options, kind, host)
    options.close()
    return driver


def _read_options(options: Table, kind: DriverKind, host: str) -> Driver | None:
    address = ipaddress.ip_address(host)
    longest: int = address.max_prefixlen
    match kind:
        case DriverKind.VIP:
            interface = options.required("interface", interface_name, '"eth0"')
            length = options.optional("prefix_length", values.whole_number(1, longest), longest)
            return VipDriver(interface, length) if interface else None
        case DriverKind.BGP:
            protocol = options.required("protocol", bird_protocol, '"front_a"')
            takeover = options.optional("takeover", bird_protocol, None)
            if takeover is not None and takeover == protocol:
                message = "this is the protocol itself; write a second one, whose route routers prefer, or leave it out"
                options.error(message, "takeover", found=takeover)
            prefix = options.optional("prefix", values.network, f"{host}/{longest}")
            if address not in ipaddress.ip_network(prefix):
                options.error(f"{host} is not in it; write the network that holds the front", "prefix", found=prefix)
            socket = options.optional("socket", absolute_path, BIRD_SOCKET)
            return BgpDriver(protocol, prefix, socket, takeover) if protocol else None
        case DriverKind.EC2:
            return read_ec2(options, address)
        case DriverKind.COMMAND:
            run = options.required("run", absolute_path, '"/usr/local/sbin/move-front"')
            timeout_s = options.optional("timeout", command_timeout_s, COMMAND_TIMEOUT_S)
            check_s = options.optional("check", check_interval_s, COMMAND_CHECK_S)
            return CommandDriver(run, timeout_s, check_s) if run else None
        case DriverKind.NONE:
            return NoDriver()


def _check_home(table: Table, front: Front, node: NodeSettings | None, failover: FailoverSettings) -> None:
    """The home must be one that there is."""
    if node and front.node == node.name and front.zone != node.zone:
        message = f'its home node is this one, which is in "{node.zone}" (node.zone); write that'
        table.error(message, "zone", found=front.zone)
        return
    zones = dict(failover.zones)
    if not zones:
        return
    if front.zone not in zones:
        known = ", ".join(f'"{zone}"' for zone in zones)
        table.error(f"failover.zones has no such zone; write one of {known}", "zone", found=front.zone)
    elif front.node and front.node not in zones[front.zone]:
        elsewhere = failover.zone_of(front.node)
        message = (
            f'failover.zones has it in "{elsewhere}"; write zone = "{elsewhere}"'
            if elsewhere
            else "failover.zones has no such node; write one of " + ", ".join(f'"{name}"' for name in zones[front.zone])
        )
        table.error(message, "node", found=front.node)


def _check_class(table: Table, front: Front, gossip: GossipSettings | None, failover: FailoverSettings) -> None:
    """An exclusive front needs a driver that makes sense of it, and votes that survive the loss of a zone."""
    match front.driver:
        case NoDriver() if front.is_exclusive:
            table.error(
                'a front without a driver moves nothing that could be held; write class = "overlap"',
                "class",
                found="exclusive",
            )
            return
        case Ec2Driver() if not front.is_exclusive:
            message = 'EC2 leads an address to one node at a time; write class = "exclusive"'
            table.error(message, "class", found="overlap")
            return
        case _:
            pass
    if not front.is_exclusive:
        return
    if gossip is None:
        table.error("an exclusive front needs votes, and a node alone has no peers; write [gossip]", "class")
    elif not failover.zones:
        message = 'an exclusive front needs to know who votes; write [failover.zones] with zone-a = ["lb-a1"] and so on'
        table.error(message, "class")
    elif len(failover.zones) + len(failover.witnesses) < ZONES_WITHOUT_WITNESS:
        message = f"of {len(failover.zones)} zones none is a majority when another is lost; write a witness in "
        message += "failover.witnesses" + ("" if isinstance(front.driver, Ec2Driver) else ', or class = "overlap"')
        table.error(message, "class")
