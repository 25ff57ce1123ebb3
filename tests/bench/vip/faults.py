"""What is done to the node that has the front."""

import os
import signal

from tests.support.segment import Segment

WORDS = {
    "kill": "SIGKILL to all processes of the node: lbmesh's, or keepalived's and HAProxy's",
    "stop": "SIGSTOP to the same",
    "silent": "its port leaves the bridge, its link stays up: nothing comes to it or from it",
    "mute": "what it sends comes to nobody",
    "deaf": "what others send does not come to it",
    "gossip": "gossip, heartbeats and VRRP between it and the others are lost; ARP and HTTP are not",
}
FAULTS = tuple(WORDS)


def strike(place: Segment, fault: str, pids: list[int]) -> None:
    """Have the fault begin at the first node, whose processes these are."""
    node = place.nodes[0]
    match fault:
        case "kill" | "stop":
            for pid in pids:
                os.kill(pid, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
        case "silent":
            place.cut(node)
        case "mute":
            place.cut_outgoing(node)
        case "deaf":
            place.cut_incoming(node)
        case "gossip":
            place.cut_gossip(node)
        case _:
            raise ValueError(f"no fault {fault!r}: write one of {', '.join(FAULTS)}")
