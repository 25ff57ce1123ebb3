"""The soak itself: warm up, come to rest and measure, soak, come to rest and measure again."""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.soak.load import Client
from tests.soak.replicas import ReplicaProcess
from tests.support import proc
from tests.support.nodes import Node
from tests.support.wait import wait_for

REPLICAS = 4
CLIENTS = 8
WORKERS = 2
REST_S = 60.0
FAILED_SHOWN = 10

MAY_FAIL = {
    "upload": ("502",),
    "chunked upload": ("502",),
}
"""What a replica's death may do to a request that must not be sent twice (RFC 9110 §9.2.2). Any answer may be cut off
when its replica dies within it; a pipeline ends with it.
"""


class SoakNode(Node):
    """Its pools empty soon, so that rest is rest; each configuration differs a little from the last."""

    turn = 0

    def write_config(self, extra: str = "") -> None:
        """With limits of its own."""
        super().write_config(extra)
        limits = f'[forwarder]\nupstream_idle = "1s"\nkeepalive_timeout = "{60 + self.turn % 2}s"\n'
        self.change_config("[forwarder]\n", limits)
        self.turn += 1


@dataclass(frozen=True, slots=True)
class Measure:
    """A process at rest."""

    resident_kib: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Report:
    """`before` and `after`: every process at rest, by name. `outcomes`: by kind of request. `kills`: of replicas."""

    before: dict[str, Measure]
    after: dict[str, Measure]
    outcomes: Counter[tuple[str, str]]
    wrong: list[str]
    kills: int
    reloads: int
    invariants: int
    failed: tuple[str, ...] = ()
    """The first lines of the access log that tell of a failure of the balancer's own."""

    def faults(self) -> list[str]:
        """Everything that should not be."""
        found = list(self.wrong)
        lost = 0
        for (kind, what), count in self.outcomes.items():
            if what in ("cut off", "lost"):
                lost += count
            elif what != "ok" and not what.startswith(MAY_FAIL.get(kind, ("never",))):
                found.append(f"{count} × {kind}: {what}")
        if lost > self.kills * CLIENTS:
            found.append(f"{lost} answers were cut off by {self.kills} deaths")
        for name, after in self.after.items():
            before = self.before[name]
            if after.descriptors > before.descriptors:
                found.append(f"{name}: {before.descriptors} descriptors became {after.descriptors}")
            if after.resident_kib > before.resident_kib * 1.1 + 2048:
                found.append(f"{name}: {before.resident_kib} KiB became {after.resident_kib}")
        if self.invariants:
            found.append(f"{self.invariants} violated invariants in the log")
        return found


