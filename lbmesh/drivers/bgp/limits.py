"""Every bound and period of fronts that BIRD announces, in one place. Times in seconds."""

COMMAND_S = 1.0
"""BIRD answers within a millisecond. One that has not within this hangs."""

REPLY_BYTES_MAX = 256 * 1024
"""Of one answer: "show protocols" of a route server with a thousand sessions has 80 KiB."""

LINE_BYTES_MAX = 4096
"""BIRD itself cuts lines at 1 KiB."""

SESSION_S = 2.0
"""So long an order waits for a BGP session to come up: BIRD may have been restarted just now."""

SESSION_LOOK_S = 0.05
"""Between two looks meanwhile."""

WITHDRAWN_S = 0.5
"""A static protocol is down some microseconds after it was told to be."""

WITHDRAWN_LOOK_S = 0.01

HELD_LOOK_S = 0.25
"""Between two looks at a front that is held here: by hand, by a restart or by a new configuration it may be no more."""

IDLE_LOOK_S = 1.0
"""The same for one that is not: it must not be announced here."""

HTTP_PROBE_S = 0.03
"""A holder that does not answer HTTP within this does not serve: between zones a packet needs a millisecond or two."""

GRANTED_S = 8.0
"""So long an order waits for the lease: the sentinel kills what has hung for 5 s, and its successor needs a second."""

GRANTED_LOOK_S = 0.1

SESSIONS_MAX = 16
"""BGP sessions looked at for one front: a balancer has two routers, or four."""
