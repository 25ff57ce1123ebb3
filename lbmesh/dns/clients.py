"""Which zone a client is nearest to: by the longest of the configured networks that holds its address."""

from collections.abc import Iterable
from dataclasses import dataclass

from lbmesh.model.dns import ClientNetwork
from lbmesh.model.networks import IpAddress, read_network


@dataclass(frozen=True, slots=True)
class Nearest:
    """`zone`: "" when no network holds the client. `scope_bits`: all addresses that share so many bits with it get the
    same.
    """

    zone: str
    scope_bits: int


class ClientZones:
    """All networks, looked up bit by bit: a client is looked up once, then remembered."""

    def __init__(self, networks: Iterable[ClientNetwork]) -> None:
        self._roots: dict[int, _Branch] = {4: _Branch(), 6: _Branch()}
        for one in networks:
            network = read_network(one.network)
            branch, number = self._roots[network.version], int(network.network_address)
            for shift in range(network.max_prefixlen - 1, network.max_prefixlen - 1 - network.prefixlen, -1):
                branch = branch.grow(number >> shift & 1)
            branch.zone = one.zone

    def nearest(self, address: IpAddress) -> Nearest:
        """The client's zone. Where the tree of networks ends on the way to it, all that is below gets the same."""
        branch, number, zone = self._roots[address.version], int(address), ""
        for depth in range(address.max_prefixlen):
            zone = branch.zone or zone
            below = branch.below[number >> (address.max_prefixlen - 1 - depth) & 1]
            if below is None:
                return Nearest(zone, depth + 1 if any(branch.below) else depth)
            branch = below
        return Nearest(branch.zone or zone, address.max_prefixlen)


class _Branch:
    """All addresses that begin with some bits."""

    __slots__ = ("below", "zone")

    def __init__(self) -> None:
        self.zone = ""
        self.below: list[_Branch | None] = [None, None]

    def __bool__(self) -> bool:
        return True

    def grow(self, bit: int) -> "_Branch":
        """The branch for one more bit."""
        below = self.below[bit]
        if below is None:
            below = self.below[bit] = _Branch()
        return below
