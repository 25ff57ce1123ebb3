"""Goodput under overload: what is answered in time while more is asked for than can be done.

The process that carries the traffic is held to a fifth of a core, so that neither the generator nor the origins are
the limit.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench import quota
from tests.bench.load import CLOSING, WORKLOADS, Workload, run_window
from tests.bench.marks import Mark, lines, table
from tests.bench.openloop import Order, Outcome, carry_out
from tests.bench.origins import BODY_BYTES
from tests.bench.processes import get_status
from tests.bench.running import Cores, Running, running_all
from tests.bench.section import SUBJECT, Report, Setting, paragraphs, skipped_lines

NAMES = ("lbmesh", "haproxy", "nginx", "envoy")
KEEPING = next(workload for workload in WORKLOADS if workload.name == "browser-32")
SHARE = 0.2
LEVELS = (1.0, 1.5, 2.0, 3.0)
ROUNDS = 3
"""Single windows of a process that is held to a fifth of a core differ by 15 % on a shared machine."""

JUDGED_LEVEL = 2.0
GOODPUT_MIN = 0.9
DEADLINE_S = 1.0
CONNECTIONS_MAX = 16_000
SETTLE_S = 1.5
"""Until an overloaded proxy is as far behind as it will be, its clients' deadline having passed."""

RECOVERY_S = 10.0
LATENESS_MAX_US = 50_000
"""A generator that asks later than this at p99, a twentieth of the deadline, is the limit itself."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How clients connect. `workload`: what saturation is measured with."""

    name: str
    close: bool
    workload: Workload


KINDS = (
    Kind("kept connections", False, KEEPING),
    Kind("a connection for each request", True, CLOSING),
)


@dataclass(frozen=True, slots=True)
class Point:
    """One level of load on one proxy."""

    variant: str
    kind: str
    level: float
    saturation: float
    outcome: Outcome

    @property
    def valid(self) -> bool:
        """Whether the load was what it was to be."""
        return self.outcome.late_p99_us <= LATENESS_MAX_US


def missing() -> str | None:
    """Why this cannot be measured here."""
    return quota.missing()


def run(setting: Setting) -> Report:
    """Each proxy in turn, held to its share, through all levels."""
    if (why := missing()) is not None:
        return Report(f"Skipped: {why}.\n", True)
    points: list[Point] = []
    levels = (1.0, JUDGED_LEVEL) if setting.quick else LEVELS
    seconds, rounds = (1.5, 1) if setting.quick else (2.0, ROUNDS)
    with running_all(setting.variants(NAMES), setting.directory, setting.cores) as (_, proxies):
        for proxy in proxies:
            with quota.held_to(SHARE, proxy.serving_pid()):
                for kind in KINDS * rounds:
                    for point in _sweep(proxy, kind, levels, seconds, setting.cores):
                        setting.say(
                            f"  {point.variant}, {kind.name}, {point.level:g}: "
                            f"{point.outcome.goodput:,.0f} of {point.level * point.saturation:,.0f}/s"
                        )
                        points.append(point)
    titles = {proxy.variant.name: proxy.variant.title for proxy in proxies}
    return Report(
        paragraphs((report(points, levels, seconds, titles), skipped_lines(setting.skipped(NAMES)))),
        all(point.valid for point in points),
    )


def _sweep(proxy: Running, kind: Kind, levels: Sequence[float], seconds: float, cores: Cores) -> Iterator[Point]:
    window = run_window(kind.workload, "127.0.0.1", proxy.port, seconds=2, cpu=cores.others)
    saturation = window.requests / window.duration_s
    for level in levels:
        order = Order(
            port=proxy.port,
            rate=level * saturation,
            seconds=seconds,
            body_bytes=BODY_BYTES,
            warmup_s=SETTLE_S,
            connections_max=CONNECTIONS_MAX,
            close=kind.close,
            deadline_s=DEADLINE_S,
        )
        yield Point(proxy.variant.name, kind.name, level, saturation, carry_out(order, cores.others))
        _recover(proxy)


def _recover(proxy: Running) -> None:
    """Wait until it answers again. Raises RuntimeError when it does not."""
    deadline = time.monotonic() + RECOVERY_S
    time.sleep(0.2)
    while get_status(proxy.port) != 200:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{proxy.variant.title} did not recover from overload in {RECOVERY_S:.0f} s")
        time.sleep(0.1)


def kept(points: Sequence[Point], level: float) -> float | None:
    """Goodput at a level over the best at any, each the median of its rounds, of one proxy's points of one kind; None
    when it was not measured.
    """
    goodput = {
        each: median(point.outcome.goodput for point in points if point.valid and point.level == each)
        for each in {point.level for point in points if point.valid}
    }
    best = max(goodput.values(), default=0.0)
    return goodput[level] / best if level in goodput and best else None


def report(points: Sequence[Point], levels: Sequence[float], seconds: float, titles: dict[str, str]) -> str:
    """A table for each kind, and the marks."""
    parts = [_how(seconds)]
    for kind in KINDS:
        own = [point for point in points if point.kind == kind.name]
        by_variant = {name: [point for point in own if point.variant == name] for name in titles}
        header = ("proxy", "saturation/s", *(f"{level:g} ×" for level in levels), "refused at 2 ×")
        parts += [
            f"### {kind.name[0].upper()}{kind.name[1:]}",
            table(header, [_row(titles[name], several, levels) for name, several in by_variant.items() if several]),
        ]
        if SUBJECT in titles:
            share = kept(by_variant[SUBJECT], JUDGED_LEVEL)
            what = f"goodput at twice saturation, over its peak, {kind.name}"
            parts.append(lines([Mark(what, share, GOODPUT_MIN, at_least=True)]))
    late = [point.outcome.late_p99_us for point in points]
    if late:
        parts.append(
            f"The generator asked {median(late):,.0f} µs late at p99 in the median window, at most {max(late):,.0f} µs."
        )
    parts += [
        f"**Invalid**, not counted: {titles[point.variant]}, {point.kind}, {point.level:g} ×: the generator was late."
        for point in points
        if not point.valid
    ]
    return paragraphs(parts).rstrip()


def _how(seconds: float) -> str:
    return (
        f"Held to {SHARE:g} of a core (CFS quota, periods of {quota.PERIOD_US / 1000:g} ms), {seconds:g} s a level "
        f"after {SETTLE_S:g} s, {ROUNDS} rounds. Goodput: answers with 2xx within {DEADLINE_S:g} s of when the request "
        "was due; the median of a level over the best median of any. Levels are multiples of each proxy's own "
        "saturation by a closed loop. A client whose time is up closes its connection; up to "
        f"{CONNECTIONS_MAX:,} at once."
    )


def _row(title: str, points: Sequence[Point], levels: Sequence[float]) -> tuple[str, ...]:
    shares = [kept(points, level) for level in levels]
    refused = [point.outcome.refused / max(point.outcome.due, 1) for point in points if point.level == JUDGED_LEVEL]
    return (
        title,
        f"{median(point.saturation for point in points):,.0f}",
        *("" if share is None else f"{share:.0%}" for share in shares),
        *([f"{median(refused):.0%}"] if refused else []),
    )
