"""What must hold of health and Views, wherever whole planes run."""

from typing import TYPE_CHECKING

from lbmesh.model.health import Availability
from lbmesh.model.view import ViewVersion
from tests.sim.cores import Step
from tests.sim.invariants import InvariantError
from tests.sim.node import Node
from tests.sim.replicas import Replicas, SimulatedReplica
from tests.sim.truth import LAG_MAX_S

if TYPE_CHECKING:
    from tests.sim.world import World

ROUND_S = 0.5

SETTLED_S = 15.0
"""Three failed probes 2 s apart, the last with its timeout, and as much again for a prober that has died."""

PROBERS_PER_REPLICA = 3
"""Or one in each zone, where there are more. Said here, not taken from the code: this is what was promised."""

REMOVAL_WINDOW_S = 10.0
"""What one more of a service's replicas may wait for before hearsay takes it out."""

FLAPS_FREE = 2
FLAPS_WITHIN_S = 300.0
"""A replica that changed more often than this in the last minutes may be kept out for longer: flaps are damped."""

PROBES_WINDOW_S = 10.0
PROBES_SLACK = 1.4
"""Intervals are jittered, and a window may hold one probe more than its share."""


class HealthInvariants:
    """A witness of a world of whole planes."""

    def __init__(self, world: "World") -> None:
        assert world.replicas is not None
        self.settled = 0
        """Pairs of a node and a replica that were looked at in time."""

        self._world = world
        self._replicas: Replicas = world.replicas
        self._versions: dict[tuple[str, int], ViewVersion] = {}
        self._up_since: dict[str, float] = {}
        self._turned_s = world.now
        self._window: tuple[float, dict[object, int]] = (world.now, {})
        world.witnesses.append(self)
        world.at(world.now + ROUND_S, self._round)

    def turned(self) -> None:
        """Somebody started, stopped, or lost a path."""
        world = self._world
        self._turned_s = world.now
        well = {node.name for node in world.nodes.values() if node.is_up and node.lag_s <= LAG_MAX_S}
        for name in self._up_since.keys() - well:
            del self._up_since[name]
        for name in sorted(well):
            self._up_since.setdefault(name, world.now)

    def stepped(self, node: Node, step: Step) -> None:
        """Views' versions rise, over the agents of one start too."""
        if step.view is None:
            return
        start = node.name, node.runs - node.generation
        before = self._versions.get(start)
        if before is not None and step.view.version <= before:
            self._fail(f"{node.name} makes View {step.view.version} after {before}")
        self._versions[start] = step.view.version

    def _round(self) -> None:
        world = self._world
        world.at(world.now + ROUND_S, self._round)
        ill = sum(not self._is_well(replica) for replica in self._replicas.by_id.values())
        for replica in self._replicas.by_id.values():
            if self._has_settled(replica, ill):
                for name, since_s in self._up_since.items():
                    if since_s <= world.now - SETTLED_S:
                        self._compare(world.nodes[name], replica, ill)
        self._count_probes()

    def _has_settled(self, replica: SimulatedReplica, ill: int) -> bool:
        changes = replica.changes
        if changes and changes[-1] > self._world.now - SETTLED_S - ill * REMOVAL_WINDOW_S:
            return False
        return sum(1 for at_s in changes if at_s > self._world.now - FLAPS_WITHIN_S) <= FLAPS_FREE

    def _compare(self, node: Node, replica: SimulatedReplica, ill: int) -> None:
        """Who is served may use it; what serves nobody gets no traffic, unless most would be out. Who is not served
        where others are may still be told to try, and finds out by trying.
        """
        self.settled += 1
        assert node.view is not None
        views = {view.replica.address: view for view in node.view.services[0].replicas}
        view = views[replica.id.address]
        timeout_s = self._replicas.check.timeout_s
        if replica.serves(node.zone, timeout_s) and view.availability is Availability.DOWN:
            self._fail(f"{node.name} holds {replica.id}, which serves it, for down: {view.reason}")
        zones = {other.zone for other in self._world.nodes.values()}
        is_dead = not any(replica.serves(zone, timeout_s) for zone in zones)
        if is_dead and ill * 2 <= len(views) and view.availability is Availability.UP:
            self._fail(f"{node.name} holds {replica.id}, which serves nobody, for up: {view.reason}")

    def _count_probes(self) -> None:
        """While all is well, each replica is probed by its few probers and by nobody else."""
        world = self._world
        since_s, counts = self._window
        if world.now < since_s + PROBES_WINDOW_S:
            return
        quiet_since_s = max([self._turned_s, *(at_s for one in self._replicas.by_id.values() for at_s in one.changes)])
        if quiet_since_s <= since_s - SETTLED_S and all(self._is_well(one) for one in self._replicas.by_id.values()):
            zones = {node.zone for node in world.nodes.values()}
            probers = min(len(self._up_since), max(PROBERS_PER_REPLICA, len(zones)))
            bound = probers * ((world.now - since_s) / self._replicas.check.interval_s + 1) * PROBES_SLACK
            for replica in self._replicas.by_id.values():
                probes = replica.probes - counts.get(replica.id, 0)
                if probes > bound:
                    self._fail(f"{replica.id} was probed {probes} times in {PROBES_WINDOW_S} s: {bound} is the most")
        self._window = world.now, {one.id: one.probes for one in self._replicas.by_id.values()}

    @staticmethod
    def _is_well(replica: SimulatedReplica) -> bool:
        return replica.up and not replica.cut_from and not replica.slow_s

    def _fail(self, what: str) -> None:
        world = self._world
        raise InvariantError(f"seed {world.seed}, at {world.now:.3f} s: {what}\n{world.picture()}")
