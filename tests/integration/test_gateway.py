"""Of two nodes, the one that is cut off knows by the gateway that it is."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.places import PlacedNode, fetch
from tests.support.segment import Segment, mesh, segment
from tests.support.wait import wait_for

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nft"),
    reason="needs root, and: apt-get install iproute2 nftables",
)

FRONT = "10.0.0.100"


def use_gateway(place: Segment) -> None:
    for node in place.nodes:
        node.run("ip", "route", "add", "default", "via", place.watcher.address)


def explained(node: PlacedNode) -> str:
    return str(node.get(f"/v1/explain/front/{FRONT}"))


def test_who_is_cut_off_takes_nothing_and_who_is_not_takes_the_front(tmp_path: Path) -> None:
    with segment(2) as place:
        use_gateway(place)
        with mesh(place, tmp_path, [FRONT]) as (holder, backup):
            # What the gateway says of itself before the cut is not an answer after it.
            say = "import socket, sys; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', (sys.argv[1], 9))"
            place.watcher.run("ip", "neigh", "flush", "dev", "eth0")
            place.watcher.run(sys.executable, "-c", say, backup.place.address)
            place.cut(backup.place)
            wait_for(lambda: "nothing is in reach of peers, gateway" in explained(backup), "isolation")
            assert backup.front(FRONT)["state"] == "idle"
            assert not backup.place.has(FRONT)
            assert "idle to claiming" not in backup.log_text()
            place.heal(backup.place)
            backup.wait_mesh(2)
            wait_for(lambda: "is in reach" not in explained(backup), "the end of it")
            holder.kill()
            wait_for(lambda: fetch(place.client, FRONT) == "2", "an answer of the other")
            assert "idle to claiming" in backup.log_text()
