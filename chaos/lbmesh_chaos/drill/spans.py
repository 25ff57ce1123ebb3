"""From the lab's events and the orders that were done to the faults of the report: what each struck, and when. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from lbmesh_chaos.faults.order import Order
from lbmesh_chaos.faults.plan import plan
from lbmesh_chaos.faults.values import ENDS, hosts_meant
from lbmesh_chaos.model import faults
from lbmesh_chaos.model.outcome import FaultSpan
from lbmesh_chaos.model.timeline import Event, What
from lbmesh_chaos.model.world import Host, Role, World

NETWORK_FAULTS = (faults.Cut, faults.Split, faults.OneWay, faults.HalfConnected, faults.Lossy, faults.Latency)
"""What one end has of the other under these is only half of the truth."""


def spans(happened: Iterable[Mapping[str, Any]], orders: Mapping[str, Order], world: World) -> tuple[FaultSpan, ...]:
    """In the order in which they began. One that was never healed lasts until the last event."""
    began: dict[int, tuple[str, float]] = {}
    undone: dict[int, float] = {}
    ready: dict[int, float] = {}
    last_s = 0.0
    for event in happened:
        last_s = event["at_s"]
        number: int = event.get("fault", 0)
        match event["event"]:
            case "fault begins":
                began[number] = (event["label"], last_s)
            case "fault undone":
                undone[number] = last_s
            case "fault ready":
                ready[number] = last_s
            case _:
                pass
    return tuple(
        FaultSpan(
            label,
            text_of(orders[label]),
            tuple(host.name for host in struck(orders[label], world)),
            tuple(dict.fromkeys(host.zone for host in struck(orders[label], world))),
            at_s,
            undone.get(number, last_s),
            ready[number] - undone[number] if number in ready else 0.0,
        )
        for number, (label, at_s) in began.items()
        if label in orders
    )


def judged_by_whole(
    events: Iterable[Event], seen: Iterable[FaultSpan], orders: Mapping[str, Order]
) -> tuple[Event, ...]:
    """The events in their order. Who is cut off takes all others for dead: of them that is no judgement, but a note."""
    partial = [one for one in seen if isinstance(orders[one.label].fault, NETWORK_FAULTS)]
    return tuple(sorted(_noted(event) if _is_half(event, partial) else event for event in events))


def _is_half(event: Event, partial: Iterable[FaultSpan]) -> bool:
    return event.what is not What.CLEARED and any(
        one.applied_s <= event.at_s and event.observer in one.targets and event.subject not in one.targets
        for one in partial
    )


def _noted(event: Event) -> Event:
    return replace(event, what=What.NOTE, detail=f"{event.what}, by one who is cut off: {event.detail}")


def text_of(order: Order) -> str:
    """What was done, for people: the fault and its arguments, those left at their defaults not among them."""
    fault = order.fault
    said = [
        name if getattr(fault, name) is True else f"{name} {_spelled(getattr(fault, name))}"
        for name, spec in type(fault).__dataclass_fields__.items()
        if getattr(fault, name) != spec.default
    ]
    if order.flapping:
        said.append(f"flapping {order.flapping.on_s:g} s on, {order.flapping.off_s:g} s off")
    return f"{type(fault).__name__}: {', '.join(said)}"


def struck(order: Order, world: World) -> tuple[Host, ...]:
    """The hosts that are worse off, and whose clients may be: of a cut, those that are cut off."""
    match order.fault:
        case faults.Split(groups):
            names = tuple(name for group in groups for name in group)
        case faults.OneWay(sources, targets):
            names = (*sources, *targets)
        case faults.HalfConnected(target):
            names = (target,)
        case faults.DnsDown(()):
            return world.with_role(Role.RESOLVER)
        case fault if isinstance(fault, NETWORK_FAULTS):
            names = fault.targets
        case _:
            hit = {step.host for step in plan(order, world).steps}
            return tuple(host for host in world.hosts if host.name in hit)
    return hosts_meant(world, names, ENDS)


def _spelled(value: object) -> str:
    match value:
        case tuple():
            return " ".join(map(_spelled, value))
        case float():
            return f"{value:g}"
        case _:
            return str(value)
