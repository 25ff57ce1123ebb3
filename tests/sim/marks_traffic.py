"""What the mesh costs on the wire: the detector, all gossip, one row's change, and probes."""

from dataclasses import dataclass, replace

from lbmesh.gossip.limits import PROFILES
from tests.sim.cores import Step
from tests.sim.marks import Effort, Figure, Table, bar_chart
from tests.sim.marks_detection import started
from tests.sim.node import Node
from tests.sim.schedules import SHAPES
from tests.sim.spread import spread
from tests.sim.world import World

WINDOW_S = 10.0
ROWS_CHANGED = 20
ALL_GOSSIP_MAX = 16 * 1024
DETECTOR_GROWTH_MAX = 1.1
PROBES_GROWTH_MAX = 1.25
LARGE = 1000
JUDGING_SELDOM = replace(PROFILES["fast"], settle_gap_s=1.0)
"""A verdict on a thousand members costs 10 ms, and while they start each of them makes one with every few rows. What is
sent in a settled mesh does not depend on it.
"""

FRAME_BYTES = 11
"""A ping's or a pong's frame: kind, length, nonce. A datagram with just this sealed in it is the detector's."""

SEALED_BYTES = 34 + 16
"""A datagram's head without the sender's name, and the seal's tag."""


class Meter:
    """A witness that weighs datagrams."""

    def __init__(self, world: World) -> None:
        self.detector = 0
        self.all = 0
        world.witnesses.append(self)

    def stepped(self, node: Node, step: Step) -> None:
        """Weigh what goes out."""
        alone = SEALED_BYTES + len(node.name) + FRAME_BYTES
        for _, datagram in step.datagrams:
            self.all += len(datagram)
            if len(datagram) == alone:
                self.detector += len(datagram)

    def turned(self) -> None:
        """Of no interest."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes a member and second, sent; and those of all members for one row's change."""

    detector: float
    all: float
    row: float


def weigh(shape: str) -> Bytes:
    """A settled mesh, undisturbed; then with rows that change."""
    world = started(shape, 1, PROFILES["fast"] if sum(SHAPES[shape].values()) < LARGE else JUDGING_SELDOM)
    world.run(5.0)
    nodes = len(world.nodes)
    meter = Meter(world)
    world.run(WINDOW_S)
    idle, detector = meter.all, meter.detector
    writer = world.nodes["a1"].gossip
    assert writer is not None
    for number in range(ROWS_CHANGED):
        writer.publish(world.now, f"measured/{number}", b"x" * 100)
        world.run(WINDOW_S / ROWS_CHANGED)
    return Bytes(detector / nodes / WINDOW_S, idle / nodes / WINDOW_S, (meter.all - 2 * idle) / ROWS_CHANGED)


def traffic(effort: Effort) -> Table:
    """Bytes by size."""
    shapes = effort.traffic_sizes
    results = dict(zip(shapes, spread(weigh, shapes, effort.processes), strict=True))
    at_30 = results["30"].detector if "30" in results else float("inf")
    figures = []
    for shape, result in results.items():
        holds = result.detector <= at_30 * DETECTOR_GROWTH_MAX if shape in ("100", "1000") else None
        if shape == "100":
            holds = bool(holds) and result.all <= ALL_GOSSIP_MAX
        nodes = sum(SHAPES[shape].values())
        row = f"{result.row:,.0f}", f"{result.row / nodes:,.0f}"
        figures.append(Figure((shape, f"{result.detector:,.0f}", f"{result.all:,.0f}", *row), holds))
    curves = (
        bar_chart("detector", [(shape, one.detector) for shape, one in results.items()], "B/s a member"),
        bar_chart("all gossip", [(shape, one.all) for shape, one in results.items()], "B/s a member"),
        bar_chart("one row's change", [(shape, one.row) for shape, one in results.items()], "B in all"),
    )
    return Table(
        "Bytes of gossip",
        "Sent by each member and second in a settled mesh, as UDP payload; detector: pings and pongs. A row's change "
        "(100 bytes of value): what all members send because of it, in all and for each. Marks: the detector does not "
        f"grow between 30 and 1000; all gossip ≤ {ALL_GOSSIP_MAX:,} B/s at 100.",
        ("nodes", "detector B/s", "all gossip B/s", "B a row's change", "of that a member"),
        tuple(figures),
        "\n\n".join(curves),
    )


def probe(shape: str) -> float:
    """Probes a replica and second in a settled mesh of whole planes."""
    world = World(1, SHAPES[shape], replicas=6)
    world.start_all()
    world.run(20.0)
    assert world.replicas is not None
    before = sum(one.probes for one in world.replicas.by_id.values())
    world.run(2 * WINDOW_S)
    return (sum(one.probes for one in world.replicas.by_id.values()) - before) / 6 / (2 * WINDOW_S)


def probes(effort: Effort) -> Table:
    """Probes by number of balancers."""
    shapes = tuple(shape for shape in ("1", "2", "3", "9", "30") if shape in ("1", "2", *effort.sizes))
    results = dict(zip(shapes, spread(probe, shapes, effort.processes), strict=True))
    at_3 = results["3"]
    figures = [
        Figure((shape, f"{rate:.2f}"), rate <= at_3 * PROBES_GROWTH_MAX if shape not in ("1", "2", "3") else None)
        for shape, rate in results.items()
    ]
    return Table(
        "Probes a replica gets",
        "Per second, with a check every 2 s, in a settled mesh. Mark: they do not grow with the number of balancers.",
        ("balancers", "probes/s"),
        tuple(figures),
        bar_chart("probes a replica", list(results.items()), "/s"),
    )
