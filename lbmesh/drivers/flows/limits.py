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
