"""Runs a drill: the lab, the load, the experiment, and what they leave behind for the report.

Whatever ends it, the faults go with the connection that they were done over, and a lab of its own with this process.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from lbmesh_chaos.drill.experiment_file import Drill
from lbmesh_chaos.drill.load_orders import Placed, orders
from lbmesh_chaos.drill.method import carry_out, healed
from lbmesh_chaos.drill.spans import judged_by_whole, spans
from lbmesh_chaos.drill.watch import Watch
from lbmesh_chaos.lab import paths
from lbmesh_chaos.lab.client import LabClient, LabError, NoLabError
from lbmesh_chaos.lab.start import StartError, start
from lbmesh_chaos.load.collect import collect
from lbmesh_chaos.load.logs import LogError
from lbmesh_chaos.load.order import write_order
from lbmesh_chaos.model.outcome import Invariant, Marks, Outcome, Place
from lbmesh_chaos.model.tally import Tally
from lbmesh_chaos.model.world import Role, World
from lbmesh_chaos.toolkit import session
from lbmesh_chaos.toolkit.check import check
from lbmesh_chaos.toolkit.lab_target import LabTarget
from lbmesh_chaos.toolkit.session import Session
from lbmesh_chaos.toolkit.target import RefusedError
from lbmesh_chaos.toolkit.whole import wait_until_whole

WHOLE_WITHIN_S = 30.0
"""Of a lab that has come up."""
CLIENTS_START_S = 3.0
"""What a load process may take to import and to connect, before its first request is due."""
DISTRIBUTION = "lbmesh"
_CLIENT = (sys.executable, "-P", "-m", "lbmesh_chaos.load.client")


class DrillError(Exception):
    """A drill that could not be run; says why."""


def run(drill: Drill, seed: int, lab_name: str = "") -> Outcome:
    """Run it to its end. `lab_name`: of one that is up; "": in a lab of its own. Raises DrillError.

    An experiment that is interrupted is an outcome, too.
    """
    try:
        with lab_of(drill, lab_name or drill.extension.lab) as lab, opened(lab, seed) as now, LabClient(lab) as client:
            wrong = check(drill.experiment, now.target.world)
            if wrong:
                raise DrillError("\n".join(wrong))
            wait_until_whole(now.target, WHOLE_WITHIN_S)
            return run_in(drill, seed, lab, now, client)
    except (StartError, LabError, NoLabError, RefusedError, LogError) as error:
        raise DrillError(str(error)) from error


@contextmanager
def lab_of(drill: Drill, name: str) -> Iterator[str]:
    """The one that is named, or one of our own, which ends with us."""
    if name:
        yield name
        return
    name = f"drill-{os.getpid()}"
    own = start(name, drill.world_text, drill.world_file, dies_with_us=True)
    try:
        yield name
    finally:
        own.holder.kill()
        own.holder.wait()


@contextmanager
def opened(lab: str, seed: int) -> Iterator[Session]:
    """A session whose faults are healed when it is over."""
    target = LabTarget(lab)
    try:
        yield session.opened(Session(target, seed))
    finally:
        session.forgotten()
        target.close()


def run_in(drill: Drill, seed: int, lab: str, now: Session, client: LabClient) -> Outcome:
    """Run it in a lab whose mesh is whole."""
    # The lab does not say what its service is called.
    world, load = replace(now.target.world, service=drill.world.service), drill.extension.load
    began_s = time.monotonic() + CLIENTS_START_S
    log_of = str(paths.host_dir("{host}") / "log" / f"{{client}}-{began_s:.6f}.log")
    placed = orders(world, load, began_s, log_of, seed)
    replicas_read = _sizes(client, world)
    watch = Watch(lab, world)
    try:
        running = [_start_client(client, one) for one in placed]
        time.sleep(max(0.0, began_s + load.lead_s - time.monotonic()))
        ran = carry_out(drill.experiment, now)
        residue = healed(now)
        statuses = [client.wait(pid) for pid in running] if not ran.aborted else []
    finally:
        watch.end()
    ended_s = min(time.monotonic(), began_s + load.lasts_s)
    outlived = [one for one in watch.lab_events if one["event"] == "fault times out"]
    faults = spans([one for one in watch.lab_events if one["at_s"] >= began_s], now.orders, world)
    with TemporaryDirectory() as scratch:
        tally = _collected(client, placed, world, replicas_read, Path(scratch))
    return Outcome(
        name=drill.title,
        hypothesis=drill.hypothesis,
        seed=seed,
        revision=version(DISTRIBUTION),
        world=drill.world.name,
        began_s=began_s,
        ended_s=ended_s,
        tally=tally,
        faults=faults,
        events=judged_by_whole(watch.events, faults, now.orders),
        places=tuple(Place(one.name, one.zone, one.address) for one in world.with_role(Role.BALANCER, Role.REPLICA)),
        observers=tuple(one.name for one in world.with_role(Role.BALANCER)),
        invariants=(
            Invariant("the steady state holds before and after", ran.is_steady, ran.why_not),
            _held(
                "the load outlasts the faults",
                all(one.healed_s < began_s + load.lasts_s for one in faults),
                f"write more than {load.lasts_s:g} s into load.lasts",
            ),
            _held(
                "no fault is healed by its dead man's timer",
                not outlived,
                ", ".join(str(one["label"]) for one in outlived),
            ),
            _held("every load process ends well", not any(statuses), f"they ended with {statuses}"),
        ),
        residue=(*now.residue, *residue),
        aborted=ran.aborted,
        marks=Marks(None, None, None, None) if ran.aborted else drill.extension.marks,
    )


def _held(name: str, held: bool, otherwise: str) -> Invariant:
    """`otherwise`: what to say of one that did not hold."""
    return Invariant(name, held, "" if held else otherwise)


def _start_client(client: LabClient, placed: Placed) -> int:
    order_file = paths.host_dir(placed.host) / "log" / f"{placed.order.client}.json"
    write_order(placed.order, _outside(client, order_file))
    with open("/dev/null", "r+b") as nothing, _outside(client, order_file.with_suffix(".err")).open("wb") as words:
        descriptors = (nothing.fileno(), words.fileno(), words.fileno())
        return client.start(placed.host, (*_CLIENT, str(order_file)), descriptors=descriptors)


def _outside(client: LabClient, inside: Path) -> Path:
    return client.root / inside.relative_to("/")


def _sizes(client: LabClient, world: World) -> dict[str, int]:
    """How long the replicas' logs were before: another drill in this lab may have written to them."""
    return {
        host.name: _outside(client, paths.requests(host.name)).stat().st_size for host in world.with_role(Role.REPLICA)
    }


def _collected(
    client: LabClient, placed: Sequence[Placed], world: World, before: Mapping[str, int], scratch: Path
) -> Tally:
    replicas = []
    for host in world.with_role(Role.REPLICA):
        replicas.append(scratch / host.name)
        with _outside(client, paths.requests(host.name)).open("rb") as whole, replicas[-1].open("wb") as part:
            head = whole.readline()
            whole.seek(max(before[host.name], len(head)))
            part.write(head)
            shutil.copyfileobj(whole, part)
    return collect([_outside(client, Path(one.order.log)) for one in placed], replicas)
