"""A lab as a target."""

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any

from lbmesh_chaos.lab.client import LabClient, LabError, NoLabError
from lbmesh_chaos.model.world import ADMIN_PORT, Host, Role, Service, World, Zone
from lbmesh_chaos.toolkit.target import RefusedError

ANSWER_WITHIN_S = 1.0
"""Of a balancer's admin API."""
_LOOPBACK = "127.0.0.1"


class LabTarget:
    """One connection to a lab: faults are bound to it, and end with it."""

    def __init__(self, lab: str) -> None:
        """Raises RefusedError when there is no such lab."""
        with _refusals():
            self.client = LabClient(lab)
            self._world = world_of(self.client.state())

    @property
    def world(self) -> World:
        """As the lab says it is."""
        return self._world

    def apply(self, fault: str, arguments: Mapping[str, Any], seed: int) -> int:
        """As Target."""
        with _refusals():
            return self.client.apply(fault, arguments, seed)

    def heal(self, number: int) -> tuple[str, ...]:
        """As Target."""
        with _refusals():
            return tuple(self.client.heal(number))

    def residue(self) -> tuple[str, ...]:
        """As Target."""
        with _refusals():
            return tuple(self.client.residue())

    def state(self, balancer: str) -> Mapping[str, Any] | None:
        """As Target."""
        return admin_state(self.client, balancer)

    def close(self) -> None:
        """The lab undoes what was done over this connection."""
        self.client.close()


def admin_state(client: LabClient, balancer: str) -> Mapping[str, Any] | None:
    """What a balancer's admin API says on its own loopback; None when it does not answer."""
    try:
        dialled = client.dial(balancer, _LOOPBACK, ADMIN_PORT)
    except LabError:
        return None
    dialled.settimeout(ANSWER_WITHIN_S)
    asking = http.client.HTTPConnection(_LOOPBACK, ADMIN_PORT)
    asking.sock = dialled
    with contextlib.closing(asking):
        try:
            asking.request("GET", "/v1/state")
            answer = asking.getresponse()
            found: Mapping[str, Any] = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        return found if answer.status == http.client.OK else None


def world_of(state: Mapping[str, Any]) -> World:
    """The world that a lab's state tells of."""
    hosts = [Host(one["name"], one["zone"], Role(one["role"]), one["address"]) for one in state["hosts"]]
    zones = [host.zone for host in hosts if host.role is Role.ROUTER]
    apart = (Role.ROUTER, Role.BACKBONE)
    return World(
        state["name"],
        tuple(Zone(name, number) for number, name in enumerate(zones, 1)),
        tuple(host for host in hosts if host.role not in apart),
        service=Service(state["service"]["name"], state["service"]["host"]),
        ipv6=state["ipv6"],
        clocks=tuple(state["clocks"]),
    )


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (LabError, NoLabError) as error:
        raise RefusedError(str(error)) from error
