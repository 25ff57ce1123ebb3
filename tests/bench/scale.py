"""A thousand routes and ten thousand replicas: what a request costs beside one route, and how a View of that size
arrives.
"""

import contextlib
import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import median

from tests.bench.load import WORKLOADS, run_window
from tests.bench.marks import Mark, lines, table
from tests.bench.origins import Origins, running_origins
from tests.bench.processes import cpu_time_s, process_tree
from tests.bench.proxies import Scale
from tests.bench.proxies.lbmesh import write_configuration
from tests.bench.rounds import objection
from tests.bench.running import Cores, Running, running
from tests.bench.section import SUBJECT, Report, Setting, paragraphs, ratio, skipped_lines
from tests.bench.view_probe import ViewProbe
from tests.support import proc

NAMES = ("lbmesh", "haproxy")
ROUTES, QUICK_ROUTES = 1000, 200
REPLICAS_EACH = 10
WORKLOAD = next(workload for workload in WORKLOADS if workload.name == "browser-32")
WINDOW_S = 2
WARMUPS_MAX, WARM_SHARE = 12, 0.05
"""Windows until so few requests need a new upstream connection, health checks counted in; or so many at most."""

GROWTH_MAX = 1.1
ARRIVAL_MAX_MS = 500.0
STALL_MAX_MS = 5.0
STEP_MAX_MS = 10.0
WORKERS = 2
RELOADS = 5
ARRIVES_WITHIN_S = 30.0
TAIL_S = 0.3
LAG_WINDOW_S = 11.0
"""The agent says the longest lag of its last ten seconds."""

SETTLED_SHARE = 0.3
SETTLES_WITHIN_S = 90.0

ONE_ROUTE = "one route"
ONE_OF_MANY = "one of {}"
ALL_OF_MANY = "all {} in turn"


