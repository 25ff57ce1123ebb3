"""Every bound on what the health room does to replicas, and to the mesh, in one place. Times in seconds."""

PROBERS_PER_REPLICA = 3
"""Enough that two agree when one is wrong; more when there are more zones, each of which has one."""

LOOKERS_PER_ZONE = 3
"""So many of a zone look at a replica in doubt (a dispute, a shortage): enough for a majority that one node's trouble
or lie does not turn. So doubt costs at most this many probes a zone and interval, whatever the number of balancers."""

PROBE_GAP_S = 0.25
"""However urgent: probes of one replica by one node that is to look at it start at least this far apart …"""

DOUBT_GRACE_S = 1.0
"""News that a replica is down keeps it from first choice for the check's timeout and this long at most: the time in
which the lookers of this zone have probed it, and their words have spread."""

REASON_GAP_S = 30.0
"""A word that stands is said again for another kind of reason at most this often: "status 503" now, a timeout then."""

REMOVAL_SHARE = 0.2
REMOVAL_WINDOW_S = 10.0
"""Of a service's replicas at most this part (but one at least) is newly taken out by hearsay in such a window: time in
which a look, or traffic, shows what is true."""

ZONE_WINDOW_S = 600.0
"""At most one zone in such a time loses replicas by hearsay that somebody still reaches: a fault (or a liar) that
moves from zone to zone is stopped at the first, and an operator has time to see it."""

ACCUSATIONS_MIN = 3
"""Fewer accusations that others contradict say nothing about the accuser: a majority outvotes it anyway."""

PENALTY_HALF_LIFE_S = 60.0
HOLD_ABOVE = 3.0
RELEASE_BELOW = 1.0
"""Route-flap damping (RFC 2439) with one point a transition: a restart costs two and is never held back, two restarts
within half a minute are."""

TAKEN_BACK_WITHIN_S = 0.5
"""A transition taken back sooner is no flap: the words of observers cross within a few round trips."""

HOLD_MAX_S = 300.0
PENALTY_MAX = 32.0
"""Five half-lives above the release: whatever happened before, nothing is held for longer than `HOLD_MAX_S`."""

REVISITS_PER_STEP = 64
"""With 100 members one revisit hashes 100 times at worst, some 0.1 ms; a step of the agent has 10 ms."""

DUE_PER_STEP = 64
"""Replicas whose probe, or whose evidence, is due: some 20 µs each. Of more the rest come in the next steps."""

LOOKS_PER_STEP = 64
"""Services and those of their replicas that are not simply in use, looked at together."""

PROBES_PER_S_MAX = 1000
"""Of one node: half a core of its agent (an HTTP probe takes 280 µs there, what follows from its result about as
much). Where the settings ask for more, all intervals grow: late evidence is better than evidence that has expired
before the next comes.
"""
