"""The steps that faults are made of. The lab's first process carries them out; `undo` says what takes each one back.

An undo is safe at any time: before its step, after half of it, twice, or when what it is about has died. `held` says
what of the world a step has in its hand: no two standing faults may hold the same, and when the undo is done, nothing
may be left of it (see `Thing`).
"""

from dataclasses import dataclass
from enum import StrEnum

from lbmesh_chaos.faults.filters import Filter
from lbmesh_chaos.model.faults import Part, Poison

READY_WITHIN_S = 20.0
"""A program that was started again and is not ready by then is residue."""


class Thing(StrEnum):
    """What a step holds, and what must be true of it when nothing holds it."""

    PROCESSES = "processes"
    """Each of the host's programs runs, a balancer's with its agent and forwarders and ready (/readyz says 200), and
    none of them is stopped (T). It takes a moment to come true: look again, for at most `READY_WITHIN_S`."""
    FILTER = "filter"
    """The host has no nftables table of this name."""
    QUEUE = "queue"
    """The interface has the queueing discipline that it was made with."""
    RELAY = "relay"
    """No relay, no TUN interface and no routing rule of the relay's preference."""
    CLOCK = "clock"
    """The host's programs see the machine's time."""
    DISK = "disk"
    """The host's state directory has no filler file."""
    CONFIG = "config"
    """The host's configuration file is the one that the lab wrote."""
    BEHAVIOUR = "behaviour"
    """The host's program behaves as it does by default."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One thing of one host. `name` tells apart what a host may have several of: tables, interfaces."""

    host: str
    thing: Thing
    name: str = ""

    def __str__(self) -> str:
        return f"the {self.thing} of {self.host}" + (f" ({self.name})" if self.name else "")


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to these processes. Undo: start each program that does not run.

    `forgets`: remove what is in the host's state directory, too: a machine that comes back as an empty one.
    """

    host: str
    part: Part = Part.ALL
    forgets: bool = False


@dataclass(frozen=True, slots=True)
class Terminate:
    """SIGTERM to the first process of each program, and wait until it has ended, at most `grace_s`; then SIGKILL."""

    host: str
    grace_s: float


@dataclass(frozen=True, slots=True)
class Start:
    """Start each program of the host that does not run. Whether it gets ready is asked when all undos are done."""

    host: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """SIGSTOP to these processes."""

    host: str
    part: Part = Part.ALL


@dataclass(frozen=True, slots=True)
class Throttle:
    """Let the host's processes run for `share` of each period and keep them stopped for the rest, as a CPU quota does.

    By SIGSTOP and SIGCONT in turn: a control group would outlive the lab, and have another form on each machine.
    Children that are born meanwhile are taken in at the next period.
    """

    host: str
    share: float
    period_s: float = 0.1


@dataclass(frozen=True, slots=True)
class Thaw:
    """No longer throttle the host's processes, and SIGCONT to each one that is stopped (T)."""

    host: str


@dataclass(frozen=True, slots=True)
class AddFilter:
    """Add an nftables table: `nft -f -` in the host's namespace reads `filter.text`. All or nothing."""

    host: str
    filter: Filter


@dataclass(frozen=True, slots=True)
class RemoveFilter:
    """Delete the table `inet <table>`. That there is none is fine (`filters.removal` has the text)."""

    host: str
    table: str


@dataclass(frozen=True, slots=True)
class LimitRate:
    """A token bucket (tbf) on what leaves the host by its interface. `latency_s`: what would wait longer is dropped."""

    host: str
    bytes_per_s: int
    burst_bytes: int
    latency_s: float


@dataclass(frozen=True, slots=True)
class RestoreQueue:
    """The host's interface has the queueing discipline again that it was made with."""

    host: str


