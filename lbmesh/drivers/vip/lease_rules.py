"""The rules by which the kernel is silent about a front without a lease, as a script for nft(8). Pure.

Of the fronts in `fronts*`, only those in `lease*` are answered: no ARP packet goes out that bears the address as its
sender's (so nobody learns where it is), no IP packet, which takes in neighbour advertisements, as those come from the
address itself (RFC 4861, 7.2.4), and none comes in, so that no handshake begins that nobody would end. Elements of
`lease*` time out by themselves.
"""

from collections.abc import Iterable

from lbmesh.drivers.kernel.lease_places import FRONTS_TABLE

RULES = {"arp": 1, "inet": 4}
"""How many rules there are of each family."""

_SETS = """\
table arp {table} {{
  set fronts4 {{ type ipv4_addr; }}
  set lease4 {{ type ipv4_addr; flags timeout; }}
  chain answers {{
    type filter hook output priority -300; policy accept;
  }}
}}
table inet {table} {{
  set fronts4 {{ type ipv4_addr; }}
  set lease4 {{ type ipv4_addr; flags timeout; }}
  set fronts6 {{ type ipv6_addr; }}
  set lease6 {{ type ipv6_addr; flags timeout; }}
  chain arrivals {{
    type filter hook input priority -300; policy accept;
  }}
  chain answers {{
    type filter hook output priority -300; policy accept;
  }}
}}
flush set arp {table} fronts4
flush set inet {table} fronts4
flush set inet {table} fronts6
flush table arp {table}
flush table inet {table}
add rule arp {table} answers arp saddr ip @fronts4 arp saddr ip != @lease4 drop
add rule inet {table} arrivals ip daddr @fronts4 ip daddr != @lease4 drop
add rule inet {table} arrivals ip6 daddr @fronts6 ip6 daddr != @lease6 drop
add rule inet {table} answers ip saddr @fronts4 ip saddr != @lease4 drop
add rule inet {table} answers ip6 saddr @fronts6 ip6 saddr != @lease6 drop
"""

_NONE = """\
table arp {table} {{ }}
table inet {table} {{ }}
delete table arp {table}
delete table inet {table}
"""


def script(fronts: Iterable[str]) -> str:
    """Rules for exactly these fronts, whatever is there; one transaction, so that they are never half there. Leases
    that run go on. Without any front, nothing is left.
    """
    ordered = sorted(fronts)
    if not ordered:
        return _NONE.format(table=FRONTS_TABLE)
    lines = _SETS.format(table=FRONTS_TABLE)
    four, six = [one for one in ordered if ":" not in one], [one for one in ordered if ":" in one]
    if four:
        listed = ", ".join(four)
        lines += "".join(f"add element {family} {FRONTS_TABLE} fronts4 {{ {listed} }}\n" for family in ("arp", "inet"))
    if six:
        lines += f"add element inet {FRONTS_TABLE} fronts6 {{ {', '.join(six)} }}\n"
    return lines
