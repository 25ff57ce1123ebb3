"""Added latency at a fixed open-loop rate: what a request takes through a proxy, less what it takes straight to an
origin.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.load import WORKLOADS, run_window
from tests.bench.marks import Mark, lines, table
from tests.bench.openloop import Order, Outcome, carry_out
from tests.bench.origins import BODY_BYTES, Origins
from tests.bench.processes import core_busy_s
from tests.bench.running import Cores, Running, running_all
from tests.bench.section import SUBJECT, YARDSTICK, Report, Setting, paragraphs, ratio, skipped_lines

NAMES = ("lbmesh", "haproxy", "nginx", "envoy")
SATURATING = next(workload for workload in WORKLOADS if workload.name == "browser-32")
SHARES = (0.5, 0.25)
"""Of the saturation of the slower of lbmesh and HAProxy. The mark is for the first."""

HEADROOM = 1.3
"""A proxy that saturates below so many times the rate is not asked to carry it."""

DISTURBED_MAX = 0.1
"""A window in which others had more of the proxies' core is taken again; the quietest counts."""

LATENESS_MAX_US = 2_000
"""At p99. A generator that is later than that was itself kept from its core, and the window says nothing."""

DIRECT = "direct"
RATIO_MAX = 1.5
CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """Of windows for each proxy and rate, each round beginning with another one. `attempts`: at one window."""

    rounds: int
    window_s: float
    attempts: int


