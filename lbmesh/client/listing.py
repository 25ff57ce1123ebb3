"""What a caller may write as balancers: addresses, names, either by zone, or nodes' admin addresses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lbmesh.client.directory import Endpoint
from lbmesh.client.limits import ADDRESSES_MAX
from lbmesh.model.address import Address, parse_address

ZONE_VARIABLE = "LBMESH_ZONE"
"""The environment variable that names the client's zone."""


@dataclass(frozen=True, slots=True)
class Admin:
    """The balancers are those that nodes name on their admin API: their fronts, or, where there are none, the live
    nodes themselves at `port`, on the address that they gossip with.

    `addresses`: of some nodes' [admin] bind, asked in turn until one answers. `token`: of [admin] token_file. Raises
    ValueError for what is malformed.
    """

    addresses: Sequence[str]
    token: str | None = None
    port: int = 80
    scheme: str = "http"

    def __post_init__(self) -> None:
        parse_balancers(self.addresses)
        if self.scheme not in ("http", "https"):
            raise ValueError(
                f'scheme is "{self.scheme}": write "http", or "https" where something before the node has it'
            )
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}: write a port from 1 to 65535")

    def __repr__(self) -> str:
        return f"Admin({list(self.addresses)!r})"  # without the token, since reprs end in logs


Balancers = Sequence[str] | Mapping[str, Sequence[str]] | Admin
"""["10.0.1.10:80", "shop.mesh.example.com:80"], {"zone-a": ["10.0.1.10:80"], "zone-b": [...]}, or an Admin."""


def parse_balancers(balancers: Sequence[str]) -> tuple[Address, ...]:
    """The balancers' addresses, in the order given, each once.

    Raises ValueError, with what to write, for no address, too many, or a malformed one.
    """
    if isinstance(balancers, str):
        raise ValueError(f'balancers is the text "{balancers}": write a list, for example ["{balancers}"]')
    parsed = tuple(dict.fromkeys(parse_address(text) for text in balancers))
    if not 1 <= len(parsed) <= ADDRESSES_MAX:
        raise ValueError(f"{len(parsed)} balancers given: write 1 to {ADDRESSES_MAX} addresses")
    return parsed


def parse_listing(listing: Sequence[str] | Mapping[str, Sequence[str]]) -> tuple[Endpoint, ...]:
    """The entries with their zones; those of a plain list have none. Raises ValueError as `parse_balancers` does."""
    if not isinstance(listing, Mapping):
        return tuple(Endpoint(address) for address in parse_balancers(listing))
    entries = [Endpoint(address, zone) for zone, texts in listing.items() for address in parse_balancers(texts)]
    if not 1 <= len(entries) <= ADDRESSES_MAX:
        raise ValueError(f"{len(entries)} balancers given: write 1 to {ADDRESSES_MAX} addresses")
    if len({each.address for each in entries}) < len(entries):
        raise ValueError("a balancer is listed in two zones: write each once")
    if "" in listing:
        raise ValueError('a zone has the name "": write its name, or a plain list where there are no zones')
    return tuple(entries)