@dataclass(frozen=True, slots=True)
class Sample:
    """One window: CPU of the process that carries the traffic, a request. `connects`: new upstream connections, a
    request. `invalid`: why not to count it.
    """

    variant: str
    case: str
    round: int
    cpu_us: float
    connects: float
    invalid: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One View. In milliseconds, from the agent's word that it took the reload, and from the signal, until the last
    forwarder served by it; the longest wait of a request meanwhile, and in as much time without a View, which is what
    this machine does to a request by itself.
    """

    from_taken_ms: float
    from_signal_ms: float
    stall_ms: float
    quiet_stall_ms: float


@dataclass(frozen=True, slots=True)
class Arrivals:
    """All Views. The longest lag of the agent's loop before any of them, and in them; resident memory of one forwarder
    and of the agent at that size, in MB, after all.
    """

    each: tuple[Arrival, ...] = ()
    rest_step_ms: float | None = None
    step_ms: float | None = None
    forwarder_mb: float = 0.0
    agent_mb: float = 0.0


def run(setting: Setting) -> Report:
    """Both parts."""
    routes = QUICK_ROUTES if setting.quick else ROUTES
    parts, valid = [], True
    with running_origins(setting.directory, cpu=setting.cores.others, count=REPLICAS_EACH) as origins:
        samples = _costs(setting, origins, routes)
        titles = {variant.name: variant.title for variant in setting.variants(NAMES)}
        parts.append(cost_report(samples, routes, titles))
        valid = not any(sample.invalid for sample in samples)
        if any(variant.name == SUBJECT for variant in setting.variants(NAMES)):
            try:
                parts.append(arrival_report(_arrivals(setting, origins.ports, routes), routes))
            except (RuntimeError, OSError) as error:
                parts += [
                    lines(_arrival_marks(Arrivals(), routes)),
                    f"**Invalid**: Views of {routes:,} routes: {error}",
                ]
                valid = False
    return Report(paragraphs((*parts, skipped_lines(setting.skipped(NAMES)))), valid)


def _costs(setting: Setting, origins: Origins, routes: int) -> list[Sample]:
    """One proxy after the other: what is asked for is how its own cost grows, and the pools of two together are more
    than the origins keep, and too old when their turn comes.
    """
    samples = []
    cases = (
        (ONE_ROUTE, 1, 1),
        (ONE_OF_MANY.format(f"{routes:,}"), routes, 1),
        (ALL_OF_MANY.format(f"{routes:,}"), routes, routes),
    )
    for variant in setting.variants(NAMES):
        with contextlib.ExitStack() as stack:
            proxies = {}
            for count in (1, routes):
                place = setting.directory / f"{variant.name}-{count}"
                place.mkdir()
                proxies[count] = stack.enter_context(
                    running(variant, place, origins.ports, setting.cores, scale=Scale(count))
                )
            setting.say(f"  {variant.title}: until it is at rest")
            for proxy in proxies.values():
                _wait_until_settled(proxy)
            setting.say(f"  {variant.title}: until each of {routes * REPLICAS_EACH:,} replicas has a connection")
            for count, proxy in proxies.items():
                _warm_up(proxy, origins, count, setting.cores)
            for number in range(1 if setting.quick else 3):
                for case, count, hosts in cases:
                    sample = _cost(proxies[count], origins, case, hosts, number, setting.cores)
                    samples.append(sample)
                    setting.say(
                        f"  {variant.title}, {case}: {sample.cpu_us:.1f} µs, {sample.connects:.1%} {sample.invalid}"
                    )
    return samples


def _warm_up(proxy: Running, origins: Origins, hosts: int, cores: Cores) -> None:
    """Load it until its pools have what they need."""
    for _ in range(WARMUPS_MAX):
        if _cost(proxy, origins, "", hosts, 0, cores).connects < WARM_SHARE:
            return


def _cost(proxy: Running, origins: Origins, case: str, hosts: int, number: int, cores: Cores) -> Sample:
    before, connected = proxy.cpu().serving_s, origins.connections_accepted()
    window = run_window(WORKLOAD, "127.0.0.1", proxy.port, seconds=WINDOW_S, cpu=cores.others, hosts=hosts)
    used_us = (proxy.cpu().serving_s - before) / max(window.requests, 1) * 1e6
    connects = (origins.connections_accepted() - connected) / max(window.requests, 1)
    return Sample(proxy.variant.name, case, number, used_us, connects, objection(window, window.requests))


def _arrivals(setting: Setting, ports: tuple[int, ...], routes: int) -> Arrivals:
    """Reload by reload."""
    variant = next(one for one in setting.variants(NAMES) if one.name == SUBJECT)
    place = setting.directory / "views"
    place.mkdir()
    scale = Scale(routes, WORKERS, probed_host=_host(0))
    with running(variant, place, ports, setting.cores, scale=scale) as node:
        _use_all_cores(node)
        setting.say(f"  {routes:,} routes: until the agent is at rest")
        _wait_until_settled(node)
        probe = ViewProbe(node.port, node.serving_pids())
        arrivals, step_ms = [], 0.0
        time.sleep(LAG_WINDOW_S)
        rest_step_ms = _loop_lag_ms(node)
        try:
            for number in range(1, 2 if setting.quick else RELOADS + 1):
                arrivals.append(_reload(node, probe, scale, _host(number)))
                step_ms = max(step_ms, _loop_lag_ms(node))
                setting.say(
                    f"  View {number}: {arrivals[-1].from_taken_ms:.0f} ms, stall {arrivals[-1].stall_ms:.1f} ms"
                )
        finally:
            probe.close()
        forwarder_mb = max(map(resident_mb, node.serving_pids()))
        agent_mb = max(resident_mb(pid) for pid in process_tree(node.root_pid) if pid not in node.serving_pids())
    return Arrivals(tuple(arrivals), rest_step_ms, step_ms, forwarder_mb, agent_mb)


def resident_mb(pid: int) -> float:
    """Pages shared with others included."""
    return proc.memory_kib(pid, "VmRSS") / 1024


def _host(number: int) -> str:
    return f"probe-{number}.example"


def _use_all_cores(node: Running) -> None:
    """A node has all cores to itself here, as it would have: the agent makes a View while the forwarders serve."""
    for pid in process_tree(node.root_pid):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), range(os.cpu_count() or 1))


def _wait_until_settled(node: Running) -> None:
    """Until all replicas are known, the agent is busy. Raises RuntimeError when it does not come to rest."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while time.monotonic() < deadline:
        pids = process_tree(node.root_pid)
        before = sum(map(cpu_time_s, pids))
        time.sleep(2.0)
        if (sum(map(cpu_time_s, pids)) - before) / 2.0 < SETTLED_SHARE:
            return
    raise RuntimeError(f"the node was not at rest after {SETTLES_WITHIN_S:.0f} s")


def _reload(node: Running, probe: ViewProbe, scale: Scale, host: str) -> Arrival:
    """Raises RuntimeError when the View does not reach every forwarder in time."""
    write_configuration(replace(node.site, scale=replace(scale, probed_host=host)))
    printed = node.output.stat().st_size
    signalled_s = time.time()
    os.kill(node.root_pid, signal.SIGHUP)
    seen = probe.watch(host, ARRIVES_WITHIN_S, after_known_s=TAIL_S)
    if len(seen.known_s) < WORKERS:
        raise RuntimeError(f"it reached {len(seen.known_s)} of {WORKERS} forwarders within {ARRIVES_WITHIN_S:.0f} s")
    arrived_s = max(seen.known_s.values())
    with node.output.open() as output:
        output.seek(printed)
        taken_s = taken_at(output.read().splitlines())
    quiet = probe.watch(host, arrived_s + TAIL_S - signalled_s)
    return Arrival(
        (arrived_s - taken_s) * 1e3, (arrived_s - signalled_s) * 1e3, seen.longest_s * 1e3, quiet.longest_s * 1e3
    )


def taken_at(log_lines: Sequence[str]) -> float:
    """When, by the agent's log, a reload was taken. Raises RuntimeError when it was not."""
    for line in log_lines:
        if '"event": "reload"' in line:
            fields = json.loads(line)
            if fields["change"] == "taken":
                return datetime.fromisoformat(fields["time"]).timestamp()
    raise RuntimeError("the reload was not taken")


