"""[dns]: the zone that every balancer answers for."""

from collections.abc import Callable, Sequence

from lbmesh.config import values
from lbmesh.config.front_values import front_address
from lbmesh.config.settings import DnsSettings
from lbmesh.config.table import Table
from lbmesh.dns.names import mailbox_to_wire, to_wire
from lbmesh.dns.records import is_below
from lbmesh.model.address import Address
from lbmesh.model.dns import (
    APEX,
    DNS_RATE,
    DNS_TTL_S,
    NS_TTL_S,
    ClientNetwork,
    DnsName,
    DnsPolicy,
    NameServer,
)
from lbmesh.model.front import Front
from lbmesh.model.service import Service

BIND = Address("0.0.0.0", 53)
BINDS_MAX = 8
NAME_SERVERS_MAX = 8
"""Their names and addresses go into one answer over UDP."""

NAMES_MAX = 256
CLIENT_NETWORKS_MAX = 4096
RATE_MAX = 1_000_000
NEGATIVE_TTL_MAX_S = 5.0
"""A name that is asked for before it is there must not stay away."""

_ADDRESSES_OF = '["203.0.113.10", "203.0.113.20"]'


def read_dns(root: Table, services: Sequence[Service], fronts: Sequence[Front]) -> DnsSettings | None:
    """[dns]; None when there is none, and then there is no name server. Each service has its name, unless `names` has
    it otherwise.
    """
    table = root.table("dns")
    if table is None:
        return None
    bind = _read_bind(table)
    zone = table.required("zone", zone_name, '"mesh.example.com"') or ""
    name_servers = _read_name_servers(table, zone)
    mailbox = table.optional("mailbox", mail_address, f"hostmaster@{zone}")
    names = _read_names(table, zone, services, fronts)
    ttl_s = table.optional("ttl", ttl(86_400.0), DNS_TTL_S)
    ns_ttl_s = table.optional("ns_ttl", ttl(86_400.0), NS_TTL_S)
    negative_ttl_s = table.optional("negative_ttl", ttl(NEGATIVE_TTL_MAX_S), NEGATIVE_TTL_MAX_S)
    rate = table.optional("rate", values.whole_number(0, RATE_MAX), DNS_RATE)
    client_subnet = table.optional("client_subnet", values.boolean, True)
    clients = _read_clients(table)
    table.close()
    if not fronts:
        table.error('there is no [[front]], and so nothing to answer; write one, with driver = "none" at least')
    policy = DnsPolicy(
        zone, name_servers, names, mailbox, ttl_s, ns_ttl_s, negative_ttl_s, clients, client_subnet, rate
    )
    return DnsSettings(bind, policy)


def _read_bind(table: Table) -> tuple[Address, ...]:
    """One address or several, each for UDP and TCP."""
    if isinstance(table.values.get("bind"), list):
        bind = table.items("bind", values.bind_address, (BIND,), '["0.0.0.0:53", "[::]:53"]')
    else:
        bind = (table.optional("bind", values.bind_address, BIND),)
    if len(bind) > BINDS_MAX:
        table.error(f"more than {BINDS_MAX} addresses; write fewer", "bind")
    if len(set(bind)) < len(bind) and all(one.port for one in bind):
        table.error("an address stands here twice; write each once", "bind")
    return bind


def _read_name_servers(dns: Table, zone: str) -> tuple[NameServer, ...]:
    """Each name with its addresses, which one in the zone must have and any other cannot."""
    example = '{ "ns-a.mesh.example.com" = ["203.0.113.10"] }'
    table = dns.table("name_servers")
    if table is None:
        if "name_servers" not in dns.values:
            dns.error(f"missing; write name_servers = {example}, as the zone above delegates to them", "name_servers")
        return ()
    if not 1 <= len(table.values) <= NAME_SERVERS_MAX:
        table.error(f"write 1 to {NAME_SERVERS_MAX} name servers, such as {example}")
        return ()
    servers = []
    for name in table.values:
        addresses = _own_addresses(table, name)
        try:
            is_own = bool(zone) and is_below(to_wire(name), to_wire(zone))
        except ValueError as wrong:
            table.error(f"no name of a host: {wrong}", name)
            continue
        if is_own and not addresses:
            table.error("it is in the zone, so that only this zone knows its addresses; write them", name)
        if zone and not is_own and addresses:
            table.error(f"it is not in {zone}, whose answers cannot say its addresses; write []", name)
        servers.append(NameServer(name.lower(), addresses))
    return tuple(servers)


