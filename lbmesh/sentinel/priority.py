"""The sentinel's place in the scheduler: its heartbeat must not wait for the forwarders that it vouches for."""

import os

from lbmesh.sentinel.limits import NICE, REALTIME_PRIORITY


def raise_priority() -> str:
    """Take the best that is allowed; says which. Children start as ordinary processes (sched(7), reset-on-fork).

    Needs CAP_SYS_NICE, or for the first RLIMIT_RTPRIO, for the second RLIMIT_NICE.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(REALTIME_PRIORITY))
    except OSError:
        try:
            os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
        except OSError:
            return "ordinary"
        return f"nice {NICE}"
    return "real-time, round robin"
