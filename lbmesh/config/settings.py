"""A node's settings: what the configuration file says, with every default filled in."""

from dataclasses import dataclass, field
from pathlib import Path

from lbmesh.model.address import Address
from lbmesh.model.dns import DnsPolicy
from lbmesh.model.front import Front
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.listener import ListenerPolicy
from lbmesh.model.provenance import ProvenancePolicy
from lbmesh.model.route import Route
from lbmesh.model.service import Service


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """[node]: who this is. `state_dir` holds the boot counter and what survives a restart. `lame_duck_s`: how long a
    node that leaves still takes connections.
    """

    name: str
    zone: str
    state_dir: Path
    drain_timeout_s: float = 30.0
    lame_duck_s: float = 1.0


@dataclass(frozen=True, slots=True)
class GossipSettings:
    """[gossip]: how this node meets the others. Left out: a node alone.

    `keys`: the ring of 32-byte keys in force, the first is primary: as read from `key_file` at first, later as the
    mesh has it. `keys_in_file`: what lbmesh last read from the file or wrote to it; None for the same as `keys`.
    `heartbeat_bind`: where the sentinel's fast heartbeat is heard; the others reach it at the host of
    `advertise`; None for no heartbeat. `profile`: one of gossip's PROFILES.
    """

    bind: Address
    advertise: Address
    seeds: tuple[Address, ...]
    key_file: Path
    keys: tuple[bytes, ...] = field(repr=False)
    heartbeat_bind: Address | None
    profile: str = "fast"
    keys_in_file: tuple[bytes, ...] | None = field(default=None, repr=False)

    @property
    def file_keys(self) -> tuple[bytes, ...]:
        """What the key file was last known to hold."""
        return self.keys if self.keys_in_file is None else self.keys_in_file


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """[[listener]]: an address on which clients are served, and how; a reload may change the latter."""

    bind: Address
    policy: ListenerPolicy = ListenerPolicy()


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """[admin]: API and metrics. `token` is None only where `bind` is loopback. `drills`: whoever has the token may have
    this node kill or freeze its own processes for a while.
    """

    bind: Address
    token_file: Path | None = None
    token: str | None = field(default=None, repr=False)
    drills: bool = False


@dataclass(frozen=True, slots=True)
class LogSettings:
    """[log]: `access` is "stdout", "off" or a file's path; `level` is debug, info, warning or error."""

    access: str = "stdout"
    level: str = "info"


@dataclass(frozen=True, slots=True)
class FailoverSettings:
    """[failover]: who has a vote on exclusive fronts. `witnesses`: nodes by where their gossip is reached, which vote
    and hold nothing. `zones`: (zone, its nodes), both by name; none when the file does not say.
    """

    witnesses: tuple[Address, ...] = ()
    zones: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def zone_of(self, node: str) -> str | None:
        """Where the file has a node; None when it does not."""
        return next((zone for zone, nodes in self.zones if node in nodes), None)


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """[dns]: `bind`: where queries come, each over UDP and TCP; and what is answered."""

    bind: tuple[Address, ...]
    policy: DnsPolicy


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything one node is told. `routes` holds the long form and the services' shorthand, merged.

    `workers`: number of forwarders, 1 or more ("one per core" already counted out).
    """

    node: NodeSettings
    listeners: tuple[ListenerSettings, ...]
    services: tuple[Service, ...]
    routes: tuple[Route, ...]
    workers: int
    limits: ForwarderLimits = ForwarderLimits()
    gossip: GossipSettings | None = None
    admin: AdminSettings | None = None
    log: LogSettings = LogSettings()
    provenance: ProvenancePolicy = ProvenancePolicy()
    fronts: tuple[Front, ...] = ()
    failover: FailoverSettings = FailoverSettings()
    dns: DnsSettings | None = None

    @property
    def is_witness(self) -> bool:
        """Does this node vote on fronts, and hold none?"""
        return self.gossip is not None and self.gossip.advertise in self.failover.witnesses
