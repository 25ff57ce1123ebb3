"""The processes of a node: what each child is started with, and what goes over its control channel.

A control channel is one AF_UNIX SOCK_SEQPACKET pair per child, so that a message arrives whole or not at all,
and descriptors ride with the message they belong to. Its end, in either direction, means the other is gone.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lbmesh.failover.words import Back, Gone, GoneRule, PairKey, Partner
from lbmesh.gossip.limits import SEQUENCE_MAX
from lbmesh.model.address import Address

GENERATIONS_PER_BOOT = 1024
"""Gossip wants an epoch that rises with every agent, and the boot counter rises with every node only."""

BOOT_EPOCH_MAX = SEQUENCE_MAX // GENERATIONS_PER_BOOT - 1
"""Four million starts of a node: its agents' epochs must stay below the last one that gossip has."""

MESSAGE_BYTES_MAX = 64 * 1024
"""One control message; the kernel's default socket buffer holds three of them."""

DESCRIPTORS_MAX = 4
"""Descriptors that ride with one message."""

ERRORS_MAX = 32
"""Errors of one refused reload that are passed on; the rest are counted in the last one."""

ERROR_CHARACTERS_MAX = 256
"""Of one such error. 32 of these are at most 49 KiB, even when JSON writes every character as six bytes."""


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What the agent is started with. Descriptors are inherited; None where the settings have no such socket.

    `settings_fd` holds the settings in force (see `config.handover`); `config_file` is for a reload only.
    `generation` rises with each agent of one sentinel, `boot_epoch` with each start of the node. `heartbeat_port`,
    `heartbeat_session` (16 bytes in hex): where, and as whom, the sentinel exchanges heartbeats.
    """

    config_file: Path
    control_fd: int
    ticks_fd: int
    settings_fd: int
    generation: int
    boot_epoch: int
    admin_fd: int | None = None
    gossip_fd: int | None = None
    heartbeat_port: int | None = None
    heartbeat_session: str = ""
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class ForwarderOptions:
    """What one forwarder is started with. `worker` counts from 0; its tick slot is `tick_slot(worker)`.

    `access_log`: "stdout", "off" or a file's path. `log_level`: debug, info, warning or error.
    """

    worker: int
    control_fd: int
    ticks_fd: int
    listen_fds: tuple[int, ...]
    access_log: str = "stdout"
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class NameserverOptions:
    """What the nameserver is started with. `settings_fd`: as the agent's. `udp_fds`, `tcp_fds`: where queries come."""

    control_fd: int
    ticks_fd: int
    settings_fd: int
    udp_fds: tuple[int, ...]
    tcp_fds: tuple[int, ...]
    log_level: str = "info"


AGENT_SLOT = 0

NAMESERVER_SLOT = 511
"""The last one of the tick board: there are fewer forwarders than that."""


def tick_slot(worker: int) -> int:
    """The forwarder's slot on the tick board; the agent's is AGENT_SLOT."""
    return 1 + worker


@dataclass(frozen=True, slots=True)
class AgentLink:
    """To a forwarder or the nameserver, with one descriptor: the stream socket to the agent of this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class ForwarderLink:
    """To the agent, with one descriptor: the stream socket to this forwarder process."""

    worker: int
    pid: int


@dataclass(frozen=True, slots=True)
class LameDuck:
    """To a forwarder: this node leaves. Serve all that comes, and say with each answer that the connection ends."""


@dataclass(frozen=True, slots=True)
class NameserverLink:
    """To the agent, with one descriptor: the stream socket to this nameserver process."""

    pid: int


@dataclass(frozen=True, slots=True)
class Drain:
    """To a forwarder: accept what waits, and no more; finish what is in flight, then say Drained and exit 0."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Reload:
    """To the agent: read the configuration again, and answer Reloaded."""


@dataclass(frozen=True, slots=True)
class Leave:
    """To the agent: say goodbye to the mesh, turn unready, answer Left."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From the agent: a View is out. From a forwarder: it serves from one. From the nameserver: it answers."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """From the agent: the reload was taken (`errors` empty) or refused whole, with located errors.

    One that was taken comes with one descriptor: the settings now in force, for the next agent.
    """

    ok: bool
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """From the agent, with one descriptor: the settings in force have another key ring, for the next agent."""


@dataclass(frozen=True, slots=True)
class Left:
    """From the agent: the mesh was told."""


@dataclass(frozen=True, slots=True)
class Drained:
    """From a forwarder: nothing is in flight any more, or its time is up."""


@dataclass(frozen=True, slots=True)
class Partners:
    """From the agent: with whom to exchange heartbeats from now on. `name`: this node's."""

    name: str
    table: tuple[Partner, ...]


