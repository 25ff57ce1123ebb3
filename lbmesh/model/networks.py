"""IP addresses as peers and proxies write them, and sets of networks that hold them."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

ADDRESS_CHARS_MAX = 45
"""INET6_ADDRSTRLEN without its NUL: the longest an IPv6 address is written."""

ADDRESSES_REMEMBERED = 4096
"""Reading an address takes 2 µs, looking it up again 0.1; clients ask more than once."""


@lru_cache(ADDRESSES_REMEMBERED)
def read_ip(text: str) -> IpAddress | None:
    """The address, or None when `text` is none. IPv4 within IPv6 (RFC 4291 §2.5.5.2) comes as IPv4: sockets that take
    both write it so, and it is the same machine. A scope makes it none: it says nothing to another machine.
    """
    if len(text) > ADDRESS_CHARS_MAX or "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return unmapped(address)


def unmapped(address: IpAddress) -> IpAddress:
    """IPv4 within IPv6 as IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def in_ipv6(address: IpAddress) -> IpAddress:
    """IPv4 as IPv4 within IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        return address
    return ipaddress.IPv6Address((0xFFFF << 32) | int(address))


def read_network(text: str) -> IpNetwork:
    """A network such as "10.0.0.0/8", or a single address. Raises ValueError with what to write instead."""
    base, slash, length = text.partition("/")
    if (slash and not (length.isascii() and length.isdigit())) or "%" in text:
        raise ValueError('write a network such as "10.0.0.0/8" or "2001:db8::/32", or one address')
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError('write a network such as "10.0.0.0/8" or "2001:db8::/32", or one address') from None
    if ipaddress.ip_address(base) != network.network_address:
        raise ValueError(f'the address has bits beyond /{length}: write "{network}", or "{base}" for it alone')
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= _MAPPED_BITS:
        raise ValueError(f'IPv4 peers are known by their IPv4 address: write "{mapped}/{network.prefixlen - 96}"')
    return network


_MAPPED_BITS = 96
"""::ffff:0:0/96 holds all of IPv4."""


class NetworkSet:
    """Networks that an address is looked up in: a set lookup for each length of prefix, however many there are.

    Two sets of the same networks are equal.
    """

    __slots__ = ("_by_shift", "networks")

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """`networks`: as `read_network` takes them; raises ValueError as it does."""
        self.networks = tuple(networks)
        by_shift: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for network in map(read_network, self.networks):
            shift = network.max_prefixlen - network.prefixlen
            by_shift[network.version].setdefault(shift, set()).add(int(network.network_address) >> shift)
        self._by_shift = {
            version: tuple((shift, frozenset(numbers)) for shift, numbers in shifts.items())
            for version, shifts in by_shift.items()
        }

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __contains__(self, address: IpAddress) -> bool:
        number = int(address)
        return any(number >> shift in numbers for shift, numbers in self._by_shift[address.version])