@dataclass(frozen=True, slots=True)
class Delay:
    """What the host sends to these networks goes through a relay that holds it up.

    Start `python -m lbmesh_chaos.lab.relay` with `relay_arguments` in the host's namespace, and wait for its line
    "ready". It makes the TUN interface, its routes, and the routing rules of preference `RELAY_PREFERENCE`. Each
    datagram waits `delay_s` and a part of `jitter_s`; these shares are doubled, or come so late that others overtake.
    """

    host: str
    networks: tuple[str, ...]
    delay_s: float
    jitter_s: float = 0.0
    duplicates: float = 0.0
    overtaken: float = 0.0
    seed: int = 0

    @property
    def relay_arguments(self) -> tuple[str, ...]:
        """The relay's command line."""
        numbers = {
            "delay-s": self.delay_s,
            "jitter-s": self.jitter_s,
            "duplicates": self.duplicates,
            "overtaken": self.overtaken,
            "seed": self.seed,
        }
        return (*(f"--{name}={number}" for name, number in numbers.items()), *self.networks)


RELAY_PREFERENCE = 77
"""Of the routing rules (`ip rule`) that lead into the relay; before the main table's 32766."""


@dataclass(frozen=True, slots=True)
class EndDelay:
    """Remove the routing rules of preference `RELAY_PREFERENCE`, then SIGKILL the relay; TUN and routes go with it."""

    host: str


@dataclass(frozen=True, slots=True)
class SetClock:
    """The host's programs see the machine's wall clock plus `offset_s`; monotonic time stays true (libfaketime)."""

    host: str
    offset_s: float


@dataclass(frozen=True, slots=True)
class FillDisk:
    """Write a filler file into the host's state directory (a small tmpfs of its own) until there is no room."""

    host: str


@dataclass(frozen=True, slots=True)
class FreeDisk:
    """Remove the filler file."""

    host: str


@dataclass(frozen=True, slots=True)
class PushConfig:
    """Replace the host's configuration file, and SIGHUP to the program's first process. None: the good file."""

    host: str
    poison: Poison | None


@dataclass(frozen=True, slots=True)
class Behave:
    """Tell the host's program how to behave: an object of these fields in the file that it looks at, put there by a
    rename. Empty: there is no such file.

    Pairs rather than a mapping, so that a step can be compared and kept in a set.
    """

    host: str
    behaviour: tuple[tuple[str, float | int | str | bool], ...]


Step = (
    Kill
    | Terminate
    | Start
    | Freeze
    | Throttle
    | Thaw
    | AddFilter
    | RemoveFilter
    | LimitRate
    | RestoreQueue
    | Delay
    | EndDelay
    | SetClock
    | FillDisk
    | FreeDisk
    | PushConfig
    | Behave
)


def undo(step: Step) -> Step:
    """What takes a step back. An undo is its own undo: it can only bring the world nearer to what it was."""
    match step:
        case Kill(host) | Terminate(host):
            return Start(host)
        case Freeze(host) | Throttle(host):
            return Thaw(host)
        case AddFilter(host, added):
            return RemoveFilter(host, added.table)
        case LimitRate(host):
            return RestoreQueue(host)
        case Delay(host):
            return EndDelay(host)
        case SetClock(host):
            return SetClock(host, 0.0)
        case FillDisk(host):
            return FreeDisk(host)
        case PushConfig(host):
            return PushConfig(host, None)
        case Behave(host):
            return Behave(host, ())
        case Start() | Thaw() | RemoveFilter() | RestoreQueue() | EndDelay() | FreeDisk():
            return step


def held(step: Step) -> Hold:
    """What a step, or an undo, has in its hand."""
    match step:
        case Kill(host) | Terminate(host) | Start(host) | Freeze(host) | Throttle(host) | Thaw(host):
            return Hold(host, Thing.PROCESSES)
        case AddFilter(host, added):
            return Hold(host, Thing.FILTER, added.table)
        case RemoveFilter(host, table):
            return Hold(host, Thing.FILTER, table)
        case LimitRate(host) | RestoreQueue(host):
            return Hold(host, Thing.QUEUE)
        case Delay(host) | EndDelay(host):
            return Hold(host, Thing.RELAY)
        case SetClock(host):
            return Hold(host, Thing.CLOCK)
        case FillDisk(host) | FreeDisk(host):
            return Hold(host, Thing.DISK)
        case PushConfig(host):
            return Hold(host, Thing.CONFIG)
        case Behave(host):
            return Hold(host, Thing.BEHAVIOUR)
