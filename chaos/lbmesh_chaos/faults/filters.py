"""What a host's kernel drops: an nftables table for each fault, made and removed as a whole.

All of it stands where datagrams come *in*. Dropped on their way out, they would be answered with EPERM, and the sender
would know; a network that is cut tells nobody.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address, ip_network

TABLE_PREFIX = "chaos_"
"""Of each table's name. A table that begins so while no fault stands is residue."""

_LOSS_STEPS = 1_000_000
"""`numgen random mod` this: loss in millionths."""

_FRESH_MAX = 65_535
_MUTED = (
    "  chain leaving {",
    "    type filter hook postrouting priority raw; policy accept;",
    '    oifname != "lo" counter drop',
    "  }",
)


class Transport(StrEnum):
    """Which of the datagrams."""

    ANY = "any"
    UDP = "udp"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop what comes from these addresses or networks.

    `ports`: only what goes to, or comes from, one of these ports of UDP or TCP. `share`: of so many of them, drawn at
    random; from 0 to 1. `established`: TCP alone, and of that only connections that were open when the rule was made:
    both ends believe in them, and nothing comes through.
    """

    sources: tuple[str, ...]
    transport: Transport = Transport.ANY
    ports: tuple[int, ...] = ()
    share: float = 1.0
    established: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """One table. `text`: what makes it, for `nft -f -`.

    `mute`: besides, nothing at all leaves the host or comes in, but on its loopback: a machine without power, whose
    kernel must not tell anybody that its processes died.
    """

    table: str
    drops: tuple[Drop, ...]
    mute: bool = False

    @property
    def text(self) -> str:
        """The table in nft's language. It replaces one of the same name; before any connection tracking."""
        lines = [*removal(self.table).splitlines(), f"table inet {self.table} {{"]
        needs_fresh = any(drop.established for drop in self.drops)
        if needs_fresh:
            lines += _fresh_sets()
        lines += ["  chain incoming {", "    type filter hook prerouting priority raw; policy accept;"]
        lines.append('    iifname "lo" accept')
        if needs_fresh:
            lines += _fresh_rules()
        lines += [f"    {rule}" for drop in self.drops for rule in _rules(drop)]
        lines += ["    counter drop"] if self.mute else []
        lines.append("  }")
        lines += _MUTED if self.mute else ()
        return "\n".join([*lines, "}", ""])


def removal(table: str) -> str:
    """What removes a table, whether it is there or not."""
    return f"add table inet {table}\ndelete table inet {table}\n"


_FAMILIES = (("ip", "ipv4_addr", 4), ("ip6", "ipv6_addr", 6))
"""nft's words for a family and for its addresses, and the version."""


def _rules(drop: Drop) -> Iterator[str]:
    for family, _, version in _FAMILIES:
        sources = _of_version(drop.sources, version)
        if not sources:
            continue
        for end in _ends(drop):
            words = [f"{family} saddr {{ {', '.join(sources)} }}", end]
            if drop.established:
                words.append(f"{family} saddr . tcp sport . tcp dport != @fresh_{family}")
            if drop.share < 1.0:
                words.append(f"numgen random mod {_LOSS_STEPS} < {round(drop.share * _LOSS_STEPS)}")
            yield " ".join([*filter(None, words), "counter drop"])


def _ends(drop: Drop) -> Iterator[str]:
    """Of which protocols, and at which end the port is; "" when it is all the same."""
    transport = Transport.TCP if drop.established else drop.transport
    if drop.ports:
        ports = ", ".join(str(port) for port in drop.ports)
        for protocol in ("udp", "tcp") if transport is Transport.ANY else (transport,):
            yield f"{protocol} dport {{ {ports} }}"
            yield f"{protocol} sport {{ {ports} }}"
    else:
        yield "" if transport is Transport.ANY else f"meta l4proto {transport}"


def _fresh_sets() -> Iterator[str]:
    for family, addresses, _ in _FAMILIES:
        yield f"  set fresh_{family} {{"
        yield f"    type {addresses} . inet_service . inet_service; flags dynamic; size {_FRESH_MAX};"
        yield "  }"


def _fresh_rules() -> Iterator[str]:
    """Whoever shakes hands after the table was made is remembered."""
    for family, _, _ in _FAMILIES:
        yield f"    tcp flags & syn == syn add @fresh_{family} {{ {family} saddr . tcp sport . tcp dport }}"


def _of_version(sources: Iterable[str], version: int) -> list[str]:
    return [one for one in sources if (ip_network(one) if "/" in one else ip_address(one)).version == version]
