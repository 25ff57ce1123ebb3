"""The probes, for the steady state: each is true or false, so that the tolerance is `true`."""

import logging

from lbmesh.config.values import duration_or_none_s
from lbmesh_chaos.toolkit import session
from lbmesh_chaos.toolkit.target import RefusedError
from lbmesh_chaos.toolkit.whole import wait_until_whole

__all__ = ["mesh_is_whole", "nothing_is_left"]

log = logging.getLogger("chaostoolkit")


def mesh_is_whole(within: str = "0s") -> bool:
    """Every balancer answers, and holds all the others for alive and all replicas for up; at the latest then."""
    try:
        wait_until_whole(session.current().target, duration_or_none_s(within))
    except RefusedError as why:
        log.warning(str(why))
        return False
    return True


def nothing_is_left() -> bool:
    """No fault stands, and those that were undone left nothing behind."""
    now = session.current()
    left = (*now.residue, *now.target.residue())
    for line in left:
        log.warning(line)
    return not left
