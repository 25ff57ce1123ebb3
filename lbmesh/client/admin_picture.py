"""Which balancers a node's /v1/state names. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lbmesh.client.directory import Endpoint
from lbmesh.model.address import Address, parse_address
from lbmesh.model.member import MemberState

OTHER_SHAPE = (ValueError, KeyError, TypeError, AttributeError)
"""What reading a state raises that has another shape than a node's."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What one node believes. `hears`: how many (nodes, zones) live, itself among them; `knows`: how many there are of
    those that have not said goodbye.
    """

    endpoints: tuple[Endpoint, ...]
    hears: tuple[int, int]
    knows: tuple[int, int]

    @property
    def hears_most(self) -> bool:
        """More than half of the nodes, and of the zones. One that does not may be cut off itself, and is no witness of
        the others' death: they may serve the client well.
        """
        return all(2 * heard > known for heard, known in zip(self.hears, self.knows, strict=True))


def picture_of(state: Mapping[str, Any], port: int) -> Picture:
    """The fronts that somebody answers for; else the live nodes, at `port`. When none lives, all: no address at all
    would help nobody.

    Raises one of OTHER_SHAPE.
    """
    members = {one["name"]: one for one in state["members"]}
    living = {name: one["zone"] for name, one in members.items() if _lives(one)}
    living[state["node"]["name"]] = state["node"]["zone"]
    in_mesh = {name: one["zone"] for name, one in members.items() if MemberState(one["state"]) is not MemberState.LEFT}
    in_mesh |= living
    fronts = [(_front(one, port), _zone_of_front(one, living)) for one in state["fronts"]]
    nodes = [
        (Address(parse_address(one["address"]).host, port), one["zone"] if name in living else None)
        for name, one in members.items()
    ]
    found = fronts or nodes
    held = tuple(Endpoint(address, zone) for address, zone in found if zone is not None)
    return Picture(held or tuple(Endpoint(address) for address, _ in found), _count(living), _count(in_mesh))


def _count(zones: Mapping[str, str]) -> tuple[int, int]:
    return len(zones), len(set(zones.values()))


def _lives(member: Mapping[str, Any]) -> bool:
    return MemberState(member["state"]).is_live and not member["gone"]


def _front(front: Mapping[str, Any], port: int) -> Address:
    """A node of an earlier release does not tell the port."""
    host = front["address"]
    return parse_address(f"{f'[{host}]' if ':' in host else host}:{front.get('port', port)}")


def _zone_of_front(front: Mapping[str, Any], living: Mapping[str, str]) -> str | None:
    """Where it answers; None when nobody does. One without a driver never leaves its home."""
    home: str = front["zone"]
    if front["driver"] == "none":
        return home if (front["node"] in living if front["node"] else home in living.values()) else None
    return living.get(front["holder"])
