"""A drill at real nodes, without a lab: what the mesh did, by the nodes' own admin API; with load, what clients got."""

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from lbmesh_chaos.drill.aimed_load import AllowedLoad, RunningLoad, try_out
from lbmesh_chaos.drill.experiment_file import Drill
from lbmesh_chaos.drill.method import carry_out, healed
from lbmesh_chaos.drill.run import DISTRIBUTION, WHOLE_WITHIN_S, DrillError
from lbmesh_chaos.drill.sightings import Sightings, observers
from lbmesh_chaos.drill.spans import judged_by_whole, spans
from lbmesh_chaos.load.logs import LogError
from lbmesh_chaos.model.outcome import FaultSpan, Invariant, Marks, Outcome, Place
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


def intentions(drill: Drill, targets: TargetList, load: AllowedLoad | None) -> list[str]:
    """What the drill will do to whom, a line each."""
    lines = []
    for order in orders_of_all(drill.experiment, drill.world):
        whom = ", ".join(f"{one.name} ({one.zone}, {one.admin})" for one in targets.struck(order))
        lines.append(f"{able_word(order.fault)} on {whom}, for at most {order.at_most_s:g} s")
    return [*lines, *([str(load)] if load else [])]


def run_aimed(drill: Drill, targets: TargetList, seed: int, load: AllowedLoad | None = None) -> Outcome:
    """Run it to its end. Raises DrillError, then nothing was touched."""
    try:
        target = AdminTarget(targets)
        with _opened(target, seed) as now:
            wait_until_whole(target, WHOLE_WITHIN_S)
            if load is None:
                return _run(drill, now, target, seed)
            try_out(load)
            with _running(load, seed) as running:
                return _run(drill, now, target, seed, running)
    except (RefusedError, LogError) as error:
        raise DrillError(str(error)) from error


@contextmanager
def _opened(target: AdminTarget, seed: int) -> Iterator[Session]:
    try:
        yield session.opened(Session(target, seed))
    finally:
        session.forgotten()
        target.close()


@contextmanager
def _running(load: AllowedLoad, seed: int) -> Iterator[RunningLoad]:
    """It ends with the block, whatever ends that."""
    with TemporaryDirectory(prefix="lbmesh-drill-") as directory:
        running = RunningLoad(load, seed, Path(directory))
        try:
            yield running
        finally:
            running.end()


def _run(drill: Drill, now: Session, target: AdminTarget, seed: int, load: RunningLoad | None = None) -> Outcome:
    world, began_s = target.world, load.began_s if load else time.monotonic()
    marks, wrong = drill.extension.marks, list[str]()
    watch = _Watch(target)
    try:
        if load:
            time.sleep(max(0.0, began_s + drill.extension.load.lead_s - time.monotonic()))
        ran = carry_out(drill.experiment, now)
        ended_s = time.monotonic()
        has_begun = ran.is_steady is not False or bool(now.orders)
        is_over = bool(ran.aborted) or not has_begun
        if load and is_over:
            load.end()
        residue = healed(now)
        # The views have their time to agree again: the last fault may have been healed by the method's last step.
        time.sleep(marks.agree_s or 0.0)
        if load and not is_over:
            wrong = load.wait()
            ended_s = load.ends_s
    except BaseException:
        if load:
            load.end()
        raise
    finally:
        watch.end()
    faults = spans(target.events, now.orders, world)
    return Outcome(
        name=drill.title,
        hypothesis=drill.hypothesis,
        seed=seed,
        revision=version(DISTRIBUTION),
        world=world.name,
        began_s=began_s,
        ended_s=max(began_s, ended_s) if load else time.monotonic(),
        tally=load.tally(ended_s) if load else Tally(),
        faults=faults,
        events=judged_by_whole(watch.events, faults, now.orders),
        places=tuple(Place(one.name, one.zone, one.address) for one in world.hosts),
        observers=tuple(one.name for one in target.targets.nodes),
        invariants=(
            Invariant("the steady state holds before and after", ran.is_steady, ran.why_not),
            *(_of_the_load(load, faults, wrong) if load else ()),
        ),
        residue=(*now.residue, *residue),
        aborted=ran.aborted or ("the button was pressed" if watch.was_aborted else ""),
        evidence=load.evidence if load else None,
        marks=_judged(marks, is_loaded=load is not None, aborted=ran.aborted),
    )


def _of_the_load(load: RunningLoad, faults: Sequence[FaultSpan], wrong: Sequence[str]) -> Iterator[Invariant]:
    outlasts = all(one.healed_s < load.ends_s for one in faults)
    yield Invariant("the load outlasts the faults", outlasts, "" if outlasts else "write more into load.lasts")
    yield Invariant("every load process ends well", not wrong, "; ".join(wrong))


def _judged(marks: Marks, *, is_loaded: bool, aborted: str) -> Marks:
    """Those that can be: of an experiment that was aborted none is, and without load only what is the mesh's."""
    if aborted:
        return Marks(None, None, None, None)
    return marks if is_loaded else Marks(None, None, None, marks.agree_s)


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
