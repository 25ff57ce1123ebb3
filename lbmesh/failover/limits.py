"""Every bound and every period of the fast heartbeat, in one place. Times in seconds, sizes in bytes."""

PARTNERS_MAX = 6
"""With so many nodes a node exchanges heartbeats, however large the mesh: 300 datagrams a second each way."""

BACKUPS_MAX = 3
"""Backups of a front in a mesh in which everybody can be everybody's partner."""

BACKUPS_CROWDED = 2
"""Backups of a front in a larger mesh. Being backed by two and backing two takes four partners, two are room."""

PARTNERS_KNOWN_MAX = 32
"""Rows of a partner table: partners, the backups to agree with, and those that were partners a moment ago."""

SESSIONS_REMEMBERED_MAX = 256
"""Sessions whose highest counter outlives their place in the table, so that no recording of one counts again."""

INTERVAL_S = 0.02
SILENCE_S = 0.1
"""Silence for this long is suspicious: five heartbeats in a row, or their way, are lost."""

ATTENTION_S = 0.05
"""Of a partner unheard for this long, each datagram counts when it comes. Until then they are taken at each beat: to be
woken by each would double what the heartbeat costs, and gains 20 ms at most.
"""

ANSWER_S = 0.04
"""For another backup to say whether it hears the suspect, too; one that says nothing is taken for dead itself."""

PROBE_S = 0.04
"""For a front to answer, when this node is the only backup that is left …"""

PROBE_ALONE_AFTER_S = 0.06
"""… which it is asked earlier for where there never was another backup, so that the word takes no longer."""

PROBE_REPEAT_S = 0.25
"""A front that answered is asked again after this while its node stays silent."""

PAUSE_S = 0.06
"""A step so much later than agreed means that this process stood still: nobody's silence counts that was not heard."""

LINGER_S = 2.0
"""A node that is no partner any more is told so for this long, so that it does not take the end for a death."""

HUNG_FORWARDER_S = 1.0
"""A forwarder whose tick is older hangs. It ticks every 50 ms; on two saturated cores up to 175 ms late."""

ANSWER_GAP_S = 0.005
"""Between two answers to one partner's questions."""
