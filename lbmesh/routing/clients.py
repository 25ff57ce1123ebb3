"""Clients by their address: which networks they are in, and which addresses are one client's."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

CLIENTS_REMEMBERED_MAX = 4096
IPV6_CLIENT_BITS = 64
"""What one customer is given at least (RFC 6177): whoever has a /64 has 2^64 addresses to come from."""


@lru_cache(CLIENTS_REMEMBERED_MAX)
def client_key(client: str) -> str:
    """One name for all addresses that one client can easily have: an IPv4 address, or the /64 of an IPv6 address."""
    address = ip_address(client)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> IPV6_CLIENT_BITS << IPV6_CLIENT_BITS, IPV6_CLIENT_BITS)))
    return client


class Networks:
    """A set of networks, and whether an address is in one of them."""

    __slots__ = ("_networks", "_verdicts")

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(map(ip_network, networks))
        self._verdicts: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, client: str) -> bool:
        verdict = self._verdicts.get(client)
        if verdict is None:
            if len(self._verdicts) >= CLIENTS_REMEMBERED_MAX:
                self._verdicts.clear()
            address = ip_address(client)
            verdict = self._verdicts[client] = any(address in network for network in self._networks)
        return verdict
