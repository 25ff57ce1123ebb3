"""Every bound and every period of the gossip, in one place. Sizes in bytes, times in seconds."""

from dataclasses import dataclass

DATAGRAM_BYTES_MAX = 1200
"""Fits the smallest IPv6 path (1280) with headers to spare, so nothing is ever fragmented."""

NAME_BYTES_MAX = 64
ZONE_BYTES_MAX = 64
HOST_BYTES_MAX = 253
KEY_BYTES_MAX = 200
VALUE_BYTES_MAX = 512
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
"""Ed25519 (RFC 8032): at the end of each of the gossip's own rows."""

MEMBERS_MAX = 1024
"""Owners of rows that are remembered, whatever their state; the mesh is made for 3 to 100."""

ROWS_PER_OWNER_MAX = 4096
ROWS_MAX = 65_536
"""Rows of all owners together."""

TOMBSTONES_MAX = 1024
"""Withdrawn rows an owner remembers; at this number it stamps its living rows anew and forgets them all."""

SPANS_MAX = 64
"""Ranges of sequences known beyond an owner's first gap; more are forgotten, and repaired once more."""

SESSIONS_MAX = 2048
"""Replay windows kept of sessions that proved to live, the least recently used given up first."""

SESSIONS_UNPROVEN_MAX = 512
"""The same of sessions that did not, which recordings can fill."""

NOTICES_MAX = 256
"""Notices remembered, so as not to repeat them."""

STRAY_SOURCES_MAX = 1024
"""Sources of refused datagrams remembered, the least recent forgotten first."""

STRAY_SOURCES_TOLD_MAX = 8
"""Sources told of within a minute; a ninth notice says that there are more, for sources can be made up."""

REPLAY_WINDOW = 1024
SEEDS_MAX = 64
DIGEST_ENTRIES_MAX = 40
DIGEST_DATAGRAMS_MAX = 3
DELTA_DATAGRAMS_MAX = 8
"""Datagrams in answer to one digest; what does not fit waits for the next digest."""

KEYS_MAX = 8
"""Keys a ring holds at a time: one in use, one coming, and what failed rotations left."""

KEY_NOTES_MAX = 16
"""Keys a ring says anything of, removed ones included; the longest removed are forgotten first."""

REPLY_PEERS_MAX = 8192
"""Peers, by kind of reply, whose share of the replies is remembered; the longest silent are forgotten first."""

PONGS_MAX = 2
"""Pongs to one datagram of a session that has proved nothing: who means well asks for one or two."""

KEY_SOURCES_MAX = 1024
"""Addresses whose last datagram came under another key than the primary one, so that answers come in kind."""

SENDS_FAILED_MAX = 16
SENDS_WITHIN_S = 1.0
"""Addresses remembered that could not be sent to of late, and for how long."""

STREAM_UNITS_MAX = 32
"""Units in answer to one digest that came by stream: some 1.5 ms of work, and 38 KB."""

STREAM_ROUNDS_MAX = 1024
"""Digests in one stream; 32 units each, that is more than all rows of all owners."""

STREAMS_MAX = 4
"""Streams that a node has open to others at a time."""

PUSH_DATAGRAMS_MAX = 4
"""Datagrams to one peer in one push."""

EDGES_MAX = 48
"""Edges in one observer's row: 9 bytes each, so that they fit a value with its signature. With 10 observers a member,
an observer has 10 on average, and up to 22 at 1000 members.
"""

SEQUENCE_MAX = 2**32 - 1
ORDER_MAX = 2**32 - 1
"""The last counter that the stamp of an order about a key can have."""

EPOCH_JUMP_MAX = 2**20
"""How far a known member's epoch may rise at once: a thousand starts of its node. Else one forged row would use up all
epochs of a name.
"""

EPOCH_JUMP_AWAY_MAX = 2**28
"""The same of a member that was down or had left: a quarter of a million starts that nobody saw, such as of a node that
found its network cut off and was started again for days.
"""


@dataclass(frozen=True, slots=True)
class GossipTiming:
    """The fast profile. A crash shows after three missed pings: 500 to 700 ms, and one push. A broken edge is whole
    again after as many pings answered in a row. `settle_gap_s`: between two judgements, so that a burst of rows
    costs a few of them. `gather_s`: a ping goes out so much early when the node is awake anyway. `late_step_s`: a step
    that comes so late is a strike against this node's own accusations, one that comes `lateness_is_pause_s` late a
    pause.
    """

    ping_interval_s: float = 0.2
    down_ping_interval_s: float = 1.0
    gather_s: float = 0.025
    misses: int = 3
    answers: int = 3
    timeout_floor_s: float = 0.1
    timeout_cap_s: float = 1.0
    timeout_first_s: float = 0.5
    late_pong_s: float = 1.5
    push_interval_s: float = 0.05
    push_rounds: int = 2
    push_peers: int = 3
    digest_interval_s: float = 1.0
    settle_gap_s: float = 0.02
    seed_interval_s: float = 1.0
    own_seed_interval_s: float = 60.0
    late_step_s: float = 0.1
    lateness_is_pause_s: float = 0.4
    strikes_max: int = 3
    strike_half_life_s: float = 2.0
    grace_s: float = 1.5
    silent_s: float = 2.0
    takeover_s: float = 10.0
    overtake_gap_s: float = 1.0
    overtake_gap_max_s: float = 60.0
    proof_interval_s: float = 0.2
    key_interval_s: float = 0.25
    stream_gap_s: float = 5.0
    key_linger_s: float = 5.0
    seeds_silent_s: float = 5.0
    notice_repeat_s: float = 60.0
    hurry_s: float = 3.0
    observers: int = 10

    @property
    def speech_s(self) -> float:
        """Who has sent nothing for so long is not trusted on that account: four pings, by each of its observers."""
        return 4 * self.ping_interval_s


PROFILES = {
    "fast": GossipTiming(),
    "frugal": GossipTiming(
        ping_interval_s=1.0,
        down_ping_interval_s=2.0,
        timeout_floor_s=0.3,
        digest_interval_s=2.0,
        grace_s=4.0,
        silent_s=4.0,
    ),
}
"""By the name in the configuration. "frugal" sends a fifth of the pings, and a crash shows after some three seconds.
Members of one mesh may differ: each looks as fast as it is told.
"""
