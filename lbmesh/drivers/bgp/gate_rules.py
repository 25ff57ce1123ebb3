"""The rules by which this machine says nothing to BGP routers without a lease, as a script for nft(8). Pure, and light.

BFD alone would not do: a session of BGP comes up again without it (RFC 5882, 4.1), and would announce a dead node anew.
So BGP's own packets need the lease, too, and a router without BFD gives up after its hold time.
"""

from lbmesh.drivers.kernel.lease_places import BGP_TABLE

RULE_COUNT = 3

NO_RULES = f"table inet {BGP_TABLE} {{ }}\ndelete table inet {BGP_TABLE}\n"

RULES = f"""\
table inet {BGP_TABLE} {{
  set lease {{ type inet_service; flags timeout; }}
  set steered {{ type mark; }}
  chain answers {{
    type filter hook output priority -300; policy accept;
  }}
}}
flush chain inet {BGP_TABLE} answers
add rule inet {BGP_TABLE} answers udp dport {{ 3784, 4784 }} udp dport != @lease drop
add rule inet {BGP_TABLE} answers tcp dport 179 tcp dport != @lease drop
add rule inet {BGP_TABLE} answers tcp sport 179 tcp sport != @lease drop
"""
"""One transaction, so that they are never half there; a lease that runs goes on."""
