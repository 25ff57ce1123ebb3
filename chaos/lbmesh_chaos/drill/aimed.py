"""A drill at real nodes: no lab, no load of its own; what the mesh did, from the nodes' own admin API."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from lbmesh_chaos.drill.experiment_file import Drill
from lbmesh_chaos.drill.method import carry_out, healed
from lbmesh_chaos.drill.run import DISTRIBUTION, WHOLE_WITHIN_S, DrillError
from lbmesh_chaos.drill.sightings import Sightings, observers
from lbmesh_chaos.drill.spans import judged_by_whole, spans
from lbmesh_chaos.model.outcome import Invariant, Marks, Outcome, Place
from lbmesh_chaos.model.tally import Tally
from lbmesh_chaos.model.timeline import Event
from lbmesh_chaos.toolkit import session
from lbmesh_chaos.toolkit.admin_target import AdminTarget
from lbmesh_chaos.toolkit.check import orders_of_all
from lbmesh_chaos.toolkit.session import Session
from lbmesh_chaos.toolkit.target import RefusedError
from lbmesh_chaos.toolkit.target_list import TargetList, able_word
from lbmesh_chaos.toolkit.whole import wait_until_whole

POLL_S = 0.2


def intentions(drill: Drill, targets: TargetList) -> list[str]:
    """What the drill will do to whom, a line each."""
    lines = []
    for order in orders_of_all(drill.experiment, drill.world):
        whom = ", ".join(f"{one.name} ({one.zone}, {one.admin})" for one in targets.struck(order))
        lines.append(f"{able_word(order.fault)} on {whom}, for at most {order.at_most_s:g} s")
    return lines


def run_aimed(drill: Drill, targets: TargetList, seed: int) -> Outcome:
    """Run it to its end. Raises DrillError, then nothing was touched."""
    try:
        target = AdminTarget(targets)
        with _opened(target, seed) as now:
            wait_until_whole(target, WHOLE_WITHIN_S)
            return _run(drill, now, target, seed)
    except RefusedError as error:
        raise DrillError(str(error)) from error


@contextmanager
def _opened(target: AdminTarget, seed: int) -> Iterator[Session]:
    try:
        yield session.opened(Session(target, seed))
    finally:
        session.forgotten()
        target.close()


def _run(drill: Drill, now: Session, target: AdminTarget, seed: int) -> Outcome:
    world, began_s = target.world, time.monotonic()
    watch = _Watch(target)
    try:
        ran = carry_out(drill.experiment, now)
        residue = healed(now)
        # The views have their time to agree again: the last fault may have been healed by the method's last step.
        time.sleep(drill.extension.marks.agree_s or 0.0)
    finally:
        watch.end()
    faults = spans(target.events, now.orders, world)
    marks = drill.extension.marks
    return Outcome(
        name=drill.title,
        hypothesis=drill.hypothesis,
        seed=seed,
        revision=version(DISTRIBUTION),
        world=world.name,
        began_s=began_s,
        ended_s=time.monotonic(),
        tally=Tally(),
        faults=faults,
        events=judged_by_whole(watch.events, faults, now.orders),
        places=tuple(Place(one.name, one.zone, one.address) for one in world.hosts),
        observers=tuple(one.name for one in target.targets.nodes),
        invariants=(Invariant("the steady state holds before and after", ran.is_steady, ran.why_not),),
        residue=(*now.residue, *residue),
        aborted=ran.aborted or ("the button was pressed" if watch.was_aborted else ""),
        is_loaded=False,
        marks=Marks(None, None, None, None) if ran.aborted else Marks(None, None, None, marks.agree_s),
    )


class _Watch:
    """Asks every node what it holds; and when one says that somebody pressed the button, ends this process's drill."""

    def __init__(self, target: AdminTarget) -> None:
        self.events: list[Event] = []
        self.was_aborted = False
        self._target = target
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._observe, args=(one,)) for one in observers(target.world)]
        self._threads.append(threading.Thread(target=self._heed))
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """No more of it."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _observe(self, sightings: Sightings) -> None:
        while not self._over.wait(POLL_S):
            asked_s = time.monotonic()
            state = self._target.state(sightings.observer)
            if state is not None:
                self.events += sightings.saw(state, (asked_s + time.monotonic()) / 2)

    def _heed(self) -> None:
        while not self._over.wait(POLL_S):
            if self._target.is_aborted():
                self.was_aborted = True
                os.kill(os.getpid(), signal.SIGINT)
                return
