"""The scripted drill: what is broken in which order, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import trio

from lbmesh.dev.session import Session
from lbmesh.dev.verbs import Order, Verb

FAULT_S = 3.0
"""Each fault lasts at least so long, noticed or not."""

NOTICE_MAX_S = 8.0
BACK_MAX_S = 12.0
STEADY_S = 1.0
"""Every balancer's picture must have been whole for so long before the next fault."""


@dataclass(frozen=True, slots=True)
class Step:
    """A fault. It is healed before the next."""

    title: str
    order: Order


SCRIPT = (
    Step("replica app-a1 killed", Order(Verb.KILL, "app-a1")),
    Step("balancer lb-b1 killed", Order(Verb.KILL, "lb-b1")),
    Step("zone-c frozen", Order(Verb.CUT, "zone-c")),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One step as it went. Times since the fault (`noticed`) and since it was healed (`back`), in seconds.

    By balancer: None where it did not happen in time; a balancer that was itself hit is not in `noticed`.
    """

    title: str
    began_s: float
    healed_s: float
    noticed: Mapping[str, float | None]
    back: Mapping[str, float | None]


async def run_step(step: Step, session: Session, until_s: float) -> Fault:
    """Break, wait until all have noticed, heal, wait until all is well. No wait goes beyond `until_s`."""
    hit = frozenset(one.name for one in session.world.meant_by(step.order.name))
    observers = [one.name for one in session.world.balancers if one.name not in hit]
    sightings = session.watch.sightings

    began_s = trio.current_time()
    await session.mesh.obey(step.order)
    with trio.move_on_at(min(began_s + NOTICE_MAX_S, until_s)):
        await trio.sleep_until(began_s + FAULT_S)
        while any(sightings.noticed_s(name, hit, began_s) is None for name in observers):
            await session.watch.asked()
    noticed = {name: sightings.noticed_s(name, hit, began_s) for name in observers}

    healed_s = trio.current_time()
    await session.mesh.obey(Order(Verb.HEAL, step.order.name))
    with trio.move_on_at(min(healed_s + BACK_MAX_S, until_s)):
        await session.watch.until_whole(STEADY_S)
    back = {one.name: sightings.whole_s(one.name, healed_s) for one in session.world.balancers}
    return Fault(step.title, began_s, healed_s, noticed, back)
