"""Metrics of the mesh: what this node holds of the other balancers, its gossip, its heartbeat."""

from collections.abc import Iterator, Mapping

from lbmesh.control.state import NodeState
from lbmesh.gossip.seal import Rejection
from lbmesh.model.member import MemberState
from lbmesh.observe.exposition import family, single

_GOSSIP_COUNTERS = {
    "replies_withheld": "Replies that a peer, or all together, asked for beyond the bounds.",
    "epoch_jumps": "Members that spoke in an epoch far above their last.",
    "send_errors": "Gossip datagrams whose failure to be sent made this node doubt itself.",
    "late_steps": "Steps of the gossip that came late.",
    "pauses": "Times this node stood still.",
}


def mesh_metrics(state: NodeState) -> Iterator[bytes]:
    """Families in chunks."""
    yield from family(
        "lbmesh_member_up",
        "gauge",
        "Whether a balancer is reachable, as this node sees it.",
        [({"member": one.name, "zone": one.zone}, float(one.state.is_live)) for one in state.members],
    )
    yield from family(
        "lbmesh_member_state",
        "gauge",
        "The state of a balancer, as this node sees it: 1 for the one it is in.",
        (
            ({"member": one.name, "state": each}, float(one.state is each))
            for one in state.members
            for each in MemberState
        ),
    )
    yield from _heartbeat(state)
    yield from _gossip(state.gossip)


def _gossip(counters: Mapping[str, int]) -> Iterator[bytes]:
    """Nothing for a node alone. All reasons are there from the first scrape on: an alert can watch them rise."""
    if not counters:
        return
    yield from family(
        "lbmesh_gossip_rejected_total",
        "counter",
        "Gossip datagrams that changed nothing, by reason.",
        [({"reason": reason}, counters.get(f"rejected_{reason}", 0)) for reason in sorted(Rejection)],
    )
    yield from family(
        "lbmesh_gossip_rows_rejected_total",
        "counter",
        "Rows of the gossip that were not taken, by reason.",
        [({"reason": reason}, counters.get(f"rows_{reason}", 0)) for reason in ("forged", "overtaken", "refused")],
    )
    for name, text in _GOSSIP_COUNTERS.items():
        yield from single(f"lbmesh_gossip_{name}_total", "counter", text, counters.get(name, 0))
    for unit in ("datagrams", "bytes"):
        yield from family(
            f"lbmesh_gossip_{unit}_total",
            "counter",
            f"Gossip {unit} by direction.",
            [
                ({"direction": direction}, counters[f"{unit}_{direction}"])
                for direction in ("in", "out")
                if f"{unit}_{direction}" in counters
            ],
        )


def _heartbeat(state: NodeState) -> Iterator[bytes]:
    heartbeat = state.heartbeat
    yield from family(
        "lbmesh_partner_gone",
        "gauge",
        "Whether the fast heartbeat takes a balancer that this node backs for gone.",
        [({"member": name}, float(name in heartbeat.gone)) for name in heartbeat.judged],
    )
    yield from family(
        "lbmesh_heartbeats_total",
        "counter",
        "Datagrams of the fast heartbeat by direction.",
        [
            ({"direction": direction}, heartbeat.counters[f"datagrams_{direction}"])
            for direction in ("in", "out")
            if f"datagrams_{direction}" in heartbeat.counters
        ],
    )
    yield from family(
        "lbmesh_heartbeats_rejected_total",
        "counter",
        "Datagrams at the heartbeat's port that changed nothing, by reason.",
        [
            ({"reason": name.removeprefix("rejected_")}, count)
            for name, count in sorted(heartbeat.counters.items())
            if name.startswith("rejected_")
        ],
    )
    yield from family(
        "lbmesh_partner_suspicions_total",
        "counter",
        "How often the fast heartbeat missed a balancer for so long that it asked others about it.",
        [({}, heartbeat.counters["suspicions"])] if "suspicions" in heartbeat.counters else [],
    )
    yield from family(
        "lbmesh_partners_gone_total",
        "counter",
        "How often the fast heartbeat took a balancer for gone.",
        [({}, heartbeat.counters["gone"])] if "gone" in heartbeat.counters else [],
    )
