"""Whether an experiment can be done in a world: all of it is checked before anything is touched.

The Chaos Toolkit itself does not mind a key that it does not know, and finds an impossible target when it is half-way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lbmesh.config.values import duration_or_none_s, duration_s
from lbmesh_chaos.faults.order import Order, parse_order
from lbmesh_chaos.faults.plan import Plan, conflict, plan
from lbmesh_chaos.faults.values import nearest
from lbmesh_chaos.faults.vocabulary import VOCABULARY
from lbmesh_chaos.model.world import World
from lbmesh_chaos.toolkit.rolling import orders_of

ACTIONS = "lbmesh_chaos.toolkit.actions"
PROBES = "lbmesh_chaos.toolkit.probes"
CONTROL = "lbmesh_chaos.toolkit.control"

_EXPERIMENT = [
    *("version", "title", "description", "tags", "contributions", "configuration", "extensions", "controls"),
    *("steady-state-hypothesis", "method", "rollbacks", "runtime", "dry"),
]
_ACTIVITY = ["type", "name", "provider", "tolerance", "pauses", "controls", "background"]
_PROVIDER = ["type", "module", "func", "arguments"]
_ROLLING = {"rolling_restart": "leave", "rolling_reload": "reload"}
_HEALING = {"heal": ["label"], "heal_all": []}
_PROBE_KEYS = {"mesh_is_whole": ["within"], "nothing_is_left": []}

May = Callable[[Order, Iterable[Order]], str | None]
"""Why an order may not be done while others stand; None when it may."""


def _may(_order: Order, _standing: Iterable[Order]) -> str | None:
    """A lab takes all that is possible."""
    return None


@dataclass(slots=True)
class _Check:
    """Goes through an experiment as it will be run. `may`: as in `check`. `standing`: the faults that stand where it
    is. `ordered`: the newest of each label; `done`: all.
    """

    world: World
    may: May
    wrong: list[str] = field(default_factory=list)
    standing: list[Plan] = field(default_factory=list)
    ordered: list[Order] = field(default_factory=list)
    done: list[Order] = field(default_factory=list)

    def say(self, where: str, what: str) -> None:
        self.wrong.append(f"{where}: {what}")

    def keys(self, where: str, table: Mapping[str, Any], known: list[str]) -> None:
        for key in table:
            if key not in known:
                self.say(f"{where}.{key}", f"is not known; {nearest(str(key), known)}")

    def activity(self, where: str, activity: Mapping[str, Any]) -> None:
        self.keys(where, activity, _ACTIVITY)
        provider = activity.get("provider")
        if not isinstance(provider, Mapping) or provider.get("type") != "python":
            self.say(where, f"reaches beyond the lab; write a provider of type python and module {ACTIONS} or {PROBES}")
            return
        self.keys(f"{where}.provider", provider, _PROVIDER)
        module, function = provider.get("module"), str(provider.get("func"))
        arguments = provider.get("arguments") or {}
        if not isinstance(arguments, Mapping):
            self.say(where, f"arguments: found {arguments!r}; write a mapping")
            return
        match module:
            case "lbmesh_chaos.toolkit.actions":
                self.action(where, function, arguments)
            case "lbmesh_chaos.toolkit.probes":
                self.probe(where, function, arguments)
            case _:
                self.say(where, f"module {module!r} reaches beyond the lab; write {ACTIONS} or {PROBES}")

    def action(self, where: str, function: str, arguments: Mapping[str, Any]) -> None:
        if function in VOCABULARY:
            self.fault(where, function, arguments)
        elif function in _HEALING:
            self.healing(where, function, arguments)
        elif function in _ROLLING:
            self.rolling(where, function, arguments)
        else:
            known = [*VOCABULARY, *_HEALING, *_ROLLING]
            self.say(where, f"there is no action {function!r}; {nearest(function, known)}")

    def fault(self, where: str, name: str, arguments: Mapping[str, Any]) -> None:
        order = parse_order(name, arguments, self.world)
        if isinstance(order, tuple):
            for one in order:
                self.say(where, str(one))
            return
        made = plan(order, self.world)
        labels = {one.label for one in self.standing}
        why_not = conflict(made, self.standing) or self.may(order, [one for one in self.ordered if one.label in labels])
        if why_not:
            self.say(where, f"{name}: {why_not}")
        else:
            self.standing.append(made)
            self.ordered = [one for one in self.ordered if one.label != order.label] + [order]
            self.done.append(order)

    def healing(self, where: str, function: str, arguments: Mapping[str, Any]) -> None:
        self.keys(f"{where}.arguments", arguments, _HEALING[function])
        if function == "heal_all":
            self.standing.clear()
            return
        label = arguments.get("label")
        left = [one for one in self.standing if one.label != label]
        if len(left) == len(self.standing):
            there = ", ".join(one.label for one in left) or "none"
            self.say(where, f'heal: no fault "{label}" stands then; those that do: {there}')
        self.standing = left

    def rolling(self, where: str, function: str, arguments: Mapping[str, Any]) -> None:
        fault = _ROLLING[function]
        known = ["targets", "whole_within", *(["grace"] if fault == "leave" else [])]
        self.keys(f"{where}.arguments", arguments, known)
        grace = {"grace": arguments["grace"]} if "grace" in arguments else {}
        try:
            duration_s(arguments.get("whole_within", "20s"))
            orders = orders_of(fault, arguments.get("targets"), self.world, **grace)
        except ValueError as error:
            self.say(where, f"{function}: {error}")
            return
        for told in orders:
            before = list(self.standing)
            self.fault(where, fault, told)
            self.standing = before

    def probe(self, where: str, function: str, arguments: Mapping[str, Any]) -> None:
        if function not in _PROBE_KEYS:
            self.say(where, f"there is no probe {function!r}; {nearest(function, list(_PROBE_KEYS))}")
            return
        self.keys(f"{where}.arguments", arguments, _PROBE_KEYS[function])
        try:
            duration_or_none_s(arguments.get("within", "0s"))
        except ValueError as error:
            self.say(where, f"{function}.within: {error}")


def check(experiment: Mapping[str, Any], world: World, may: May = _may) -> tuple[str, ...]:
    """All that is wrong with it, each with its place; nothing when it can be done. `may`: what a target adds."""
    going = _Check(world, may)
    going.keys("experiment", experiment, _EXPERIMENT)
    for where, activity in _activities(experiment):
        if isinstance(activity, Mapping):
            going.activity(where, activity)
        else:
            going.say(where, f"found {activity!r}; write an action or a probe")
    controls = [one for one in experiment.get("controls") or [] if isinstance(one, Mapping)]
    modules = [one.get("provider", {}).get("module") for one in controls]
    if modules != [CONTROL]:
        going.say("controls", f"write one, with a provider of type python and module {CONTROL}")
    if experiment.get("configuration"):
        going.say("configuration", 'nothing of it is used; write what is meant into the extension "lbmesh"')
    return tuple(going.wrong)


def orders_of_all(experiment: Mapping[str, Any], world: World) -> tuple[Order, ...]:
    """Every fault that an experiment that was checked will do."""
    going = _Check(world, _may)
    for where, activity in _activities(experiment):
        going.activity(where, activity)
    return tuple(going.done)


def _activities(experiment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    probes = hypothesis.get("probes") if isinstance(hypothesis, Mapping) else None
    for part, activities in (
        ("steady-state-hypothesis", probes or []),
        ("method", experiment.get("method") or []),
        ("rollbacks", experiment.get("rollbacks") or []),
    ):
        for number, activity in enumerate(activities, 1):
            name = f' "{activity.get("name")}"' if isinstance(activity, Mapping) else ""
            yield f"{part}[{number}]{name}", activity
