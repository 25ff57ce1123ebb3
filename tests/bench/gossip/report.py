"""The tables of a run, as Markdown, and the marks beside them. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from tests.bench.gossip.plan import Plan, Samples
from tests.bench.gossip.samples import Crash, Fault, Rest
from tests.bench.gossip.systems import System
from tests.support.percentile import percentile

SEEN_P50_S = 1.0
SEEN_P99_S = 1.5
AGENT_SHARE_MAX = 0.03
AGENT_NODES = 30
_SUBJECT = "lbmesh"


@dataclass(frozen=True, slots=True)
class Spread:
    """Of several values; `p99` by nearest rank."""

    median: float
    low: float
    high: float
    p99: float


def spread(values: Sequence[float]) -> Spread:
    """Of one value at least."""
    return Spread(median(values), min(values), max(values), percentile(values, 0.99))


def report(samples: Samples, plan: Plan, systems: Sequence[System], machine: str, skipped: dict[str, str]) -> str:
    """All tables, the environment and whatever must not be overlooked."""
    titles = {system.name: system.title for system in systems}
    versions = ", ".join(f"{system.title} {system.version()}" for system in systems)
    parts = [f"On {machine}. {versions}.", _disturbance(samples)]
    if samples.crashes:
        parts += ["### A crash of one node", _crash_table(samples.crashes, titles), *_crash_mark(samples.crashes)]
    if samples.rests:
        parts += [
            f"### At rest, for {plan.rest_s:g} s",
            _traffic_table(samples.rests, titles),
            _cpu_table(samples.rests, titles),
            *_cpu_mark(samples.rests),
            *(
                f"**Left out**: {one.restless} of {one.nodes} members of {titles[one.system]}, which lost a process."
                for one in samples.rests
                if one.restless
            ),
        ]
    if samples.faults:
        parts += ["### Faults of the network", _fault_table(samples.faults, titles)]
        parts += [line for one in samples.faults if (line := _split_line(one, titles))]
    parts += [f"Skipped: {name}, which is missing ({how})." for name, how in skipped.items()]
    return "\n\n".join(parts) + "\n"


def _disturbance(samples: Samples) -> str:
    shares = spread(samples.disturbed)
    lines = [f"Others had {shares.median:.0%} of all cores in the median measurement, at most {shares.high:.0%}."]
    if samples.delays_s:
        delays = spread(samples.delays_s)
        lines.append(
            f"A log line was read {delays.median * 1e3:.1f} ms after it was written in the median, "
            f"{delays.p99 * 1e3:.0f} ms at p99."
        )
    return " ".join(lines)


def _crash_table(crashes: Sequence[Crash], titles: dict[str, str]) -> str:
    def row(own: Sequence[Crash]) -> tuple[str, ...]:
        return (
            str(len(own)),
            _seconds([one.first_s for one in own]),
            _seconds([one.last_s for one in own]),
            str(sum(one.unseen for one in own)),
            str(sum(one.false_failures for one in own)),
            _seconds([one.healed_s for one in own]),
            _seconds([one.spread_s for one in own]),
        )

    header = (
        "members",
        "system",
        "kills",
        "first sees it, s",
        "all see it, s",
        "unseen",
        "false failures",
        "all well after its start, s",
        "after its first word, s",
    )
    return _table(header, _rows(crashes, titles, row))


def _crash_mark(crashes: Sequence[Crash]) -> list[str]:
    parts = []
    for nodes in sorted({one.nodes for one in crashes}):
        own = [one.last_s for one in crashes if one.nodes == nodes and one.system == _SUBJECT]
        if own:
            found = spread(own)
            verdict = _verdict(found.median <= SEEN_P50_S and found.p99 <= SEEN_P99_S)
            parts.append(
                f"{nodes} members {_figure(found.median)} s and {_figure(found.p99)} s of {len(own)}, {verdict}"
            )
    mark = f"Mark, a crash seen by all at p50 ≤ {SEEN_P50_S} s and p99 ≤ {SEEN_P99_S} s (lbmesh)"
    return [f"{mark}: {'; '.join(parts)}."] if parts else []


def _traffic_table(rests: Sequence[Rest], titles: dict[str, str]) -> str:
    def row(own: Sequence[Rest]) -> tuple[str, ...]:
        sent = spread([value for one in own for value in one.bytes_per_s])
        packets = spread([value for one in own for value in one.packets_per_s])
        return f"{sent.median:,.0f}", f"{sent.high:,.0f}", f"{packets.median:.1f}", f"{packets.high:.1f}"

    header = ("members", "system", "bytes/s sent by a member", "highest", "packets/s", "highest")
    return _table(header, _rows(rests, titles, row))


def _cpu_table(rests: Sequence[Rest], titles: dict[str, str]) -> str:
    rows = []
    for one in rests:
        processes = [name for name in one.cpu if name != "node"]
        for process in (*processes, *(("node",) if len(processes) > 1 else ())):
            found = spread(one.cpu[process])
            name = "all three" if process == "node" else process
            shares = (f"{found.median:.2%}", f"{found.high:.2%}")
            rows.append((str(one.nodes), titles[one.system], name, *shares))
    return _table(("members", "system", "process", "of a core, median member", "worst member"), rows)


def _cpu_mark(rests: Sequence[Rest]) -> list[str]:
    found = [one.cpu["agent"] for one in rests if one.system == _SUBJECT and one.nodes == AGENT_NODES]
    if not found:
        return []
    shares = spread(found[0])
    mark = f"Mark, an idle agent in a mesh of {AGENT_NODES} under {AGENT_SHARE_MAX:.0%} of a core"
    verdict = _verdict(shares.high < AGENT_SHARE_MAX)
    return [f"{mark}: median {shares.median:.2%}, worst {shares.high:.2%}, {verdict}."]


def _fault_table(faults: Sequence[Fault], titles: dict[str, str]) -> str:
    rows = [
        (
            str(one.nodes),
            f"{one.what}, {one.length_s:g} s",
            titles[one.system],
            str(one.false_failures),
            str(one.false_impaired),
            str(one.culprit_failures),
            _figure(one.healed_s),
        )
        for one in faults
    ]
    header = (
        "members",
        "fault",
        "system",
        "healthy by healthy: failed",
        "impaired",
        "faulty by healthy: failed",
        "all well after its end, s",
    )
    return _table(header, rows)


def _split_line(one: Fault, titles: dict[str, str]) -> str:
    if one.seen_s is None:
        return ""
    return (
        f"{one.what}, {titles[one.system]}: the larger side had declared all of the smaller failed after "
        f"{_figure(one.seen_s)} s; the smaller declared {one.condemned} of {one.condemnable} (observer, member) failed."
    )


_S = TypeVar("_S", bound=Crash | Rest)


def _rows(
    samples: Sequence[_S], titles: dict[str, str], row: Callable[[Sequence[_S]], tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """A row for each size and system, in the order in which they were measured."""
    groups: dict[tuple[int, str], list[_S]] = {}
    for one in samples:
        groups.setdefault((one.nodes, one.system), []).append(one)
    return [(str(key[0]), titles[key[1]], *row(group)) for key, group in groups.items()]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(line)} |" for line in (header, *rows)]
    return "\n".join((lines[0], "|---" * len(header) + "|", *lines[1:]))


def _seconds(values: Sequence[float]) -> str:
    found = spread(values)
    return f"{_figure(found.median)} ({_figure(found.low)}–{_figure(found.high)})"


def _figure(seconds: float) -> str:
    return "never" if math.isinf(seconds) else f"{seconds:.2f}"


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"
