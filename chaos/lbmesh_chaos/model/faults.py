"""The vocabulary of what goes wrong: one frozen value for each fault, the same for the lab and for the simulator.

Names are those of hosts or of zones; a zone stands for all of its hosts that the fault can be about. What the faults
mean on real machines is said by `lbmesh_chaos.faults.plan`, and in a simulated world by the simulator.
"""

from dataclasses import dataclass
from enum import StrEnum

Names = tuple[str, ...]


class Part(StrEnum):
    """Which processes of a host."""

    ALL = "all"
    """Every process of the host's programs."""
    SENTINEL = "sentinel"
    """A balancer's first process alone: `lbmesh run`."""
    AGENT = "agent"
    """A balancer's agent: the child that was started with `internal-agent`."""
    FORWARDERS = "forwarders"
    """All of a balancer's forwarders: `internal-forwarder`."""
    FORWARDER = "forwarder"
    """One of a balancer's forwarders: that with the lowest process id."""


class Traffic(StrEnum):
    """Which of what goes over the network."""

    ALL = "all"
    GOSSIP = "gossip"
    """Gossip and the fast heartbeat."""
    CLIENTS = "clients"
    """Between clients and balancers."""
    REPLICAS = "replicas"
    """Between balancers and replicas: requests and health checks."""


class Poison(StrEnum):
    """What a configuration file is replaced with."""

    EMPTY = "empty"
    """No byte at all, as the control plane had it in December 2012."""
    TRUNCATED = "truncated"
    """The first half of the good file."""
    GARBAGE = "garbage"
    """Bytes that are no TOML."""
    UNKNOWN_KEY = "unknown-key"
    """The good file with a key more that nobody knows."""
    NO_REPLICAS = "no-replicas"
    """The good file, but each service has an empty list of replicas."""


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL; to heal it is to start what died.

    `silent`: the machine has no power: nothing tells its peers, not even a reset. Else the kernel lives on, resets the
    connections and refuses new ones. `forgets`: it comes back with an empty state directory.
    """

    targets: Names
    part: Part = Part.ALL
    silent: bool = False
    forgets: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """SIGTERM, and to heal it a start. `grace_s`: how long it may take to drain."""

    targets: Names
    grace_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Freeze:
    """SIGSTOP, and SIGCONT: the kernel still takes connections, but nobody answers."""

    targets: Names
    part: Part = Part.ALL


@dataclass(frozen=True, slots=True)
class Starve:
    """The targets' processes get only this share of their time, from 0 to 1, in periods of `period_s`."""

    targets: Names
    share: float
    period_s: float = 0.1


@dataclass(frozen=True, slots=True)
class Cut:
    """The targets and everybody else do not reach each other."""

    targets: Names
    traffic: Traffic = Traffic.ALL


@dataclass(frozen=True, slots=True)
class Split:
    """No group reaches another one. Who is in none, or among the bridges, reaches everybody and is reached by all."""

    groups: tuple[Names, ...]
    bridges: Names = ()
    traffic: Traffic = Traffic.ALL


@dataclass(frozen=True, slots=True)
class OneWay:
    """Nothing that the sources send reaches the targets; the way back works."""

    sources: Names
    targets: Names
    traffic: Traffic = Traffic.ALL


@dataclass(frozen=True, slots=True)
class HalfConnected:
    """Of the balancers, the target reaches only these, and is reached by only these."""

    target: str
    reaches: Names
    traffic: Traffic = Traffic.ALL


@dataclass(frozen=True, slots=True)
class Lossy:
    """What the targets send is lost with this probability, from 0 to 1."""

    targets: Names
    loss: float
    traffic: Traffic = Traffic.ALL


@dataclass(frozen=True, slots=True)
class Latency:
    """What the targets send to `to` (nobody named: to all others) comes late.

    By `delay_s` and an even part of `jitter_s`; these shares of it are doubled, or overtaken by what was sent later.
    """

    targets: Names
    delay_s: float
    to: Names = ()
    jitter_s: float = 0.0
    duplicates: float = 0.0
    overtaken: float = 0.0


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """What the targets send leaves at this rate; what would wait longer than `latency_s` is dropped."""

    targets: Names
    bytes_per_s: int
    latency_s: float = 0.2


@dataclass(frozen=True, slots=True)
class ClockJump:
    """The targets' wall clock is off by so much, back or ahead; their monotonic time is not."""

    targets: Names
    offset_s: float


@dataclass(frozen=True, slots=True)
class DiskFull:
    """There is no room where the targets keep their state."""

    targets: Names


@dataclass(frozen=True, slots=True)
class DnsDown:
    """Resolvers do not answer; nobody named: all of them. `refuses`: their ports are closed, which tells clients."""

    targets: Names = ()
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Ailing:
    """Replicas answer, but badly.

    Late by `slow_s`; and these shares of the requests, from 0 to 1, are answered with a 500, or with half of the
    answer, or with a reset, or never. `health`: their health checks ail likewise.
    """

    targets: Names
    slow_s: float = 0.0
    errors: float = 0.0
    truncated: float = 0.0
    resets: float = 0.0
    silent: float = 0.0
    health: bool = False


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """Connections to the targets that are open now pass nothing more, and neither end is told; new ones work."""

    targets: Names


@dataclass(frozen=True, slots=True)
class ConfigPoison:
    """Balancers are given a bad configuration file and told to reload; to heal it is to give them the good one."""

    targets: Names
    poison: Poison


class Mode(StrEnum):
    """How a provider's control plane fails."""

    HANGS = "hangs"
    """It takes the question, and never answers."""
    LIES = "lies"
    """It names backends that do not exist."""
    EMPTY = "empty"
    """It names none."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A provider's control plane (lbmesh_chaos.lab.managed) fails; what it manages obeys it."""

    targets: Names
    mode: Mode


@dataclass(frozen=True, slots=True)
class Reload:
    """Balancers are told to read their configuration again (SIGHUP). There is nothing to heal."""

    targets: Names


Fault = (
    Kill
    | Leave
    | Freeze
    | Starve
    | Cut
    | Split
    | OneWay
    | HalfConnected
    | Lossy
    | Latency
    | Bandwidth
    | ClockJump
    | DiskFull
    | DnsDown
    | Ailing
    | HalfOpen
    | ConfigPoison
    | ControlPlane
    | Reload
)


@dataclass(frozen=True, slots=True)
class Flapping:
    """A fault that comes and goes: it stands for `on_s`, then is healed for `off_s`, and so on until it is undone."""

    on_s: float
    off_s: float
