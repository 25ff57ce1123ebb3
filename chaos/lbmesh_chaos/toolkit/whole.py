"""Whether the mesh is whole: every balancer answers, and holds all the others for alive and all replicas for up."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from lbmesh_chaos.model.world import Role
from lbmesh_chaos.toolkit.target import RefusedError, Target

POLL_S = 0.1
"""Between two questions, while one waits."""


def what_is_missing(target: Target) -> list[str]:
    """Why the mesh is not whole, in words; nothing when it is."""
    return [line for host in target.world.with_role(Role.BALANCER) for line in _missing(target, host.name)]


def wait_until_whole(target: Target, within_s: float) -> float:
    """How many seconds it took. Raises RefusedError, with what is missing, when it takes longer."""
    began_s = time.monotonic()
    while missing := what_is_missing(target):
        if time.monotonic() - began_s > within_s:
            raise RefusedError(f"the mesh is not whole after {within_s:g} s: {'; '.join(missing[:5])}")
        time.sleep(POLL_S)
    return time.monotonic() - began_s


def _missing(target: Target, balancer: str) -> Iterator[str]:
    state = target.state(balancer)
    if state is None:
        yield f"{balancer} does not answer"
        return
    if not state["node"]["ready"]:
        yield f"{balancer} is not ready: {state['node']['reason']}"
    alive = {one["name"] for one in state["members"] if one["state"] == "alive"} | {state["node"]["name"]}
    for other in target.world.with_role(Role.BALANCER):
        if other.name not in alive:
            yield f"{balancer} does not hold {other.name} for alive"
    up = set(_up(state))
    for replica in target.world.with_role(Role.REPLICA):
        if replica.served_at not in up:
            yield f"{balancer} does not hold {replica.name} for up"


def _up(state: Mapping[str, Any]) -> Iterator[str]:
    for service in state["services"]:
        for replica in service["replicas"]:
            if replica["availability"] == "up":
                yield replica["address"]
