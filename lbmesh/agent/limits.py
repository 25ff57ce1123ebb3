"""Every bound of the agent's shell, in one place. Times in seconds, sizes in bytes."""

NICENESS = 5
"""How far behind the forwarders the agent stands in the scheduler. While it worked out a View of 10,000 replicas on two
cores, requests waited 7 to 80 ms in eight reloads; with this 5 to 9 ms, no longer than without a View.
"""

INHERIT_WAIT_S = 0.5
"""A new agent waits this long at most for its forwarders to say what they serve from."""

SEEK_S = 1.0
"""A node that has just started waits this long at most to meet a peer …"""

CATCH_UP_S = 2.0
"""… and then for what that peer knows, before it serves from what it has. 1000 opinions took 0.5 s, 3000 took 2 s."""

CERTIFICATE_LOOK_S = 5.0
"""Between two looks at the files of certificates. One that is renewed is in use after two or three."""

MEMORY_GAP_S = 1.0
"""Between two writes of the memory: a replica that flaps must not wear out the disk."""

MEMORY_CONFIRM_S = 60.0
"""How often an unchanged memory is touched, so that its age tells how long the node was away."""

MEMORY_RETRY_S = 10.0
"""After a write that failed."""

MEMORY_READ_S = 1.0
"""For the disk to give the memory back; without it a node starts as if it had none."""

MEMORY_SLOW_S = 10.0
"""A write that takes longer is told to the operator. There is no second one beside it."""

LOG_WINDOW_S = 60.0
LOG_LINES_PER_SUBJECT_MAX = 10
"""Events of one member, replica or other subject that are logged within a minute; more of them are only counted."""

LOG_LINES_PER_KIND_MAX = 1000
"""The same of all subjects of a kind together, for a peer can make names up: of some thousand replicas or members that
change within a minute the rest are only counted.
"""

LOGGED_SUBJECTS_MAX = 4096
"""Subjects remembered for that, the least recent forgotten first."""

TICK_S = 0.2
"""How often the agent stamps its tick slot; the sentinel kills an agent whose stamp is seconds old, and each stamp
costs a round of the loop, some 0.2 ms."""

LAG_WINDOW_S = 10.0
"""The loop's lag is the longest within this time."""

SLICE_S = 0.002
"""Work that comes in chunks lets others run after this long; a step of the agent has 10 ms."""

VIEW_GAP_S = 0.02
"""Between two Views to one forwarder: at a start, when all replicas become known, a thousand changes are a few Views.
The first of several changes is never held back."""

PROBES_IN_FLIGHT_MAX = 128
"""Probes under way at once, of one service at most half of them; what is due beyond that waits its turn."""

PROBE_BODY_BYTES_MAX = 64 * 1024
"""Read and looked at of a probe's answer, so that a replica is not reset in the middle of a small one; then closed."""

PROBE_ANSWER_BYTES_MAX = 2 * PROBE_BODY_BYTES_MAX
"""All that is received in one probe, whatever it is made of: heads, chunk sizes, frames."""

PROBE_EXPECT_BYTES_MAX = 16 * 1024
"""Of what a replica says on a TCP connection, looked at for the expected text."""

PROBE_READ_BYTES = 4096
"""Taken in one step of a probe, one of which fits in a pass of the loop. The dearest to parse took 4 ms (empty HTTP/2
frames of 9 bytes), one-byte chunks 3."""

REGEX_S = 0.005
"""Processor time of one search for `body_regex`: half of the agent's longest step. Some 2 MB of sound text."""

TLS_CONTEXTS_MAX = 64
"""Distinct trusts of probes that are kept; beyond that the oldest is made again when it is asked for."""

QUOTED_BYTES_MAX = 60
"""Of what a replica said, in a reason."""

DATAGRAMS_QUEUED_MAX = 4096
"""Gossip datagrams waiting to be sent; beyond that the oldest are dropped, which gossip repairs."""

DATAGRAMS_PER_BATCH = 64
"""Received in one go; opening one takes some 20 µs, so a batch stays far below the 10 ms of a step."""

DATAGRAM_BYTES_MAX = 2048
"""Ours have at most 1200 bytes; a longer one is cut, and then refused as forged."""

STREAMS_IN_MAX = 8
"""Gossip streams of others at a time. One that has said nothing authentic yet gives way to the next."""

STREAMS_IN_PER_HOST_MAX = 2
STREAM_UNIT_S = 2.0
"""For a unit to come, or to be taken: a peer answers at once, or is of no use."""

STREAM_S = 30.0
STREAM_BYTES_MAX = 64 * 1024 * 1024
"""Of one stream, both ways: a mesh with all the rows there can be has some 40 MB."""

STREAM_BUFFER_BYTES = 128 * 1024

ADMIN_CONNECTIONS_MAX = 32
ADMIN_HEAD_BYTES_MAX = 16 * 1024
ADMIN_HEAD_S = 5.0
"""From the first byte of a request's head to its last."""

ADMIN_IDLE_S = 30.0
"""Between two requests on one connection."""

ADMIN_ANSWER_S = 30.0
"""For a client to take the whole answer."""

THREAD_TURN_S = 0.0005
"""For so long a thread that reads settings or writes the memory holds the interpreter while the loop wants it. Each
system call of the loop gives it away: with Python's 5 ms a step of ten calls takes 50.
"""

RELIEF_S = 0.7
"""For others to take this node's fronts, before it says goodbye: the sentinel waits a second for that …"""

STAND_DOWN_S = 0.2
"""… and for drivers to send clients elsewhere whose fronts nobody has taken by then."""

WATCH_AGAIN_S = 5.0
"""After a driver broke while it looked after a front."""

GATEWAY_LOOK_S = 5.0
"""Between two looks whether the gateway answers, while all is well …"""

GATEWAY_DOUBTED_S = 0.25
"""… and while it does not."""

GATEWAY_PROBES, GATEWAY_ANSWER_S = 3, 0.02
"""Who lives on the segment answers within a millisecond."""
