"""Rounds: every proxy in turn gets a window of load, and each window becomes one sample or is invalid."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.bench.load import Window, Workload, run_window
from tests.bench.origins import Origins
from tests.bench.processes import core_busy_s
from tests.bench.running import Cores, Running

LOGGED_SHARE_MIN = 0.9
"""Of the requests in a window, so many must be in the access log at its end; the rest may be in a buffer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure: per workload, `rounds` windows of `window_s` for each proxy, after one warm-up."""

    rounds: int
    window_s: int
    warmup_s: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One window of one proxy. CPU in microseconds a request; `busy` is the share of its core that it used,
    and `disturbed` the share that anybody else had.

    `serving_us`: the process that carries the traffic alone.
    `invalid`: why not to count it; "" when it counts.
    """

    workload: str
    variant: str
    round: int
    cpu_us: float
    serving_us: float
    busy: float
    disturbed: float
    requests_per_s: float
    p50_us: int
    p99_us: int
    invalid: str = ""


def run_rounds(
    workloads: Sequence[Workload],
    proxies: Sequence[Running],
    origins: Origins,
    plan: Plan,
    cores: Cores,
    say: Callable[[str], None],
) -> Iterator[Sample]:
    """All samples, workload by workload and round by round; each round begins with another proxy."""
    for workload in workloads:
        say(f"{workload.name}: {workload.title}")
        for proxy in proxies:
            run_window(workload, "127.0.0.1", proxy.port, seconds=plan.warmup_s, cpu=cores.others)
            _empty_log(proxy)
        for number in range(plan.rounds):
            first = number % len(proxies)
            for proxy in (*proxies[first:], *proxies[:first]):
                sample = measure(workload, proxy, origins, plan, cores, number)
                what = f"{proxy.variant.title:<16} {sample.cpu_us:6.1f} µs  {sample.invalid}"
                say(f"  round {number + 1}  {what}".rstrip())
                yield sample


def measure(workload: Workload, proxy: Running, origins: Origins, plan: Plan, cores: Cores, number: int) -> Sample:
    """One window. A proxy that died or answered wrongly makes an invalid sample, not an exception."""
    answered = origins.requests_answered()
    try:
        before = proxy.cpu()
        busy_s, began_s = core_busy_s(cores.proxy), time.monotonic()
        window = run_window(workload, "127.0.0.1", proxy.port, seconds=plan.window_s, cpu=cores.others)
        busy_s, took_s = core_busy_s(cores.proxy) - busy_s, time.monotonic() - began_s
        after = proxy.cpu()
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        return Sample(workload.name, proxy.variant.name, number, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, invalid=str(error))
    invalid = objection(window, origins.requests_answered() - answered)
    if after.pids != before.pids:
        invalid = invalid or "a process of the proxy began or ended during the window"
    if not invalid and proxy.log:
        invalid = _log_objection(proxy, window)
    _empty_log(proxy)
    requests, used_s = max(window.requests, 1), after.total_s - before.total_s
    return Sample(
        workload=workload.name,
        variant=proxy.variant.name,
        round=number,
        cpu_us=used_s / requests * 1e6,
        serving_us=(after.serving_s - before.serving_s) / requests * 1e6,
        busy=used_s / window.duration_s,
        disturbed=max(busy_s - used_s, 0.0) / took_s,
        requests_per_s=window.requests / window.duration_s,
        p50_us=window.p50_us,
        p99_us=window.p99_us,
        invalid=invalid,
    )


def objection(window: Window, answered_by_origins: int) -> str:
    """Why this window must not count: errors, or answers that came from no origin; "" when it may."""
    if window.errors:
        return "errors: " + ", ".join(f"{count} {kind}" for kind, count in window.errors.items())
    if not window.requests:
        return "not one request was answered"
    if answered_by_origins < window.requests:
        return f"{window.requests} answers, but the origins gave only {answered_by_origins}"
    return ""


def _log_objection(proxy: Running, window: Window) -> str:
    """Buffered lines get a moment to reach the file before they are missed."""
    deadline = time.monotonic() + 3.0
    while (lines := _lines(proxy)) < window.requests * LOGGED_SHARE_MIN:
        if time.monotonic() > deadline:
            return f"{window.requests} requests, but only {lines} lines in the access log"
        time.sleep(0.1)
    return ""


def _lines(proxy: Running) -> int:
    if proxy.log is None or not proxy.log.exists():
        return 0
    with proxy.log.open("rb") as log:
        return sum(block.count(b"\n") for block in iter(lambda: log.read(1 << 20), b""))


def _empty_log(proxy: Running) -> None:
    """A run would else write gigabytes. All of the proxies append, so none minds."""
    if proxy.log and proxy.log.exists():
        os.truncate(proxy.log, 0)
