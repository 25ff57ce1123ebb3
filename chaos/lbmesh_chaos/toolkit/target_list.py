"""The safety list of a drill at real hosts: which nodes there are, what may be done to each, how much at a time. Pure.

name = "staging"

[safety]
nodes_max_share = 0.34                # of the nodes, struck at the same time; never in two zones
at_most_max = "2m"                    # no fault may be ordered for longer

[[node]]
name = "lb-a1"                        # as in its configuration; so are zone and admin
zone = "zone-a"
admin = "10.1.1.1:9900"
token_file = "/etc/lbmesh/admin.token"
faults = ["kill agent", "kill forwarder"]    # what may be done to it; without this: nothing

[[replica]]                           # what the steady state asks for; nothing is ever done to it
name = "app-a1"
zone = "zone-a"
address = "10.1.2.1:8080"

What load may be sent, and where to, is in target_load.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lbmesh.config import values
from lbmesh.config.errors import ConfigError
from lbmesh.config.parse import read_toml
from lbmesh.config.table import Table, in_order
from lbmesh.model.address import Address
from lbmesh_chaos.faults.order import Order
from lbmesh_chaos.faults.values import MACHINES, hosts_meant, nearest
from lbmesh_chaos.model import faults
from lbmesh_chaos.model.faults import Part
from lbmesh_chaos.model.world import Host, Role, World, Zone
from lbmesh_chaos.model.world_file import valid_name
from lbmesh_chaos.toolkit.bounded import duration_up_to, number_up_to
from lbmesh_chaos.toolkit.target_load import TargetLoad, read_target_load

NODES_MAX = 1000
_SHARE_MAX = 0.5
_AT_MOST_MAX_S = 600.0
"""Nodes themselves take no order for longer."""
_PARTS = (Part.AGENT, Part.FORWARDER, Part.FORWARDERS)
ABLE = (*(f"{fault} {part}" for fault in ("kill", "freeze") for part in _PARTS), "reload", "leave")
"""What nodes do to themselves. After "leave" only a service manager starts them again (systemd: Restart=always)."""


@dataclass(frozen=True, slots=True)
class TargetNode:
    """One balancer. `able`: words of ABLE that may be done to it."""

    name: str
    zone: str
    admin: Address
    token_file: Path | None
    able: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetList:
    """All that a drill may know of, and do. `load`: None: none may be sent."""

    name: str
    nodes: tuple[TargetNode, ...]
    replicas: tuple[Host, ...]
    nodes_max_share: float
    at_most_max_s: float
    load: TargetLoad | None = None

    @property
    def world(self) -> World:
        """What experiments name."""
        balancers = (Host(one.name, one.zone, Role.BALANCER, one.admin.host) for one in self.nodes)
        hosts = (*balancers, *self.replicas)
        zones = tuple(Zone(name, number) for number, name in enumerate(dict.fromkeys(one.zone for one in hosts), 1))
        return World(
            self.name, zones, tuple(sorted(hosts, key=lambda one: [zone.name for zone in zones].index(one.zone)))
        )

    def node(self, name: str) -> TargetNode | None:
        """The node of this name."""
        return next((one for one in self.nodes if one.name == name), None)

    def why_not(self, order: Order, standing: Iterable[Order]) -> str | None:
        """Why an order may not be done while others stand; None when it may."""
        able = able_word(order.fault)
        if able is None:
            return f"a node cannot do this to itself, and undo it; {instead_of(order.fault)}"
        if order.flapping is not None:
            return "nodes do not flap; order the fault several times instead"
        if order.at_most_s > self.at_most_max_s:
            return f"at_most is {order.at_most_s:g} s; the target's list allows {self.at_most_max_s:g} s"
        mine = self.struck(order)
        for one in mine:
            if able not in one.able:
                allowed = ", ".join(one.able) or "nothing"
                return f'"{able}" is not allowed on {one.name}; the target\'s list allows {allowed}'
        struck = {one.name: one for each in (*standing, order) for one in self.struck(each)}
        zones = sorted({one.zone for one in struck.values()})
        if len(zones) > 1:
            return f"{' and '.join(zones)} would be struck at the same time; heal one first, or aim at one zone"
        if len(struck) > self.nodes_max_share * len(self.nodes):
            return (
                f"{len(struck)} of {len(self.nodes)} nodes would be struck at the same time; nodes_max_share of the "
                f"target's list is {self.nodes_max_share:g}"
            )
        return None

    def struck(self, order: Order) -> tuple[TargetNode, ...]:
        """The nodes that an order is about."""
        names = getattr(order.fault, "targets", ())
        meant = {host.name for host in hosts_meant(self.world, names, MACHINES)}
        return tuple(one for one in self.nodes if one.name in meant)


def able_word(fault: faults.Fault) -> str | None:
    """The word of ABLE for a fault; None for one that nodes cannot do to themselves."""
    match fault:
        case faults.Kill(_, part) if part in _PARTS:
            return f"kill {part}"
        case faults.Freeze(_, part) if part in _PARTS:
            return f"freeze {part}"
        case faults.Reload():
            return "reload"
        case faults.Leave():
            return "leave"
        case _:
            return None


def instead_of(fault: faults.Fault) -> str:
    """What to use for a fault that nodes cannot do to themselves."""
    match fault:
        case faults.Kill() | faults.Freeze():
            return "write part: agent, forwarder or forwarders; a whole machine is ended by what it runs on"
        case faults.Starve():
            return "use a lab, or systemctl set-property --runtime lbmesh.service CPUQuota=20%"
        case faults.ClockJump() | faults.DiskFull():
            return "use a lab"
        case faults.DnsDown() | faults.Ailing() | faults.ControlPlane():
            return "use a lab: what is no balancer has no admin API"
        case faults.ConfigPoison():
            return "use a lab, or push the file as you push every other one; lbmesh keeps what it has"
        case _:
            return "use a lab: who cuts itself off cannot be told to come back; or your network's own filters"


def parse_target_list(text: str, *, file: str) -> TargetList | tuple[ConfigError, ...]:
    """The list in a text, or all that is wrong with it, with its lines."""
    root = read_toml(text, file)
    if isinstance(root, ConfigError):
        return (root,)
    name = root.required("name", valid_name, '"staging"')
    share, at_most_s = _safety(root)
    taken: set[str] = set()
    nodes = tuple(node for table in root.tables("node", "name") if (node := _node(table, taken)) is not None)
    replicas = tuple(host for table in root.tables("replica", "name") if (host := _replica(table, taken)) is not None)
    if "node" not in root.values:
        root.error("missing; write a [[node]] for each balancer", "node")
    if len(nodes) > NODES_MAX:
        root.error(f"more than {NODES_MAX} nodes; write a list for a part of them", "node")
    load = read_target_load(root, {one.zone for one in nodes})
    root.close()
    if root.report.errors or name is None:
        return in_order(root.report.errors)
    return TargetList(name, nodes, replicas, share, at_most_s, load)


def _safety(root: Table) -> tuple[float, float]:
    table = root.table("safety")
    if table is None:
        root.error('missing; write [safety] with nodes_max_share = 0.34 and at_most_max = "2m"', "safety")
        return 0.0, 0.0
    share = table.required("nodes_max_share", partial(number_up_to, _SHARE_MAX), "0.34")
    at_most_s = table.required("at_most_max", partial(duration_up_to, _AT_MOST_MAX_S), '"2m"')
    table.close()
    return share or 0.0, at_most_s or 0.0


def _node(table: Table, taken: set[str]) -> TargetNode | None:
    name = _name(table, taken)
    zone = table.required("zone", valid_name, '"zone-a"')
    admin = table.required("admin", values.bind_address, '"10.1.1.1:9900"')
    token_file = table.optional("token_file", values.file_path, None)
    able = table.items("faults", _able, (), '["kill agent"]')
    table.close()
    if name is None or zone is None or admin is None:
        return None
    return TargetNode(name, zone, admin, token_file, able)


def _replica(table: Table, taken: set[str]) -> Host | None:
    name = _name(table, taken)
    zone = table.required("zone", valid_name, '"zone-a"')
    address = table.required("address", values.bind_address, '"10.1.2.1:8080"')
    table.close()
    if name is None or zone is None or address is None:
        return None
    return Host(name, zone, Role.REPLICA, address.host, port=address.port)


def _name(table: Table, taken: set[str]) -> str | None:
    name = table.required("name", valid_name, '"lb-a1"')
    if name in taken:
        table.error("this name is taken; write another", "name", found=name)
    if name is not None:
        taken.add(name)
    return name


def _able(value: object) -> str:
    if value not in ABLE:
        raise ValueError(nearest(str(value), list(ABLE)))
    return str(value)
