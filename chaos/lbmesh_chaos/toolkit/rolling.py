"""What is done to one host after the other, each next one when the mesh is whole again."""

from typing import Any, cast

from lbmesh.config.values import duration_s
from lbmesh_chaos.faults import values
from lbmesh_chaos.faults.values import MACHINES, hosts_meant
from lbmesh_chaos.model.faults import Names
from lbmesh_chaos.model.world import World
from lbmesh_chaos.toolkit.session import Session
from lbmesh_chaos.toolkit.target import RefusedError
from lbmesh_chaos.toolkit.whole import wait_until_whole

AT_MOST = "2m"
"""What one host may take, before its dead man's timer starts it again."""


def restart(session: Session, targets: list[str], grace: str, whole_within: str) -> list[str]:
    """SIGTERM, and a start; the hosts. Raises RefusedError when one, or the mesh, does not come back in time."""
    return _each(session, "leave", targets, whole_within, grace=grace)


def reload(session: Session, targets: list[str], whole_within: str) -> list[str]:
    """SIGHUP; the hosts. Raises RefusedError when the mesh is not whole in time."""
    return _each(session, "reload", targets, whole_within)


def orders_of(fault: str, targets: object, world: World, **arguments: str) -> list[dict[str, Any]]:
    """The arguments of the fault for each host. Raises ValueError for targets that cannot be."""
    names = cast("Names", values.targets(*MACHINES)(targets, world))
    hosts = [host.name for name in names for host in hosts_meant(world, (name,), MACHINES)]
    return [{"targets": [host], "at_most": AT_MOST, "label": f"{fault}-{host}", **arguments} for host in hosts]


def _each(session: Session, fault: str, targets: list[str], whole_within: str, **arguments: str) -> list[str]:
    hosts = []
    for told in orders_of(fault, targets, session.target.world, **arguments):
        order = session.apply(fault, told)
        left = session.heal(order.label)
        if left:
            raise RefusedError("; ".join(left))
        wait_until_whole(session.target, duration_s(whole_within))
        hosts += told["targets"]
    return hosts
