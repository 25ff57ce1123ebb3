"""The probes, for the steady state: each is true or false, so that the tolerance is `true`."""

import logging

from lbmesh.config.values import duration_or_none_s
from lbmesh_chaos.toolkit import session
from lbmesh_chaos.toolkit.session import Session
from lbmesh_chaos.toolkit.target import RefusedError
from lbmesh_chaos.toolkit.whole import wait_until_whole

__all__ = ["mesh_is_whole", "nothing_is_left"]

log = logging.getLogger("chaostoolkit")


def mesh_is_whole(within: str = "0s") -> bool:
    """Every balancer answers, and holds all the others for alive and all replicas for up; at the latest then."""
    now = session.current()
    try:
        wait_until_whole(now.target, duration_or_none_s(within))
    except RefusedError as why:
        return _no(now, str(why))
    return True


def nothing_is_left() -> bool:
    """No fault stands, and those that were undone left nothing behind."""
    now = session.current()
    left = (*now.residue, *now.target.residue())
    return not left or _no(now, "; ".join(left))


def _no(now: Session, why: str) -> bool:
    log.warning(why)
    now.unmet.append(why)
    return False
