"""The rules by which a front's backups know its connections, as a script for nft(8): those on one segment. Pure.

The holder's kernel sends a copy of a packet of each connection to two backups (`heir1`, `heir2`), and theirs remember
whose it was. All of it is the kernel's work, so that it goes on at a node whose processes stand still while its kernel
still shakes hands and takes requests that nobody will answer.

What the holder copies: the first packet after the handshake, which mostly is the request; one in RETELL_S after that,
so that a new backup, or one that missed a copy, hears of what is old; and each FIN and RST. Who is waiting for an
answer has sent one of these. A connection must be there for it (`socket`): neither a flood of SYNs nor one of ACKs from
nowhere is copied. `told` is what has been copied; in it stay for END_S those that have ended, as their last ACK is not
to be taken for a beginning.

What a backup does with packets to an address that it does not have, on the front's interface: it puts where they come
from into `known`, or takes it out, and drops them; they are neither answered nor forwarded. Who has just taken the
address takes them for its own, and answers with a reset, as there is no such connection.

Both sets are bounded: what is oldest stays, and what finds no room is not known.
"""

from collections.abc import Iterable

from lbmesh.drivers.flows.limits import END_S, FLOWS_MAX, FORGET_S, RETELL_S, TELLS_BURST, TELLS_PER_S, TICKLE_MARK

TABLE = "lbmesh_flows"
"""Of families ip and ip6: "dup" is in no other."""

RULES = 15
"""How many rules there are of each family."""

SETS = """\
  set told {{ type {flow}; flags dynamic, timeout; size {size}; timeout {retell}s; }}
  set known {{ type {flow}; flags dynamic, timeout; size {size}; timeout {forget}s; }}
  map heir1 {{ type {type} : {type}; }}
  map heir2 {{ type {type} : {type}; }}
"""
"""What is told and known, and to whom it is told."""

_TABLE = (
    """\
table {family} {table} {{
  set fronts {{ type ifname . {type}; }}
"""
    + SETS
    + """\
  chain copy {{ }}
  chain holder {{ }}
  chain backup {{ }}
  chain arrivals {{ type filter hook prerouting priority -300; policy accept; }}
  chain answers {{ type filter hook output priority -300; policy accept; }}
}}
flush set {family} {table} fronts
flush table {family} {table}
table {family} {table} {{
  chain copy {{
    dup to {family} daddr map @heir1
    dup to {family} daddr map @heir2
  }}
  chain holder {{
    tcp flags & (syn | ack) == syn delete @told {{ {key} }} delete @known {{ {key} }} return
    {key} @told tcp flags & (fin | rst) == 0 return
    {key} @told update @told {{ {key} timeout {end}s }} goto copy
    tcp flags & (fin | rst) != 0 socket wildcard 0 limit rate {rate}/second burst {burst} packets \
update @told {{ {key} timeout {end}s }} goto copy
    socket wildcard 0 limit rate {rate}/second burst {burst} packets add @told {{ {key} }} goto copy
  }}
  chain backup {{
    tcp flags & (fin | rst) != 0 delete @known {{ {key} }} drop
    update @known {{ {key} }} drop
    drop
  }}
  chain arrivals {{
    meta l4proto != tcp return
    iifname . {family} daddr != @fronts return
    fib daddr type local goto holder
    goto backup
  }}
  chain answers {{
    meta mark {mark} notrack
  }}
}}
"""
)

NONE = """\
table {family} {table} {{ }}
delete table {family} {table}
"""


def script(fronts: Iterable[tuple[str, str]]) -> str:
    """Rules for exactly these fronts, each with its interface; one transaction. What is known already stays. Of a
    family without a front, nothing is left.
    """
    ordered = sorted(fronts)
    return "".join(
        _family(family, [one for one in ordered if (":" in one[0]) is (family == "ip6")]) for family in ("ip", "ip6")
    )


def _family(family: str, fronts: list[tuple[str, str]]) -> str:
    if not fronts:
        return NONE.format(family=family, table=TABLE)
    rules = _TABLE.format(**words(family, TABLE))
    listed = ", ".join(f'"{interface}" . {address}' for address, interface in fronts)
    return rules + f"add element {family} {TABLE} fronts {{ {listed} }}\n"


def words(family: str, table: str) -> dict[str, str | int]:
    """What stands in the rules of a family: "ip" or "ip6"."""
    kind = "ipv4_addr" if family == "ip" else "ipv6_addr"
    return {
        "family": family,
        "table": table,
        "type": kind,
        "flow": f"{kind} . inet_service . {kind} . inet_service",
        "key": f"{family} saddr . tcp sport . {family} daddr . tcp dport",
        "size": FLOWS_MAX,
        "retell": RETELL_S,
        "forget": FORGET_S,
        "end": END_S,
        "rate": TELLS_PER_S,
        "burst": TELLS_BURST,
        "mark": f"{TICKLE_MARK:#x}",
    }