class Churn:
    """Each second a reload; each time something else happens to a replica, but never to more than one at once."""

    def __init__(self, node: SoakNode, replicas: list[ReplicaProcess], choice: random.Random) -> None:
        self.kills = self.reloads = 0
        self._node = node
        self._replicas = replicas
        self._choice = choice

    def go_on(self, seconds: float) -> None:
        """For so long. Ends with all replicas there and alive."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self._second()
        for replica in self._replicas:
            if not replica.runs:
                replica.start()
        self._publish(self._replicas)

    def _second(self) -> None:
        """A replica dies or is taken away only while all others are up: two at once are more than retries are for. One
        that came and went too often is held back for a while, and then nothing happens to any.
        """
        began_s = time.monotonic()
        victim = self._choice.choice(self._replicas)
        drawn = self._choice.choice(("kill", "remove", "leave"))
        if list(self._node.availability().values()) != ["up"] * len(self._replicas):
            drawn = "leave"
        match drawn:
            case "kill":
                victim.kill()
                self.kills += 1
                self._publish(self._replicas)
                time.sleep(0.3)
                victim.start()
            case "remove":
                self._publish([replica for replica in self._replicas if replica is not victim])
                time.sleep(0.5)
                self._publish(self._replicas)
            case _:
                self._publish(self._choice.sample(self._replicas, len(self._replicas)))
        time.sleep(max(0.0, began_s + 1.0 - time.monotonic()))

    def _publish(self, replicas: list[ReplicaProcess]) -> None:
        self._node.replicas = [(replica.address, self._node.zone) for replica in replicas]
        self._node.write_config()
        self._node.reload()
        self.reloads += 1


@contextmanager
def replicas_and_node(directory: Path) -> Iterator[tuple[list[ReplicaProcess], SoakNode]]:
    """Everything running and up."""
    replicas = [ReplicaProcess() for _ in range(REPLICAS)]
    node = None
    try:
        for replica in replicas:
            replica.start()
        node = SoakNode(
            directory, "lb-a1", "zone-a", [(replica.address, "zone-a") for replica in replicas], workers=WORKERS
        )
        node.start()
        for replica in replicas:
            node.wait_availability(replica.address, "up")
        yield replicas, node
    finally:
        if node is not None:
            node.clean_up()
        for replica in replicas:
            replica.close()


def soak(directory: Path, *, warm_up_s: float, soak_s: float, seed: int) -> Report:
    """Run it all; what came of the warm-up counts, too."""
    choice = random.Random(seed)
    outcomes: Counter[tuple[str, str]] = Counter()
    wrong: list[str] = []
    measures: list[dict[str, Measure]] = []
    with replicas_and_node(directory) as (replicas, node):
        churn = Churn(node, replicas, choice)
        for seconds in (warm_up_s, soak_s):
            clients = [Client(node.address, choice.randrange(1 << 30)) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            try:
                churn.go_on(seconds)
            finally:
                for client in clients:
                    client.stop.set()
                for client in clients:
                    client.join()
            for client in clients:
                outcomes += client.outcomes
                wrong += client.wrong
            wait_for(partial(_is_at_rest, node), "rest", REST_S)
            measures.append(_measure(node))
        assert node.process is not None
        assert node.process.poll() is None
        invariants = node.log_text().count("invariant")
        failed = [str(line) for line in node.access_lines() if line["status"] >= 500]
    return Report(
        measures[0], measures[1], outcomes, wrong, churn.kills, churn.reloads, invariants, tuple(failed[:FAILED_SHOWN])
    )


def _pids(node: Node) -> dict[str, int]:
    return {name: node.child_pid(name) for name in ("agent", *(f"forwarder-{worker}" for worker in range(WORKERS)))}


def _is_at_rest(node: Node) -> bool:
    """No client, no request, and nothing in a pool."""
    forwarders = node.state().get("forwarders", ())
    gauges = [each[name] for each in forwarders for name in ("connections", "active_requests")]
    in_flight = [
        line for line in node.get("/metrics")[1].splitlines() if line.startswith(b"lbmesh_upstream_in_flight{")
    ]
    held = [line for line in in_flight if not line.endswith(b" 0")]
    return len(gauges) == 2 * WORKERS and not any(gauges) and not held and not _sockets_to_replicas(node)


def _sockets_to_replicas(node: Node) -> int:
    """Connections that the forwarders hold to anywhere."""
    ports = {address.port for address, _ in node.replicas}
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].rpartition(":")[2], 16) in ports:
            inodes.add(fields[9])
    held = 0
    for name, pid in _pids(node).items():
        if name == "agent":
            continue
        for entry in os.scandir(f"/proc/{pid}/fd"):
            held += os.readlink(entry.path).removeprefix("socket:[").removesuffix("]") in inodes
    return held


def _measure(node: Node) -> dict[str, Measure]:
    return {name: _measure_process(pid) for name, pid in _pids(node).items()}


def _measure_process(pid: int) -> Measure:
    """The least of several looks: an agent at rest still probes replicas now and then."""
    looks = []
    for _ in range(20):
        looks.append((proc.memory_kib(pid, "VmRSS"), len(proc.descriptors(pid))))
        time.sleep(0.05)
    return Measure(min(resident for resident, _ in looks), min(descriptors for _, descriptors in looks))
