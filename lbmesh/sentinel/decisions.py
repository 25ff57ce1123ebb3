"""What the supervisor decides, for the shell to do, in this order."""

from dataclasses import dataclass
from enum import IntEnum

from lbmesh.control import processes
from lbmesh.control.processes import ControlMessage

LogField = str | int | float | bool | list[str]


class ExitCode(IntEnum):
    """How `lbmesh run` ends. Ended at once by a second signal: 128 and its number, as shells have it."""

    DRAINED = 0
    CANNOT_START = 1
    USAGE = 2
    CHILD_CANNOT_START = 3
    NOT_DRAINED = 4
    """Told to leave, and a forwarder died or was killed before it had drained: it cut its requests off."""


def child_name(slot: int) -> str:
    """What logs call the child of this tick slot."""
    match slot:
        case processes.AGENT_SLOT:
            return "agent"
        case processes.NAMESERVER_SLOT:
            return "nameserver"
        case _:
            return f"forwarder-{slot - 1}"


@dataclass(frozen=True, slots=True)
class Start:
    """Start this child, and answer with `started` or `start_failed`. `generation` is the agent's."""

    slot: int
    generation: int


@dataclass(frozen=True, slots=True)
class MakeLink:
    """Make a new stream socket pair: one end to the agent, the other to this child."""

    slot: int
    generation: int


@dataclass(frozen=True, slots=True)
class Send:
    """Put this message on the child's control channel."""

    slot: int
    message: ControlMessage


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL this child."""

    slot: int


@dataclass(frozen=True, slots=True)
class CloseChannel:
    """Close the child's control channel: to the child, the word to exit."""

    slot: int


@dataclass(frozen=True, slots=True)
class CloseListeners:
    """Close the sentinel's own descriptors of the HTTP listeners."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the service manager, in the words of sd_notify(3)."""

    assignments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """Write one log line."""

    level: str
    event: str
    fields: dict[str, LogField]


@dataclass(frozen=True, slots=True)
class End:
    """Everything has ended: leave with this code."""

    code: int


Decision = Start | MakeLink | Send | Kill | CloseChannel | CloseListeners | Notify | Log | End
