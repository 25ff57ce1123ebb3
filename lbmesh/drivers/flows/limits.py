"""Every bound, period and mark of connections that backups know, in one place. Times in seconds."""

FLOWS_MAX = 65_536
"""Connections of all fronts that a holder has told of, and that a backup knows, of each family: 10 MiB each of the
kernel's memory. More are not known.
"""

RETELL_S = 45
"""A connection on which the client sends something is told of again after this: less than until the keep-alive probes
of forwarders (60 s), which every client's kernel answers.
"""

FORGET_S = 200
"""A backup forgets what it has not been told of for so long: three times may be lost."""

END_S = 2
"""The last packets of a connection that has ended come within this."""

TELLS_PER_S, TELLS_BURST = 20_000, 5_000
"""Copies: of beginnings, and as many of ends. What goes beyond is not known to the backups."""

TICKLE_MARK = 0x4C42
"""Of packets that provoke a reset, so that connection tracking leaves them alone."""

HELLO_S = 1.0
"""Between two hellos of a node to its segment, and two looks at who a front's backups are."""

NEIGHBOURS_MAX = 256
"""Nodes remembered by their hellos, of one interface."""

TICKLE_ROUNDS_S = (0.0, 0.1, 0.3)
"""When what is known is tickled after the address was taken: a packet may be lost, and until the dead node's lease ends
its kernel may draw an answer to itself.
"""

TICKLES_AT_ONCE = 256
"""Two milliseconds' work."""

TICKLE_GAP_S = 0.005
"""Between two of these: 65,536 take 2 s, and are 50,000 packets a second."""

TICKLES_WAITING_MAX = 256
"""Fronts."""

TUNNEL = "lbmesh-flows"
"""The device that takes copies to backups behind routers."""

TUNNEL_PORT = 7948
"""UDP, from node to node: the number after those of gossip and heartbeat, as they are usually."""

TUNNEL_NETWORK = 0x4C42
"""The VNI (RFC 7348, 5)."""

GATEWAYS_4, GATEWAYS_6 = "240.76.66.0/24", "fe80::/64"
"""How ends of the tunnel are called on this machine, and nowhere else: 240/4 is nobody's (RFC 1112, 4)."""

ENDS_MAX = 250
"""Nodes that are told of connections through the tunnel, at one time; so many, a GATEWAYS_4 has addresses for."""

TUNNEL_TICKLE_ROUNDS_S = (0.0, 0.03, 0.1, 0.3, 1.0)
"""Routers follow the new holder some milliseconds after its route was exported, and large ones later: the first rounds
may be too early.
"""
