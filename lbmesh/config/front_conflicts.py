"""[[front]]: what contradicts the fronts before it, or the nodes that there are."""

import ipaddress
from collections.abc import Iterator, Sequence

from lbmesh.config.settings import FailoverSettings, GossipSettings
from lbmesh.config.table import Table
from lbmesh.model.front import BgpDriver, Ec2Driver, Ec2Kind, Front, VipDriver


def note_conflicts(
    table: Table, front: Front, before: Sequence[Front], gossip: GossipSettings | None, failover: FailoverSettings
) -> None:
    """Note each. `before`: the fronts above it in the file."""
    match front.driver:
        case VipDriver():
            _note_nodes_address(table, front, gossip, failover)
        case BgpDriver():
            _note_nodes_address(table, front, gossip, failover)
            others = [(one, one.driver) for one in before if isinstance(one.driver, BgpDriver)]
            for other, theirs in others:
                _note_routes(table, front, front.driver, other, theirs)
        case Ec2Driver():
            _note_elastic(table, front.driver, before)
            _note_interfaces(table, front.driver, failover)
        case _:
            return


def _note_nodes_address(table: Table, front: Front, gossip: GossipSettings | None, failover: FailoverSettings) -> None:
    """A node is reached by an address that stays."""
    if gossip is None:
        return
    if front.name == gossip.advertise.host:
        whose = "the node's own address (gossip.advertise)"
    elif front.name in {one.host for one in gossip.seeds}:
        whose = "a node's address (gossip.seeds)"
    elif front.name in {one.host for one in failover.witnesses}:
        whose = "a witness's address (failover.witnesses)"
    else:
        return
    table.error(f"this is {whose}, which must stay; write one that may move", "address", found=front.name)


def _note_routes(table: Table, front: Front, own: BgpDriver, other: Front, theirs: BgpDriver) -> None:
    """A protocol of BIRD's is enabled or not, so it stands for one front; and routers follow the longest prefix that
    holds an address, whoever announces it.
    """
    if own.socket == theirs.socket:
        for protocol in sorted(set(own.protocols) & set(theirs.protocols)):
            message = f'front "{other.name}" has BIRD\'s protocol "{protocol}"; each front needs one of its own'
            table.error(message, "options")
    if moved := next(_moved_by_another(front, own, other, theirs), None):
        message = (
            f'"{moved[0].name}" is in {moved[1]}, and would go wherever "{moved[2].name}" does; '
            "write for each front a prefix that holds no other"
        )
        table.error(message, "options")


def _moved_by_another(
    front: Front, own: BgpDriver, other: Front, theirs: BgpDriver
) -> Iterator[tuple[Front, str, Front]]:
    for one, mine, mover, wide in ((front, own, other, theirs), (other, theirs, front, own)):
        address, network = ipaddress.ip_address(one.name), ipaddress.ip_network(wide.prefix)
        if address in network and network.prefixlen >= ipaddress.ip_network(mine.prefix).prefixlen:
            yield one, wide.prefix, mover


def _note_elastic(table: Table, own: Ec2Driver, before: Sequence[Front]) -> None:
    """An allocation is one address; a subnet and a route table lead many."""
    if own.kind is not Ec2Kind.ELASTIC:
        return
    for other in before:
        if isinstance(other.driver, Ec2Driver) and other.driver.resource == own.resource:
            message = f'front "{other.name}" has this allocation, which is one address; write that of this one'
            table.error(message, "options", "resource", found=own.resource)


def _note_interfaces(table: Table, own: Ec2Driver, failover: FailoverSettings) -> None:
    """Each node has an interface of its own. A node that there is not is one whose interface was not meant to be asked
    of the metadata.
    """
    nodes: dict[str, str] = {}
    for node, interface in own.interfaces:
        if interface in nodes:
            message = f'this is the interface of "{nodes[interface]}"; write the one that "{node}" has'
            table.error(message, "options", "interfaces", node, found=interface)
        nodes.setdefault(interface, node)
        if failover.zones and failover.zone_of(node) is None:
            table.error("failover.zones has no such node; correct the name", "options", "interfaces", node)
