"""A front: an address that clients use, and where it is at home."""

from dataclasses import dataclass

from lbmesh.model.address import Address


@dataclass(frozen=True, slots=True, order=True)
class Front:
    """`zone`: its home, whose nodes hold it while one lives. `node`: the node that holds it while that one lives;
    None for a front that no node is preferred for.
    """

    address: Address
    zone: str
    node: str | None = None
