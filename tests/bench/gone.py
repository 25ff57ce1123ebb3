"""How soon a node's backups say *gone* after its death, with the forwarders of all nodes saturated on every core; how
often they say it wrongly; and what the heartbeat costs a sentinel.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from lbmesh.failover.limits import SILENCE_S
from lbmesh.model.address import Address
from tests.bench.origins import running_origins
from tests.bench.processes import core_busy_s, cpu_time_s
from tests.bench.report import machine
from tests.bench.running import Cores
from tests.bench.words import Death, Word, wrong
from tests.support import proc
from tests.support.nodes import Node, running_mesh
from tests.support.percentile import percentile
from tests.support.wait import wait_for

NODES = 3
WORKERS = 2
CONNECTIONS = 32
SETTLE_S = 2.0
GONE_WITHIN_S = 5.0
IDLE_NODES = 7
IDLE_S = 10.0
BOUND_MS = 150.0
"""The mark for the 99th percentile."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`kills`: of each kind. `saturate_s`: how long to look for words that are wrong."""

    kills: int
    saturate_s: float


FULL = Plan(kills=30, saturate_s=300.0)
QUICK = Plan(kills=3, saturate_s=30.0)

KINDS = {"killed (SIGKILL to all processes)": signal.SIGKILL, "frozen (SIGSTOP to all processes)": signal.SIGSTOP}


def run(plan: Plan, directory: Path, cores: Cores, say: Callable[[str], None]) -> tuple[str, bool]:
    """Measure. Returns the tables, and whether all deaths were noticed."""
    with running_origins(directory, cpu=cores.others) as origins:
        replicas = [(Address("127.0.0.1", port), "zone-a") for port in origins.ports]
        idle = _idle(directory, replicas, say)
        place = directory / "loaded"
        place.mkdir()
        with running_mesh(place, replicas, size=NODES, workers=WORKERS) as nodes, _load(nodes) as load:
            _wait_partners(nodes)
            time.sleep(SETTLE_S)
            began_s = time.time()
            busy = _saturate(plan.saturate_s, say)
            deaths: list[Death] = []
            say(f"the cores were {busy:.0%} busy; {_wrong(nodes, deaths, began_s)} words were wrong")
            taken: dict[str, list[float]] = {}
            missed = 0
            for kind, number in KINDS.items():
                taken[kind] = []
                for count in range(plan.kills):
                    victim = nodes[count % NODES]
                    deaths.append(Death(victim.name, time.time()))
                    found = _fell(nodes, victim, number, deaths[-1].from_s)
                    missed += NODES - 1 - len(found)
                    taken[kind] += found
                    say(f"{kind}, {count + 1} of {plan.kills}: {', '.join(f'{ms:.0f} ms' for ms in found)}")
                    load.rest()
                    deaths[-1].until_s = _revive(nodes, victim)
                    load.go_on()
                    time.sleep(SETTLE_S)
            false = _wrong(nodes, deaths, began_s)
    return _report(plan, taken, false, missed, busy, idle), missed == 0


