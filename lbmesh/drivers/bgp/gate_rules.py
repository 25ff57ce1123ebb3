"""The rules by which this machine says nothing to BGP routers without a lease, as a script for nft(8). Pure, and light.

BFD alone would not do: a session of BGP comes up again without it (RFC 5882, 4.1), and would announce a dead node anew.
So BGP's own packets need the lease, too, and a router without BFD gives up after its hold time.
"""

TABLE = "lbmesh_bgp"
"""Of family inet."""

BGP_LEASE = "bgp"
"""What the lease is called where fronts are called by their address. There is one for the node, as a router has one
session with it, whatever the fronts.
"""

PORTS = (179, 3784, 4784)
"""BGP (RFC 4271), BFD over one hop (RFC 5881) and over several (RFC 5883): the elements of the set `lease`."""

RULE_COUNT = 3

NO_RULES = f"table inet {TABLE} {{ }}\ndelete table inet {TABLE}\n"

RULES = f"""\
table inet {TABLE} {{
  set lease {{ type inet_service; flags timeout; }}
  chain answers {{
    type filter hook output priority -300; policy accept;
  }}
}}
flush chain inet {TABLE} answers
add rule inet {TABLE} answers udp dport {{ 3784, 4784 }} udp dport != @lease drop
add rule inet {TABLE} answers tcp dport 179 tcp dport != @lease drop
add rule inet {TABLE} answers tcp sport 179 tcp sport != @lease drop
"""
"""One transaction, so that they are never half there; a lease that runs goes on."""