@dataclass(frozen=True, slots=True)
class HeartbeatFigures:
    """To the agent: the heartbeat's counters since the sentinel started, by name."""

    counters: dict[str, int]


@dataclass(frozen=True, slots=True)
class HoldLease:
    """From the agent: have the kernel answer for this front from now on, until then on the monotonic clock; infinite
    for one that tolerates two holders. Answered by LeaseAnswer with its ticket.
    """

    front: str
    epoch: int
    until_s: float
    ticket: int


@dataclass(frozen=True, slots=True)
class ExtendLease:
    """From the agent: go on until then with the lease that there is. Where there is none any more, nothing comes of it:
    the word of its end is on the way.
    """

    front: str
    epoch: int
    until_s: float


@dataclass(frozen=True, slots=True)
class EndLease:
    """From the agent: have the kernel be silent about this front, at once. Answered by LeaseAnswer with its ticket."""

    front: str
    ticket: int


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """To the agent: what came of the order with this ticket. `problem`: in words, "" if nothing is wrong."""

    ticket: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LeaseTrouble:
    """To the agent: what is wrong with a lease that is held. `has_lapsed`: nobody could renew it in time, so that
    another node may have the front; it is not renewed any more.
    """

    front: str
    problem: str
    has_lapsed: bool = False


ControlMessage = (
    AgentLink
    | ForwarderLink
    | NameserverLink
    | LameDuck
    | Drain
    | Reload
    | Leave
    | Ready
    | Reloaded
    | KeysChanged
    | Left
    | Drained
    | Partners
    | Gone
    | Back
    | HeartbeatFigures
    | HoldLease
    | ExtendLease
    | EndLease
    | LeaseAnswer
    | LeaseTrouble
)
"""`Gone` and `Back` go to the agent: what the sentinel finds about partners."""

_KINDS: dict[str, type[ControlMessage]] = {
    "agent_link": AgentLink,
    "forwarder_link": ForwarderLink,
    "nameserver_link": NameserverLink,
    "lame_duck": LameDuck,
    "drain": Drain,
    "reload": Reload,
    "leave": Leave,
    "ready": Ready,
    "reloaded": Reloaded,
    "keys_changed": KeysChanged,
    "left": Left,
    "drained": Drained,
    "partners": Partners,
    "gone": Gone,
    "back": Back,
    "heartbeat_figures": HeartbeatFigures,
    "hold_lease": HoldLease,
    "extend_lease": ExtendLease,
    "end_lease": EndLease,
    "lease_answer": LeaseAnswer,
    "lease_trouble": LeaseTrouble,
}
_NAMES = {message_type: kind for kind, message_type in _KINDS.items()}


def encode_control(message: ControlMessage) -> bytes:
    """One packet, at most MESSAGE_BYTES_MAX bytes."""
    if isinstance(message, Reloaded):
        message = Reloaded(message.ok, _bounded(message.errors))
    return json.dumps(
        {"kind": _NAMES[type(message)], **asdict(message)}, separators=(",", ":"), ensure_ascii=False
    ).encode("utf-8", "replace")


def decode_control(packet: bytes) -> ControlMessage:
    """The message in this packet. Raises ValueError for none: the two ends are of different releases."""
    try:
        fields: dict[str, Any] = json.loads(packet)
        message_type = _KINDS[fields.pop("kind")]
        if message_type is Reloaded:
            fields["errors"] = tuple(fields["errors"])
        elif message_type is Partners:
            fields["table"] = tuple(map(_partner, fields["table"]))
        elif message_type is Gone:
            fields["rule"], fields["absent"] = GoneRule(fields["rule"]), tuple(fields["absent"])
        return message_type(**fields)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"a malformed control message: {error!r}") from error


def _partner(fields: dict[str, Any]) -> Partner:
    front = fields.pop("front")
    return Partner(
        address=Address(**fields.pop("address")),
        keys=tuple(PairKey(**key) for key in fields.pop("keys")),
        judges=tuple(fields.pop("judges")),
        front=Address(**front) if front else None,
        **fields,
    )


def _bounded(errors: tuple[str, ...]) -> tuple[str, ...]:
    kept = tuple(error[:ERROR_CHARACTERS_MAX] for error in errors[:ERRORS_MAX])
    if len(errors) <= ERRORS_MAX:
        return kept
    return (*kept[:-1], f"and {len(errors) - ERRORS_MAX + 1} more: run lbmesh check to see them all")