def _loop_lag_ms(node: Running) -> float:
    """What the agent says is the longest lag of its loop in the last ten seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{node.site.admin_port}/metrics", timeout=30) as page:
        found = re.search(rb"^lbmesh_loop_lag_seconds ([0-9.e+-]+)", page.read(), re.MULTILINE)
    if found is None:
        raise RuntimeError("the agent's metrics have no lbmesh_loop_lag_seconds")
    return float(found[1]) * 1e3


def growth(samples: Sequence[Sample], variant: str, case: str) -> float | None:
    """CPU of a case over that of one route, the median of the ratios of each round; invalid samples left out."""
    own = [one for one in samples if one.variant == variant and not one.invalid]
    many, one_route = ({one.round: one.cpu_us for one in own if one.case == wanted} for wanted in (case, ONE_ROUTE))
    return ratio(many, one_route)


def cost_report(samples: Sequence[Sample], routes: int, titles: Mapping[str, str]) -> str:
    """The table, and the marks."""
    rows, marks = [], []
    for variant, case in dict.fromkeys((one.variant, one.case) for one in samples):
        own = [one for one in samples if (one.variant, one.case) == (variant, case) and not one.invalid]
        grown = growth(samples, variant, case)
        if not own or grown is None:
            continue
        connects = f"{median(one.connects for one in own):.1%}"
        rows.append((titles[variant], case, f"{median(one.cpu_us for one in own):.1f}", f"{grown:.2f}", connects))
        if variant == SUBJECT and case != ONE_ROUTE:
            what = f"CPU per request with {routes:,} routes, load on {case}, beside one route"
            marks.append(Mark(what, grown, GROWTH_MAX, " ×"))
    how = (
        f"{routes:,} routes, each with a service of its own and {REPLICAS_EACH} replicas, checked every "
        f"{Scale(1).check_interval_s} s; one route has {REPLICAS_EACH} replicas. CPU of the serving process. A "
        "browser's head, new each time, 32 connections."
    )
    invalid = [f"**Invalid**, not counted: {one.variant}, {one.case}: {one.invalid}." for one in samples if one.invalid]
    header = ("proxy", "load on", "CPU µs/request", "× one route", "on a new upstream connection")
    return paragraphs((how, table(header, rows), lines(marks), *invalid))


def arrival_report(arrivals: Arrivals, routes: int) -> str:
    """The table, and the marks."""
    figures = {
        "from the agent's decision to the last forwarder, ms": [one.from_taken_ms for one in arrivals.each],
        "from SIGHUP to the last forwarder, ms": [one.from_signal_ms for one in arrivals.each],
        "longest wait of a request meanwhile, ms": [one.stall_ms for one in arrivals.each],
        "longest wait in as much time without a View, ms": [one.quiet_stall_ms for one in arrivals.each],
    }
    rows = [(what, f"{median(values):.1f}", f"{max(values):.1f}") for what, values in figures.items()]
    how = (
        f"{len(arrivals.each)} reloads of a node with {WORKERS} forwarders on all cores, each a new View. Each is "
        "asked every millisecond, for a host that the new View alone has. Marks are for the worst; that of "
        "the stall is for how much the worst with a View is above the worst without one."
    )
    if arrivals.rest_step_ms is not None and arrivals.step_ms is not None:
        how += (
            f" The agent's loop lagged {arrivals.rest_step_ms:.1f} ms at most before the reloads (health checks run), "
            f"{arrivals.step_ms:.1f} ms in them. Resident at that size: {arrivals.forwarder_mb:.0f} MB a forwarder, "
            f"{arrivals.agent_mb:.0f} MB the agent."
        )
    return paragraphs((how, table(("", "median", "worst"), rows), lines(_arrival_marks(arrivals, routes))))


def stall_ms(arrivals: Sequence[Arrival]) -> float | None:
    """How much longer the longest wait was with Views than without; the machine itself keeps a request waiting now and
    then, so that one is compared with the other, and both are printed.
    """
    if not arrivals:
        return None
    with_views, without = max(one.stall_ms for one in arrivals), max(one.quiet_stall_ms for one in arrivals)
    return max(0.0, with_views - without)


def _arrival_marks(arrivals: Arrivals, routes: int) -> list[Mark]:
    size = f"{routes:,} routes and {routes * REPLICAS_EACH:,} replicas"
    arrival_ms = max((one.from_taken_ms for one in arrivals.each), default=None)
    return [
        Mark(f"a View of {size} reaches every forwarder", arrival_ms, ARRIVAL_MAX_MS, " ms"),
        Mark(
            f"a View of {size} adds to the longest wait of a request",
            stall_ms(arrivals.each),
            STALL_MAX_MS,
            " ms",
        ),
        Mark(f"the agent's longest step, a reload of {size}", arrivals.step_ms, STEP_MAX_MS, " ms"),
    ]
