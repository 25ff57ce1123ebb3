"""Every bound of the data path, in one place. Sizes in bytes, times in seconds."""

from dataclasses import dataclass

HEAD_BYTES_MAX = 32 * 1024
"""A request or response head larger than this is refused (431, 502). nginx allows 4 × 8 KiB, Envoy 60 KiB."""

TARGET_BYTES_MAX = 16 * 1024
"""A request target longer than this is refused with 414."""

FIELDS_MAX = 128
"""More field lines than this in one head are refused. HAProxy's default is 101, Envoy's 100."""

CHUNK_LINE_BYTES_MAX = 256
"""A chunk-size line with its extensions."""

TRAILER_BYTES_MAX = 8 * 1024
"""All trailers of one message."""

PROXY_HEADER_BYTES_MAX = 4 * 1024
"""A PROXY header of version 2 with its extensions; a client certificate's name is the longest thing seen in one."""

PROXIES_MAX = 32
"""Addresses that a trusted proxy may put before its own; of more, those nearest to us count."""

CLAIM_BYTES_MAX = 256
"""One address, scheme or authority as a trusted proxy writes it, with what else RFC 7239 lets it say there."""

READ_BYTES = 64 * 1024
"""One read from a socket; also the most that is buffered in one direction of one exchange."""

READS_PER_STEP = 8
"""Reads one connection may do before the others get their turn …"""

STEP_S = 0.001
"""… or as many as fit in this time: a body of one-byte chunks takes 100 times as long as a plain one."""

IDLE_UPSTREAMS_PER_REPLICA = 256
"""Pooled connections kept to one replica by one forwarder."""

INFORMATIONAL_RESPONSES_MAX = 16
"""1xx responses in front of one final response."""

REPLAY_BYTES_MAX = READ_BYTES
"""A request body up to this size, and already read whole, may be sent again on a retry."""

SHED_SHARE = 16
"""Full, a forwarder ends one in so many of its connections each second: those that have waited longest for a head …"""

SHED_WAIT_MIN_S = 1.0
"""… and at least so long, so that a new client has the time to say what it wants."""

DISCARD_BYTES_MAX = 64 * 1024
"""What may be left of a request when its answer is out already: so much is read and thrown away, so that the connection
can serve the next one. A client that has more is told to close.
"""


MIRRORS_IN_FLIGHT_MAX = 64
"""Copies of requests under way in one forwarder; more are left out and counted."""

MIRRORED_RESPONSE_BYTES_MAX = 1024 * 1024
"""So much of an answer to a copy is read and thrown away; what has more costs its connection."""

RATE_LIMIT_KEYS_MAX = 65_536
"""Buckets of all rate limits of one forwarder, 16 bytes each; each limit has its share …"""

RATE_LIMIT_KEYS_MIN = 1024
"""… and at least so many, however many limits there are."""

LISTEN_BACKLOG = 4096
"""Connections that may wait in the kernel to be accepted, on each listener; less while a forwarder is overloaded."""

OVERLOAD_MIN_S = 0.01
"""The least target of `ForwarderLimits.overload_s`: two turns of a forwarder's reactor. What is ready waits up to one
for the batch under way, and what stops halfway waits for the next; below that a busy forwarder counts as one behind.
"""


@dataclass(frozen=True, slots=True)
class ForwarderLimits:
    """Limits on clients that operators may set, under [forwarder].

    `overload_s`: a forwarder that is so far behind takes no more on, from OVERLOAD_MIN_S; 0 for never.
    `body_rate_min`: bytes a second that a client must send of a request body, or take of a response that waits for
    it, on average over the service's idle timeout; 0 for no such limit. Kestrel's default, and half of Apache's.
    """

    head_timeout_s: float = 10.0
    keepalive_timeout_s: float = 75.0
    connections_max: int = 20_000
    upstream_idle_s: float = 30.0
    overload_s: float = 0.1
    body_rate_min: int = 240
