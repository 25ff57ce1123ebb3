"""Tickling by this process of so many connections that it knows, as a program in a namespace of its own: `KNOWN`.

The last that it says is a line of JSON: how many packets were sent, the most of them in one step of trio's, how many
steps came before the first packet, how long all took, and the longest step, on the clock and of this thread's time, in
seconds.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, thread_time

import trio

from lbmesh.drivers.flows.flow_rules import TABLE, script
from lbmesh.drivers.flows.flows import Flows
from lbmesh.drivers.flows.segment_way import SegmentWay
from lbmesh.drivers.kernel.kernel import Kernel

FRONT = "10.0.0.100"
_DEVICES = Path("/proc/net/dev")
_WORLD = """
link add sink type veth peer name drain
link set sink arp off addrgenmode none up
link set drain up
route add 10.64.0.0/10 dev sink
"""


@dataclass(slots=True, eq=False)
class Steps(trio.abc.Instrument):
    """What trio's steps were like."""

    packets: int = 0
    most_packets: int = 0
    before_packets: int = 0
    longest_s: float = 0.0
    longest_busy_s: float = 0.0
    _began_s: float = 0.0
    _began_busy_s: float = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002
        """Look at the clocks last."""
        self._began_busy_s, self._began_s = thread_time(), monotonic()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002
        """Look at the clocks first."""
        self.longest_s = max(self.longest_s, monotonic() - self._began_s)
        self.longest_busy_s = max(self.longest_busy_s, thread_time() - self._began_busy_s)
        before, self.packets = self.packets, sent()
        self.most_packets = max(self.most_packets, self.packets - before)
        self.before_packets += not self.packets


def sent() -> int:
    """Packets, since there is the device."""
    (figures,) = (line.partition(":")[2] for line in _DEVICES.read_text().splitlines() if " sink:" in f" {line}")
    return int(figures.split()[8 + 1])


def know(count: int) -> None:
    """Of so many connections, with clients behind the device that all packets end at."""
    keys = (
        f"10.64.{number >> 8 & 255}.{number & 255} . {1024 + (number >> 16)} . {FRONT} . 80" for number in range(count)
    )
    text = script([(FRONT, "lo")]) + f"add element ip {TABLE} known {{ {', '.join(keys)} }}\n"
    subprocess.run(("nft", "-f", "-"), input=text, text=True, check=True)


async def tickle() -> float:
    """How long it took."""
    began_s = monotonic()
    kernel = Kernel()
    await Flows(kernel, SegmentWay("lb", kernel), lambda _: ()).tickle(FRONT, lambda: True)
    return monotonic() - began_s


def main() -> None:
    """Prepare, tickle, tell."""
    subprocess.run(("ip", "-batch", "-"), input=_WORLD, text=True, check=True)
    know(int(sys.argv[1]))
    steps = Steps()
    took_s = trio.run(tickle, instruments=[steps])
    print(json.dumps({name: value for name, value in asdict(steps).items() if name[0] != "_"} | {"took_s": took_s}))


if __name__ == "__main__":
    main()
