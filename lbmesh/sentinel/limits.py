"""Every bound of the sentinel, in one place. Times in seconds, sizes in bytes."""

PERIOD_S = 0.05
"""The loop looks at tick ages and deadlines at least this often."""

GOSSIP_RECEIVE_BYTES = 4 * 1024 * 1024
"""Datagrams that wait while the agent is busy or restarting. The kernel grants up to net.core.rmem_max."""

HEARTBEAT_RECEIVE_BYTES = 1024 * 1024
"""Heartbeats that wait while the sentinel stands still: 300 a second, a kilobyte each in the kernel's books."""

DNS_RECEIVE_BYTES = 256 * 1024
"""Queries that wait while the nameserver is busy, some 300: beyond that their clients would have asked again before."""

HEARTBEATS_PER_ROUND = 256
"""Received in one go, some 10 µs each. With more waiting, the next round goes on, and nobody is judged before."""

HEARTBEAT_FIGURES_S = 1.0
"""How often the agent gets the heartbeat's counters."""

REJECTIONS_LOGGED_S = 60.0
"""Between two log lines about datagrams at the heartbeat's port that changed nothing."""

PROBES_MAX = 8
"""Fronts asked at one time; there are fewer partners."""

REALTIME_PRIORITY = 1
"""The lowest: above every ordinary process, below whatever an operator deems more urgent."""

NICE = -5
"""Where real-time scheduling is refused."""

CONTROL_SEND_BYTES = 256 * 1024
"""Control messages that wait for a child. One that lets them pile up further is hung, and is killed."""

HUNG_S = 5.0
"""A child whose tick is older is killed. The mesh has moved away by then: this only repairs the node."""

FIRST_TICK_S = 30.0
"""A new child that never ticked is killed after this: a cold disk and a busy core make imports slow."""

STALL_S = 1.0
"""When the sentinel's own loop stood still for this long (a stopped group, a paused machine), old ticks prove
nothing about the children, and they get STALL_GRACE_S to tick again."""

STALL_GRACE_S = HUNG_S

RESTART_DELAY_S = 0.1
"""Before the second restart in a row (the first is at once), doubled for each one after it."""

RESTART_DELAY_MAX_S = 5.0

LAST_FORWARDER_DELAY_S = 0.2
"""The longest wait for a forwarder while none is alive: clients wait in the listen queue meanwhile."""

STABLE_S = 10.0
"""A child that was ready for this long and dies begins a new row of restarts."""

START_FAILURES_MAX = 5
"""While the node was never ready: after this many deaths in a row of one child, the node gives up."""

SAME_SIGNAL_S = 0.25
"""The same signal again this soon is the first: timeout(1) sends one to the process and one to its group."""

LEAVE_S = 1.0
"""The agent's time to say goodbye to the mesh."""

DRAIN_MARGIN_S = 1.0
"""What a forwarder may take beyond the drain timeout, before it is killed."""

EXIT_S = 1.0
"""A child's time to exit once it has nothing left to do."""

UNREAPED_S = 10.0
"""A killed child that is still there after this is stuck in the kernel: the watchdog is fed no more."""
