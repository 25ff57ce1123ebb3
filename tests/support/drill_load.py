"""The drills' load, in processes of its own, on loopback."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lbmesh_chaos.load.behaviour import Behaviour, write_behaviour
from lbmesh_chaos.load.collect import collect
from lbmesh_chaos.load.order import Order, write_order
from lbmesh_chaos.model.flow import Flow
from lbmesh_chaos.model.tally import Tally
from tests.support.wait import wait_for

LEAD_S = 2.0
"""From the order to the first request: a client must be up by then, or it calls itself starved."""
END_S = 60.0


class Replica:
    """The lab's replica. It outlives `kill` under its port: `start` again."""

    def __init__(self, directory: Path, name: str = "r1", behaviour: Behaviour | None = None) -> None:
        self.log = directory / f"{name}.log"
        self.behaviour = directory / f"{name}.behaviour"
        self._name = name
        self.port = 0
        if behaviour is not None:
            self.behave(behaviour)
        self.start()

    @property
    def address(self) -> str:
        """To ask it at."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """On the port that it had, if it had one."""
        command = ["--port", str(self.port), "--replica", self._name, "--zone", "a"]
        files = ["--log", str(self.log), "--behaviour", str(self.behaviour)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lbmesh_chaos.load.origin", *command, *files], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def behave(self, behaviour: Behaviour | None) -> None:
        """From now on; None: well."""
        if behaviour is None:
            self.behaviour.unlink(missing_ok=True)
        else:
            write_behaviour(self.behaviour, behaviour)

    def kill(self) -> None:
        """SIGKILL, and its end."""
        self.process.kill()
        self.process.communicate()

    def executed(self) -> int:
        """Lines that it wrote so far, its header not among them."""
        return max(0, self.log.read_bytes().count(b"\n") - 1)


@contextmanager
def replica(directory: Path, name: str = "r1", behaviour: Behaviour | None = None) -> Iterator[Replica]:
    """One that ends with the block."""
    made = Replica(directory, name, behaviour)
    try:
        yield made
    finally:
        made.kill()


class Load:
    """One load process."""

    def __init__(self, directory: Path, addresses: Sequence[str], flows: Sequence[Flow], **changes: float) -> None:
        self.log = directory / "client.log"
        order = {"seconds": 1.5, "deadline_s": 2.0, "in_flight_max": 100} | changes
        self.order = Order(
            "client",
            tuple(flows),
            tuple(addresses),
            time.monotonic() + LEAD_S,
            log=str(self.log),
            seconds=order["seconds"],
            deadline_s=order["deadline_s"],
            in_flight_max=int(order["in_flight_max"]),
        )
        write_order(self.order, directory / "order.json")
        command = [sys.executable, "-m", "lbmesh_chaos.load.client", str(directory / "order.json")]
        self.process = subprocess.Popen(command)

    def until(self, after_s: float) -> None:
        """Wait until so long after the first request was due."""
        wait_for(lambda: time.monotonic() >= self.order.start_s + after_s, f"{after_s:g} s of load")

    def signal(self, number: signal.Signals) -> None:
        """To the process."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Wait until it has carried out its order. Fails when it did not."""
        assert self.process.wait(END_S) == 0


@contextmanager
def load(directory: Path, addresses: Sequence[str], flows: Sequence[Flow], **changes: float) -> Iterator[Load]:
    """One that ends with the block, carried out or not."""
    made = Load(directory, addresses, flows, **changes)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def tally_of(directory: Path, addresses: Sequence[str], replicas: Sequence[Replica], flows: Sequence[Flow]) -> Tally:
    """Carry out an order, and put the logs together."""
    with load(directory, addresses, flows) as running:
        running.end()
    return collect([running.log], [one.log for one in replicas])
