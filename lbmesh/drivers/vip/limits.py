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
