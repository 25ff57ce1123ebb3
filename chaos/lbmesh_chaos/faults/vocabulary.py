"""The faults by their names in experiments, and the arguments of each one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lbmesh_chaos.faults import values
from lbmesh_chaos.faults.values import ENDS, MACHINES, Reader
from lbmesh_chaos.model.faults import (
    Ailing,
    Bandwidth,
    ClockJump,
    ConfigPoison,
    ControlPlane,
    Cut,
    DiskFull,
    DnsDown,
    Fault,
    Freeze,
    HalfConnected,
    HalfOpen,
    Kill,
    Latency,
    Leave,
    Lossy,
    Mode,
    OneWay,
    Part,
    Poison,
    Reload,
    Split,
    Starve,
    Traffic,
)
from lbmesh_chaos.model.world import Role


@dataclass(frozen=True, slots=True)
class Key:
    """An argument. `name`: of the fault's attribute."""

    name: str
    read: Reader
    required: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A fault's name in experiments: what it makes, and from which arguments."""

    makes: type[Fault]
    keys: Mapping[str, Key] = field(default_factory=dict)


def _names(name: str, *roles: Role) -> Key:
    return Key(name, values.targets(*roles), required=True)


_PART = Key("part", values.one_of(Part))
_TRAFFIC = Key("traffic", values.one_of(Traffic))
_MACHINES = _names("targets", *MACHINES)
_ENDS = _names("targets", *ENDS)

VOCABULARY: Mapping[str, Word] = {
    "kill": Word(
        Kill,
        {
            "targets": _MACHINES,
            "part": _PART,
            "silent": Key("silent", values.flag),
            "forgets": Key("forgets", values.flag),
        },
    ),
    "leave": Word(Leave, {"targets": _MACHINES, "grace": Key("grace_s", values.duration)}),
    "freeze": Word(Freeze, {"targets": _MACHINES, "part": _PART}),
    "starve": Word(
        Starve,
        {
            "targets": _MACHINES,
            "share": Key("share", values.partial_share, required=True),
            "period": Key("period_s", values.duration),
        },
    ),
    "cut": Word(Cut, {"targets": _ENDS, "traffic": _TRAFFIC}),
    "split": Word(
        Split,
        {
            "groups": Key("groups", values.groups, required=True),
            "bridges": Key("bridges", values.targets(*ENDS)),
            "traffic": _TRAFFIC,
        },
    ),
    "one_way": Word(OneWay, {"sources": _names("sources", *ENDS), "targets": _ENDS, "traffic": _TRAFFIC}),
    "half_connected": Word(
        HalfConnected,
        {
            "target": Key("target", values.target(Role.BALANCER), required=True),
            "reaches": _names("reaches", Role.BALANCER),
            "traffic": _TRAFFIC,
        },
    ),
    "lossy": Word(Lossy, {"targets": _ENDS, "loss": Key("loss", values.share, required=True), "traffic": _TRAFFIC}),
    "latency": Word(
        Latency,
        {
            "targets": _ENDS,
            "to": Key("to", values.targets(*ENDS)),
            "delay": Key("delay_s", values.duration, required=True),
            "jitter": Key("jitter_s", values.duration),
            "duplicates": Key("duplicates", values.share),
            "overtaken": Key("overtaken", values.share),
        },
    ),
    "bandwidth": Word(
        Bandwidth,
        {
            "targets": _ENDS,
            "rate": Key("bytes_per_s", values.rate, required=True),
            "latency": Key("latency_s", values.duration),
        },
    ),
    "clock_jump": Word(
        ClockJump, {"targets": _MACHINES, "offset": Key("offset_s", values.signed_duration, required=True)}
    ),
    "disk_full": Word(DiskFull, {"targets": _MACHINES}),
    "dns_down": Word(
        DnsDown, {"targets": Key("targets", values.targets(Role.RESOLVER)), "refuses": Key("refuses", values.flag)}
    ),
    "ailing": Word(
        Ailing,
        {
            "targets": _names("targets", Role.REPLICA),
            "slow": Key("slow_s", values.duration),
            "errors": Key("errors", values.share),
            "truncated": Key("truncated", values.share),
            "resets": Key("resets", values.share),
            "silent": Key("silent", values.share),
            "health": Key("health", values.flag),
        },
    ),
    "half_open": Word(HalfOpen, {"targets": _names("targets", Role.REPLICA, Role.BALANCER)}),
    "config_poison": Word(
        ConfigPoison,
        {
            "targets": _names("targets", Role.BALANCER),
            "poison": Key("poison", values.one_of(Poison), required=True),
        },
    ),
    "control_plane": Word(
        ControlPlane,
        {"targets": _names("targets", Role.OTHER), "mode": Key("mode", values.one_of(Mode), required=True)},
    ),
    "reload": Word(Reload, {"targets": _names("targets", Role.BALANCER)}),
}
"""Every fault that can be ordered."""

COMMON: Mapping[str, Key] = {
    "at_most": Key("at_most_s", values.duration, required=True),
    "label": Key("label", values.label),
    "flapping": Key("flapping", values.flapping),
}
"""What every order may say, or must."""