def _own_addresses(servers: Table, name: str) -> tuple[str, ...]:
    """A name server's; here an empty array means something."""
    if servers.values[name] == []:
        servers.known.add(name)
        return ()
    return servers.items(name, front_address, (), '["203.0.113.10"]')


def _read_names(dns: Table, zone: str, services: Sequence[Service], fronts: Sequence[Front]) -> tuple[DnsName, ...]:
    """Names below the zone, or "@" for itself. All nodes answer the same, so the order is that of the names."""
    everything = tuple(front.name for front in fronts)
    names = {service.name.lower(): everything for service in services}
    table = dns.table("names")
    if table is not None:
        if len(table.values) > NAMES_MAX:
            table.error(f"more than {NAMES_MAX} names; write fewer")
        for name in table.values:
            addresses = table.items(name, front_address, (), _ADDRESSES_OF)
            names[name.lower()] = addresses
            for index, address in enumerate(addresses):
                if address not in everything:
                    table.error("no [[front]] has this address; write one that is there", name, index, found=address)
            if not addresses:
                table.error(f"a name needs an address; write {name} = {_ADDRESSES_OF}", name)
            _check_name(table, name, zone)
    for service in services:
        if table is None or service.name.lower() not in {name.lower() for name in table.values}:
            _check_name(dns, service.name, zone, f"service {service.name}: ")
    return tuple(DnsName(name, addresses) for name, addresses in sorted(names.items()))


def _check_name(table: Table, name: str, zone: str, title: str = "") -> None:
    if name == APEX or not zone:
        return
    try:
        to_wire(f"{name}.{zone}")
    except ValueError as wrong:
        table.error(f"{title}{name}.{zone} is no name of DNS: {wrong}", *(() if title else (name,)))


def _read_clients(dns: Table) -> tuple[ClientNetwork, ...]:
    """The networks of each zone's clients."""
    table = dns.table("clients")
    if table is None:
        return ()
    clients: dict[str, str] = {}
    for zone in table.values:
        for network in table.items(zone, values.network, (), '["10.0.1.0/24"]'):
            if clients.setdefault(network, zone) != zone:
                table.error(f"{network} is {clients[network]}'s already; a network is nearest to one zone", zone)
    if len(clients) > CLIENT_NETWORKS_MAX:
        table.error(f"more than {CLIENT_NETWORKS_MAX} networks; write fewer")
    return tuple(ClientNetwork(network, zone) for network, zone in clients.items())


def zone_name(value: object) -> str:
    """The zone's name, in lower case and without the last dot."""
    message = 'write a name such as "mesh.example.com"'
    if not isinstance(value, str) or len(value) > values.HOST_CHARS_MAX:
        raise ValueError(message)
    name = value.lower().removesuffix(".")
    try:
        to_wire(name)
    except ValueError as wrong:
        raise ValueError(f"{message}: {wrong}") from wrong
    return name


def mail_address(value: object) -> str:
    """Who answers for the zone."""
    try:
        if not isinstance(value, str):
            raise ValueError
        mailbox_to_wire(value)
    except ValueError as wrong:
        raise ValueError('write an address of mail such as "hostmaster@example.com"') from wrong
    return value


def ttl(most_s: float) -> Callable[[object], float]:
    """A parser of times to live: whole seconds (RFC 1035, 3.2.1), up to `most_s`."""

    def parse(value: object) -> float:
        seconds = values.duration_s(value)
        if seconds != int(seconds) or not 1 <= seconds <= most_s:
            raise ValueError(f'write whole seconds from "1s" to "{most_s:.0f}s"')
        return seconds

    return parse
