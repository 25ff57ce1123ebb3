"""The rules by which a front's backups know its connections, as a script for nft(8): those behind routers. Pure.

As on one segment (`flow_rules.py`), the holder's kernel sends copies and theirs remember; but a copy goes through a
tunnel, so that routers take it to the backup, and so:

Only packets without data are copied: the first ACK that the holder sends on a connection, which answers the request
(and goes at once, though its processes stand still); an ACK of the client's, where the first answer was quicker than
that; the FIN or RST of the client's. Requests are not sent in clear over anybody's network, and no copy is too long for
the tunnel, of which the client would be told. Without data are those of 32 or 20 bytes of TCP, which are all but those
with selective acknowledgements (RFC 2018).

A connection must be there, not merely a handshake for it (`socket wildcard 0`): neither SYNs nor ACKs of whoever forges
his address are copied.

What comes out of the tunnel is remembered, and dropped, whatever it is: nobody gets past a firewall by this way. What
goes into it here is heard from members of the mesh only (`peers`).
"""

from collections.abc import Iterable

from lbmesh.drivers.flows.flow_rules import NONE, SETS, words
from lbmesh.drivers.flows.limits import TUNNEL, TUNNEL_PORT

TABLE = "lbmesh_routed_flows"
"""Of families ip and ip6, whatever the fronts are: the tunnel may be of the other one."""

RULES = 24
"""How many rules there are of each family."""

FAMILIES = ("ip", "ip6")

_TABLE = (
    """\
table {family} {table} {{
  set fronts {{ type {type}; }}
  set peers {{ type {type}; }}
"""
    + SETS
    + """\
  chain copy_question {{ }}
  chain copy_answer {{ }}
  chain bare {{ }}
  chain holder {{ }}
  chain answer {{ }}
  chain backup {{ }}
  chain arrivals {{ type filter hook prerouting priority -300; policy accept; }}
  chain answers {{ type filter hook output priority -300; policy accept; }}
}}
flush set {family} {table} fronts
flush table {family} {table}
table {family} {table} {{
  chain copy_question {{
    dup to {family} daddr map @heir1 device "{tunnel}"
    dup to {family} daddr map @heir2 device "{tunnel}"
  }}
  chain copy_answer {{
    dup to {family} saddr map @heir1 device "{tunnel}"
    dup to {family} saddr map @heir2 device "{tunnel}"
  }}
  chain bare {{
    {key} @told update @told {{ {key} timeout {end}s }} goto copy_question
    tcp flags & (fin | rst) != 0 socket wildcard 0 limit rate {rate}/second burst {burst} packets \
update @told {{ {key} timeout {end}s }} goto copy_question
    socket wildcard 0 limit rate {rate}/second burst {burst} packets add @told {{ {key} }} goto copy_question
  }}
  chain holder {{
    tcp flags & (syn | ack) == syn delete @told {{ {key} }} delete @known {{ {key} }} return
    {key} @told tcp flags & (fin | rst) == 0 return
    tcp doff 8 {length} {bare_8} goto bare
    tcp doff 5 {length} {bare_5} goto bare
  }}
  chain answer {{
    {reversed} @told return
    tcp doff 8 {length} {bare_8} socket wildcard 0 limit rate {rate}/second burst {burst} packets \
add @told {{ {reversed} }} goto copy_answer
    tcp doff 5 {length} {bare_5} socket wildcard 0 limit rate {rate}/second burst {burst} packets \
add @told {{ {reversed} }} goto copy_answer
  }}
  chain backup {{
    {family} daddr @fronts tcp flags & (fin | rst) != 0 delete @known {{ {key} }} drop
    {family} daddr @fronts update @known {{ {key} }} drop
    {family} saddr @fronts update @known {{ {reversed} }} drop
    drop
  }}
  chain arrivals {{
    iifname "{tunnel}" goto backup
    udp dport {port} {family} saddr != @peers drop
    meta l4proto != tcp return
    {family} daddr @fronts fib daddr type local goto holder
  }}
  chain answers {{
    meta mark {mark} notrack
    {family} saddr @fronts tcp flags & (fin | syn | rst | ack) == ack goto answer
  }}
}}
"""
)


def script(fronts: Iterable[str]) -> str:
    """Rules for exactly these fronts, of which the tunnel is there; one transaction. What is known already stays.
    Without a front, nothing is left.
    """
    ordered = sorted(fronts)
    if not ordered:
        return "".join(NONE.format(family=family, table=TABLE) for family in FAMILIES)
    return "".join(
        _family(family, [one for one in ordered if (":" in one) is (family == "ip6")]) for family in FAMILIES
    )


def _family(family: str, fronts: list[str]) -> str:
    # IPv6 counts what comes after its header of 40 bytes (RFC 8200, 3), IPv4 all (RFC 791, 3.1).
    head = 0 if family == "ip6" else 20
    rules = _TABLE.format(
        **words(family, TABLE),
        reversed=f"{family} daddr . tcp dport . {family} saddr . tcp sport",
        length=f"{family} length",
        bare_8=head + 32,
        bare_5=head + 20,
        tunnel=TUNNEL,
        port=TUNNEL_PORT,
    )
    return rules + (f"add element {family} {TABLE} fronts {{ {', '.join(fronts)} }}\n" if fronts else "")