FULL = Plan(rounds=5, window_s=2.0, attempts=3)
QUICK = Plan(rounds=1, window_s=1.5, attempts=1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One window. `cpu_us`: of the process that carries the traffic, a request. `invalid`: why not to count it."""

    variant: str
    share: float
    round: int
    p50_us: float
    p99_us: float
    late_p99_us: float
    cpu_us: float
    disturbed: float
    invalid: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """One proxy at one rate: medians over the rounds of what it adds at p50 and p99, and of its ratios to HAProxy."""

    variant: str
    p50_us: float
    p99_us: float
    p50_ratio: float | None
    p99_ratio: float | None
    cpu_us: float


def run(setting: Setting) -> Report:
    """Saturate each proxy, then ask all for the same rates in turn."""
    plan = QUICK if setting.quick else FULL
    with running_all(setting.variants(NAMES), setting.directory, setting.cores) as (origins, proxies):
        saturation = {proxy.variant.name: _saturation(proxy, setting.cores) for proxy in proxies}
        for name, rate in saturation.items():
            setting.say(f"{name} saturates at {rate:,.0f}/s")
        compared = [rate for name, rate in saturation.items() if name in (SUBJECT, YARDSTICK)]
        slower = min(compared or saturation.values())
        samples: list[Sample] = []
        for share in SHARES:
            able = [proxy for proxy in proxies if saturation[proxy.variant.name] >= slower * share * HEADROOM]
            for sample in _rounds(able, origins, share, slower * share, plan, setting.cores):
                setting.say(f"  {share:g} {sample.variant:<8} p50 {sample.p50_us:.0f} µs p99 {sample.p99_us:.0f} µs")
                samples.append(sample)
    titles = {proxy.variant.name: proxy.variant.title for proxy in proxies}
    return Report(
        paragraphs((report(samples, saturation, slower, plan, titles), skipped_lines(setting.skipped(NAMES)))),
        not any(sample.invalid for sample in samples),
    )


def _saturation(proxy: Running, cores: Cores) -> float:
    window = run_window(SATURATING, "127.0.0.1", proxy.port, seconds=2, cpu=cores.others)
    return window.requests / window.duration_s


def _rounds(
    proxies: Sequence[Running], origins: Origins, share: float, rate: float, plan: Plan, cores: Cores
) -> Iterator[Sample]:
    targets: list[Running | None] = [None, *proxies]
    for number in range(plan.rounds):
        first = number % len(targets)
        for target in (*targets[first:], *targets[:first]):
            port = target.port if target else origins.ports[number % len(origins.ports)]
            order = Order(port, rate, plan.window_s, BODY_BYTES, seed=number, connections=CONNECTIONS)
            yield _quietest(target, order, share, number, cores, plan.attempts)


def _quietest(target: Running | None, order: Order, share: float, number: int, cores: Cores, attempts: int) -> Sample:
    tries = []
    for _ in range(attempts):
        tries.append(_measure(target, order, share, number, cores))
        if tries[-1].disturbed <= DISTURBED_MAX and not tries[-1].invalid:
            break
    return min(tries, key=lambda one: (bool(one.invalid), one.disturbed))


def _measure(target: Running | None, order: Order, share: float, number: int, cores: Cores) -> Sample:
    before = target.cpu() if target else None
    busy_s, began_s = core_busy_s(cores.proxy), time.monotonic()
    outcome = carry_out(order, cores.others)
    busy_s, took_s = core_busy_s(cores.proxy) - busy_s, time.monotonic() - began_s
    after = target.cpu() if target else None
    used_s = after.total_s - before.total_s if before and after else 0.0
    serving_s = after.serving_s - before.serving_s if before and after else 0.0
    return Sample(
        variant=target.variant.name if target else DIRECT,
        share=share,
        round=number,
        p50_us=outcome.p50_us,
        p99_us=outcome.p99_us,
        late_p99_us=outcome.late_p99_us,
        cpu_us=serving_s / (order.rate * (order.seconds + order.warmup_s)) * 1e6,
        disturbed=max(busy_s - used_s, 0.0) / took_s,
        invalid=_objection(outcome),
    )


def _objection(outcome: Outcome) -> str:
    if outcome.late_p99_us > LATENESS_MAX_US:
        return f"the generator itself was {outcome.late_p99_us:,.0f} µs late at p99"
    if outcome.good == outcome.due:
        return ""
    return f"of {outcome.due} requests {outcome.refused} were refused, {outcome.broken} broken, {outcome.late} late"


def added(samples: Sequence[Sample], share: float) -> tuple[Added, ...]:
    """What each proxy adds, in the order in which they first appear; invalid samples left out."""
    valid: dict[str, dict[int, Sample]] = {}
    for sample in samples:
        if sample.share == share and not sample.invalid:
            valid.setdefault(sample.variant, {})[sample.round] = sample
    direct = valid.pop(DIRECT, {})
    p50 = {name: _over(own, direct, "p50_us") for name, own in valid.items()}
    p99 = {name: _over(own, direct, "p99_us") for name, own in valid.items()}
    return tuple(
        Added(
            name,
            median(p50[name].values()),
            median(p99[name].values()),
            ratio(p50[name], p50.get(YARDSTICK, {})),
            ratio(p99[name], p99.get(YARDSTICK, {})),
            median(sample.cpu_us for sample in own.values()),
        )
        for name, own in valid.items()
        if p50[name]
    )


def _over(own: dict[int, Sample], direct: dict[int, Sample], field: str) -> dict[int, float]:
    return {
        number: getattr(own[number], field) - getattr(direct[number], field) for number in own.keys() & direct.keys()
    }


def report(
    samples: Sequence[Sample], saturation: dict[str, float], slower: float, plan: Plan, titles: dict[str, str]
) -> str:
    """The tables of all rates, and the marks."""
    parts = [
        f"{plan.rounds} rounds of {plan.window_s:g} s for each proxy and rate. A browser's head, new each time, "
        f"{CONNECTIONS} connections and more if they are needed. Saturation, closed loop: "
        + ", ".join(f"{titles[name]} {rate:,.0f}/s" for name, rate in saturation.items())
        + "."
    ]
    for share in SHARES:
        own = [sample for sample in samples if sample.share == share]
        if own:
            parts += _rate_report(own, share, slower * share, titles)
    return paragraphs(parts).rstrip()


def _marks(found: Sequence[Added], share: float) -> list[Mark]:
    own = next((one for one in found if one.variant == SUBJECT), None)
    ratios = {"p50": own.p50_ratio if own else None, "p99": own.p99_ratio if own else None}
    return [
        Mark(f"latency added at {share:g} of saturation, {name} beside HAProxy's", value, RATIO_MAX, " ×")
        for name, value in ratios.items()
    ]


def _rate_report(samples: Sequence[Sample], share: float, rate: float, titles: dict[str, str]) -> list[str]:
    found = added(samples, share)
    direct = [sample for sample in samples if sample.variant == DIRECT and not sample.invalid]
    rows = [
        (
            titles[one.variant],
            f"{one.p50_us:.0f}",
            f"{one.p99_us:.0f}",
            *("" if value is None else f"{value:.2f}" for value in (one.p50_ratio, one.p99_ratio)),
            f"{one.cpu_us:.1f}",
        )
        for one in found
    ]
    header = (
        "proxy",
        "added p50 µs",
        "added p99 µs",
        "p50 × HAProxy",
        "p99 × HAProxy",
        "CPU µs/request, serving process",
    )
    marks = _marks(found, share) if SUBJECT in titles and YARDSTICK in titles and share == SHARES[0] else []
    unable = [title for name, title in titles.items() if name not in {sample.variant for sample in samples}]
    straight = (
        f"Straight to an origin: p50 {median(one.p50_us for one in direct):.0f} µs, p99 "
        f"{median(one.p99_us for one in direct):.0f} µs. The generator asked at most "
        f"{median(one.late_p99_us for one in direct):.0f} µs late at p99. "
        if direct
        else ""
    )
    disturbed = [one.disturbed for one in samples]
    others = (
        f"Others had {median(disturbed):.0%} of the proxies' core in the median window, at most {max(disturbed):.0%}."
    )
    return [
        f"### {rate:,.0f} requests a second, {share:g} of saturation",
        table(header, rows),
        straight + others,
        f"{' and '.join(unable)} cannot carry this rate." if unable else "",
        lines(marks),
        *(
            f"**Invalid**, not counted: {titles.get(one.variant, one.variant)}, round {one.round + 1}: {one.invalid}."
            for one in samples
            if one.invalid
        ),
    ]
