"""What DNS answers: the zone as the settings have it, and which of its addresses are published now."""

from dataclasses import dataclass

from lbmesh.model.view import ViewVersion

APEX = "@"
"""The name of the zone itself, as master files write it (RFC 1035, 5.1)."""

DNS_TTL_S = 5.0
NS_TTL_S = 3600.0
DNS_RATE = 200


@dataclass(frozen=True, slots=True)
class NameServer:
    """One of the zone's name servers. `name`: in full, without the last dot. `addresses`: given when the name is in the
    zone, as nobody else knows them.
    """

    name: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DnsName:
    """A name below the zone ("shop", or APEX), and the addresses that it stands for."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientNetwork:
    """Clients in this network ("10.0.1.0/24") are nearest to this zone."""

    network: str
    zone: str


@dataclass(frozen=True, slots=True)
class DnsPolicy:
    """[dns], but for its sockets. `zone`: without the last dot. `mailbox`: who answers for it, as an address of mail.
    `ns_ttl_s`: of name servers and their addresses, which do not move. `negative_ttl_s`: how long it is believed that a
    name does not exist (RFC 2308, 5). `client_subnet`: the network that a resolver names (RFC 7871) counts for its own.
    `rate`: answers a second to one network; 0: no limit.
    """

    zone: str
    name_servers: tuple[NameServer, ...]
    names: tuple[DnsName, ...]
    mailbox: str
    ttl_s: float = DNS_TTL_S
    ns_ttl_s: float = NS_TTL_S
    negative_ttl_s: float = DNS_TTL_S
    clients: tuple[ClientNetwork, ...] = ()
    client_subnet: bool = True
    rate: int = DNS_RATE


@dataclass(frozen=True, slots=True)
class PublishedAddress:
    """One address. `is_published`: clients are sent there; and why, or why not."""

    address: str
    zone: str
    is_published: bool
    reason: str


@dataclass(frozen=True, slots=True)
class DnsPicture:
    """All that DNS answers from. `version`: `generation` is the agent's, `number` counts its pictures."""

    version: ViewVersion
    policy: DnsPolicy
    addresses: tuple[PublishedAddress, ...]