class _Load:
    """One wrk for each node, for ever."""

    def __init__(self, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
        self._processes = processes

    def rest(self) -> None:
        for each in self._processes:
            each.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        for each in self._processes:
            each.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def _load(nodes: Sequence[Node]) -> Iterator[_Load]:
    processes = [
        subprocess.Popen(
            ["wrk", "-t1", f"-c{CONNECTIONS}", "-d86400s", f"http://{node.address}/"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for node in nodes
    ]
    try:
        yield _Load(processes)
    finally:
        for each in processes:
            each.kill()
            each.wait()


def _saturate(seconds: float, say: Callable[[str], None]) -> float:
    """Nothing dies: how busy the cores were."""
    say(f"saturation for {seconds:.0f} s")
    cpus = sorted(os.sched_getaffinity(0))
    before, began = [core_busy_s(cpu) for cpu in cpus], time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - began
    return sum(core_busy_s(cpu) - was for cpu, was in zip(cpus, before, strict=True)) / elapsed / len(cpus)


def _fell(nodes: Sequence[Node], victim: Node, number: signal.Signals, from_s: float) -> list[float]:
    """End or freeze a node; after how many milliseconds each of the others said so."""
    others = [node for node in nodes if node is not victim]
    victim.signal_all(number)
    deadline = time.monotonic() + GONE_WITHIN_S
    found: dict[str, float] = {}
    while time.monotonic() < deadline and len(found) < len(others):
        time.sleep(0.2)
        for node in others:
            for word in _words(node):
                if word.partner == victim.name and word.at_s >= from_s:
                    found.setdefault(node.name, (word.at_s - from_s) * 1e3)
    return sorted(found.values())


def _wrong(nodes: Sequence[Node], deaths: Sequence[Death], since_s: float) -> int:
    """Wrong words in all logs since then: a log goes on when its node is started afresh."""
    return wrong((word for node in nodes for word in _words(node)), deaths, since_s)


def _revive(nodes: Sequence[Node], victim: Node) -> float:
    """Start it afresh, and wait until all know it; when it began to live again."""
    victim.signal_all(signal.SIGKILL)
    assert victim.process is not None
    victim.process.wait(30)
    for node in nodes:
        if node is not victim:
            node.wait_member(victim.name, "down")
    lives_s = time.time()
    victim.start()
    for node in nodes:
        node.wait_all_alive([each.name for each in nodes])
    _wait_partners(nodes)
    return lives_s


def _wait_partners(nodes: Sequence[Node]) -> None:
    names = {node.name for node in nodes}
    for node in nodes:
        wait_for(
            lambda node=node: {*node.state().get("heartbeat", {}).get("partners", ()), node.name} == names,  # type: ignore[misc]
            f"partners of {node.name}",
        )


def _words(node: Node) -> list[Word]:
    lines = node.log_lines("a partner is gone")
    return [Word(line["partner"], datetime.fromisoformat(line["time"]).timestamp()) for line in lines]


def _idle(directory: Path, replicas: Sequence[tuple[Address, str]], say: Callable[[str], None]) -> tuple[float, float]:
    """Share of a core, and MB, of a sentinel with IDLE_NODES - 1 partners and no traffic: the median of all."""
    say(f"{IDLE_NODES} idle nodes")
    place = directory / "idle"
    place.mkdir()
    with running_mesh(place, replicas, size=IDLE_NODES) as nodes:
        _wait_partners(nodes)
        pids = [node.process.pid for node in nodes if node.process is not None]
        time.sleep(SETTLE_S)
        before = [cpu_time_s(pid) for pid in pids]
        time.sleep(IDLE_S)
        shares = [(cpu_time_s(pid) - was) / IDLE_S for pid, was in zip(pids, before, strict=True)]
        return median(shares), median(proc.memory_kib(pid, "VmRSS") for pid in pids) / 1e3 * 1.024


def _report(
    plan: Plan,
    taken: dict[str, list[float]],
    false: int,
    missed: int,
    busy: float,
    idle: tuple[float, float],
) -> str:
    share, memory_mb = idle
    rows = [
        f"| {kind} | {plan.kills} | {len(all_ms)} | {median(all_ms):.0f} | {percentile(all_ms, 0.99):.0f} "
        f"| {max(all_ms):.0f} |"
        for kind, all_ms in taken.items()
        if all_ms
    ]
    return (
        f"{NODES} nodes with {WORKERS} forwarders each, {CONNECTIONS} connections of wrk to each node, silence of "
        f"{SILENCE_S * 1e3:.0f} ms, on {machine()}. The cores were {busy:.0%} busy. Mark: p99 of {BOUND_MS:.0f} ms.\n\n"
        "| node | deaths | words | p50 ms | p99 ms | worst ms |\n|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + f"\n\nWords that were missing: {missed}. Words that were wrong, in {plan.saturate_s:.0f} s of saturation and "
        f"around the deaths: {false}.\n\nA sentinel with {IDLE_NODES - 1} partners and no traffic uses {share:.1%} "
        f"of a core and {memory_mb:.1f} MB.\n"
    )
