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
from typing import Any

from lbmesh.failover.limits import SILENCE_S
from lbmesh.model.address import Address
from tests.bench.origins import running_origins
from tests.bench.processes import core_busy_s, cpu_time_s, memory_kib
from tests.bench.report import machine
from tests.bench.running import Cores
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
            false, busy = _saturate(nodes, plan.saturate_s, say)
            say(f"the cores were {busy:.0%} busy; {false} words were wrong")
            taken: dict[str, list[float]] = {}
            missed = 0
            for kind, number in KINDS.items():
                taken[kind] = []
                for count in range(plan.kills):
                    victim = nodes[count % NODES]
                    found = _fell(nodes, victim, number)
                    missed += NODES - 1 - len(found)
                    taken[kind] += found
                    false += _others_gone(nodes, victim)
                    say(f"{kind}, {count + 1} of {plan.kills}: {', '.join(f'{ms:.0f} ms' for ms in found)}")
                    load.rest()
                    _revive(nodes, victim)
                    load.go_on()
                    time.sleep(SETTLE_S)
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


def _saturate(nodes: Sequence[Node], seconds: float, say: Callable[[str], None]) -> tuple[int, float]:
    """Nothing dies: how many words were wrong, and how busy the cores were."""
    say(f"saturation for {seconds:.0f} s")
    time.sleep(SETTLE_S)
    cpus = sorted(os.sched_getaffinity(0))
    before, began = [core_busy_s(cpu) for cpu in cpus], time.monotonic()
    seen = sum(len(_gone_lines(node)) for node in nodes)
    time.sleep(seconds)
    wrong = sum(len(_gone_lines(node)) for node in nodes) - seen
    elapsed = time.monotonic() - began
    busy = sum(core_busy_s(cpu) - was for cpu, was in zip(cpus, before, strict=True)) / elapsed / len(cpus)
    return wrong, busy


def _fell(nodes: Sequence[Node], victim: Node, number: signal.Signals) -> list[float]:
    """End or freeze a node; after how many milliseconds each of the others said so."""
    others = [node for node in nodes if node is not victim]
    known = {node.name: len(_gone_lines(node)) for node in others}
    fell_at = time.time()
    victim.signal_all(number)
    deadline = time.monotonic() + GONE_WITHIN_S
    found: dict[str, float] = {}
    while time.monotonic() < deadline and len(found) < len(others):
        time.sleep(0.2)
        for node in others:
            for line in _gone_lines(node)[known[node.name] :]:
                if line["partner"] == victim.name and node.name not in found:
                    found[node.name] = (datetime.fromisoformat(line["time"]).timestamp() - fell_at) * 1e3
    return sorted(found.values())


def _others_gone(nodes: Sequence[Node], victim: Node) -> int:
    """Words about others than the victim since the last look, which are wrong."""
    wrong = 0
    for node in nodes:
        lines = _gone_lines(node)
        looked = _LOOKED.get(node.name, 0)
        wrong += sum(line["partner"] != victim.name for line in lines[looked:])
        _LOOKED[node.name] = len(lines)
    return wrong


_LOOKED: dict[str, int] = {}


def _revive(nodes: Sequence[Node], victim: Node) -> None:
    victim.signal_all(signal.SIGKILL)
    assert victim.process is not None
    victim.process.wait(30)
    for node in nodes:
        if node is not victim:
            node.wait_member(victim.name, "down")
    victim.start()
    for node in nodes:
        node.wait_all_alive([each.name for each in nodes])
    _wait_partners(nodes)
    _others_gone(nodes, victim)


def _wait_partners(nodes: Sequence[Node]) -> None:
    names = {node.name for node in nodes}
    for node in nodes:
        wait_for(
            lambda node=node: {*node.state().get("heartbeat", {}).get("partners", ()), node.name} == names,  # type: ignore[misc]
            f"partners of {node.name}",
        )


def _gone_lines(node: Node) -> list[dict[str, Any]]:
    return node.log_lines("a partner is gone")


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
        return median(shares), median(memory_kib(pid, "VmRSS") for pid in pids) / 1e3 * 1.024


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
