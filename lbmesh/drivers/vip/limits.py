"""Every bound, period and mark of addresses on a shared L2, in one place. Times in seconds."""

PROBES = 3
PROBE_GAP_S = 0.007
"""Who lives on the L2 answers within a millisecond. RFC 5227, 2.1.1 waits up to 7 s, for machines that have just been
plugged in; here the heartbeat says that the holder is dead, and others are told from it by the mark.
"""

HTTP_PROBE_S = 0.03
"""A node of this mesh that has the address, and does not answer HTTP within this, does not serve it."""

ANNOUNCE_GAPS_S = (0.02, 0.03, 0.05, 0.1, 0.2, 0.3)
"""After the first announcement: one may be lost, and until the dead node's lease ends its kernel may answer, too."""

ANNOUNCE_S = 0.25
"""From then on. Two holders that did not hear each other (a zone that was cut off) find each other by this."""

MUTE_S = 0.6
"""A holder that heard a better one is silent for so long after it heard that one last."""

STRANGER_LOGGED_S = 10.0
"""Between two log lines about a stranger that claims a front."""

LOOK_S = 1.0
"""The world is looked at this often, although the kernel says when it changes."""

HOLDERS_MAX = 8
"""Hardware addresses remembered of nodes that announced a front."""

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
