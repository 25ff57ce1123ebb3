"""Clients by their address: which networks they are in, and which addresses are one client's."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network

from lbmesh.model.networks import ADDRESSES_REMEMBERED, NetworkSet, read_ip

IPV6_CLIENT_BITS = 64
"""What one customer is given at least (RFC 6177): whoever has a /64 has 2^64 addresses to come from."""


@lru_cache(ADDRESSES_REMEMBERED)
def client_key(client: str) -> str:
    """One name for all addresses that one client can easily have: an IPv4 address, or the /64 of an IPv6 address."""
    address = read_ip(_without_scope(client))
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> IPV6_CLIENT_BITS << IPV6_CLIENT_BITS, IPV6_CLIENT_BITS)))
    return client


class Networks:
    """A set of networks, and whether a client's address, as text, is in one of them."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = NetworkSet(networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, client: str) -> bool:
        address = read_ip(_without_scope(client))
        return address is not None and address in self._networks


def _without_scope(client: str) -> str:
    """A link-local address is the same network's whatever interface it came by."""
    return client.partition("%")[0]
