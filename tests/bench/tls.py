"""TLS at the front: CPU per request on kept connections, and per connection with a full or a resumed handshake."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench import tls_client
from tests.bench.load import WORKLOADS, run_window
from tests.bench.marks import Mark, lines, table
from tests.bench.origins import running_origins
from tests.bench.proxies import Certificate
from tests.bench.rounds import objection
from tests.bench.running import Cores, Running, running
from tests.bench.section import SUBJECT, YARDSTICK, Report, Setting, paragraphs, ratio, skipped_lines
from tests.bench.tls_client import CIPHERS, Version

NAMES = ("lbmesh", "haproxy", "nginx", "envoy")
KEEPING = next(workload for workload in WORKLOADS if workload.name == "browser-32")
ROUNDS, WINDOW_S = 7, 1
"""Many short ones: what a shared core costs anybody changes by half from one second to the next."""

REQUESTS = "a request on a kept connection"
FULL = "a connection, full handshake, one request"
RESUMED = "a connection, resumed, one request"
RATIO_MAX = {REQUESTS: 1.6, FULL: 1.5, RESUMED: 1.5}


@dataclass(frozen=True, slots=True)
class Sample:
    """One window: CPU of the process that carries the traffic, for each request or connection."""

    variant: str
    version: Version
    what: str
    round: int
    cpu_us: float
    per_s: float
    invalid: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians over rounds; `ratio`: to HAProxy's CPU, the median of those of each round. `cpu_us_range`: the lowest
    and the highest.
    """

    cpu_us: float
    per_s: float
    ratio: float | None
    cpu_us_range: tuple[float, float]


def run(setting: Setting) -> Report:
    """Both versions, all three ways, each proxy in turn. A proxy that does not come up with TLS is left out, and
    named.
    """
    rounds, window_s = (1, 1) if setting.quick else (ROUNDS, WINDOW_S)
    certificate, authority = tls_client.make_certificate(setting.directory)
    samples: list[Sample] = []
    with contextlib.ExitStack() as stack:
        proxies, failures = serving_tls(setting, certificate, stack)
        for version in Version:
            for number in range(rounds):
                first = number % len(proxies) if proxies else 0
                for proxy in (*proxies[first:], *proxies[:first]):
                    bench = _Bench(proxy, version, number, window_s, authority, setting.directory, setting.cores)
                    for sample in bench.samples():
                        setting.say(f"  {version} {sample.variant}, {sample.what}: {sample.cpu_us:.1f} µs")
                        samples.append(sample)
    titles = {proxy.variant.name: proxy.variant.title for proxy in proxies}
    judged = {SUBJECT, YARDSTICK} <= {variant.name for variant in setting.variants(NAMES)}
    text = report(samples, titles, rounds, window_s, judged=judged)
    parts = (text, *failures, skipped_lines(setting.skipped(NAMES)))
    return Report(paragraphs(parts), not failures and not any(sample.invalid for sample in samples))


def serving_tls(
    setting: Setting, certificate: Certificate, stack: contextlib.ExitStack
) -> tuple[list[Running], list[str]]:
    """The proxies that came up with TLS, until the stack is left; and a line for each that did not."""
    origins = stack.enter_context(running_origins(setting.directory, cpu=setting.cores.others))
    proxies, failures = [], []
    for variant in setting.variants(NAMES):
        try:
            up = running(variant, setting.directory, origins.ports, setting.cores, certificate)
            proxies.append(stack.enter_context(up))
        except RuntimeError as error:
            why = (str(error).strip().splitlines() or ["it did not say why"])[-1]
            failures.append(f"**Invalid**: {variant.title} did not come up with TLS: {why}")
    return proxies, failures


@dataclass(frozen=True, slots=True)
class _Bench:
    """One proxy's turn in one round."""

    proxy: Running
    version: Version
    number: int
    window_s: int
    authority: Path
    directory: Path
    cores: Cores

    def samples(self) -> Iterator[Sample]:
        yield self._sample(REQUESTS, self._requests)
        yield self._sample(FULL, lambda: self._connections(resume=False))
        yield self._sample(RESUMED, lambda: self._connections(resume=True))

    def _sample(self, what: str, load: Callable[[], tuple[int, str]]) -> Sample:
        before = self.proxy.cpu().serving_s
        try:
            count, invalid = load()
        except RuntimeError as error:
            count, invalid = 0, str(error)
        used_us = (self.proxy.cpu().serving_s - before) / max(count, 1) * 1e6
        return Sample(self.proxy.variant.name, self.version, what, self.number, used_us, count / self.window_s, invalid)

    def _requests(self) -> tuple[int, str]:
        conf = tls_client.openssl_conf(self.directory, self.version)
        window = run_window(
            KEEPING, "127.0.0.1", self.proxy.port, seconds=self.window_s, cpu=self.cores.others, openssl_conf=conf
        )
        return window.requests, objection(window, answered_by_origins=window.requests)

    def _connections(self, *, resume: bool) -> tuple[int, str]:
        order = tls_client.Order(self.proxy.port, self.version, str(self.authority), self.window_s, resume)
        return checked(tls_client.carry_out(order, self.directory, self.cores.others), order)


def checked(outcome: tls_client.Outcome, order: tls_client.Order) -> tuple[int, str]:
    """How many connections were made, and why they must not count: not as they were to be."""
    if outcome.versions != (order.version,) or outcome.ciphers != (CIPHERS[order.version],):
        return outcome.connections, f"spoke {', '.join((*outcome.versions, *outcome.ciphers))}"
    firsts = tls_client.THREADS if order.resume else outcome.connections
    if outcome.resumed != max(outcome.connections - firsts, 0):
        return outcome.connections, f"{outcome.resumed} of {outcome.connections} sessions were resumed"
    return outcome.connections, ""


def figures(samples: Sequence[Sample]) -> dict[str, Figure]:
    """By proxy, of the samples of one version and way; invalid ones left out."""
    valid: dict[str, dict[int, Sample]] = {}
    for sample in samples:
        if not sample.invalid:
            valid.setdefault(sample.variant, {})[sample.round] = sample
    costs = {name: {number: one.cpu_us for number, one in own.items()} for name, own in valid.items()}
    return {
        name: Figure(
            median(one.cpu_us for one in own.values()),
            median(one.per_s for one in own.values()),
            ratio(costs[name], costs.get(YARDSTICK, {})),
            (min(costs[name].values()), max(costs[name].values())),
        )
        for name, own in valid.items()
    }


def report(
    samples: Sequence[Sample], titles: dict[str, str], rounds: int, window_s: int, *, judged: bool = True
) -> str:
    """One table, and, if `judged`, a mark for each version and way."""
    rows, marks = [], []
    for version in Version:
        for what, bound in RATIO_MAX.items():
            own = [sample for sample in samples if (sample.version, sample.what) == (version, what)]
            by_variant = figures(own)
            for name, found in by_variant.items():
                beside = "" if found.ratio is None else f"{found.ratio:.2f}"
                low, high = found.cpu_us_range
                cpu = (f"{found.cpu_us:.1f}", f"{low:.1f}–{high:.1f}")
                rows.append((version, what, titles[name], *cpu, beside, f"{found.per_s:,.0f}"))
            if judged:
                own_ratio = by_variant[SUBJECT].ratio if SUBJECT in by_variant else None
                marks.append(Mark(f"CPU of {what}, {version}, beside HAProxy's", own_ratio, bound, " ×"))
    header = ("version", "what", "proxy", "CPU µs", "in single rounds", "× HAProxy", "per s")
    how = (
        f"{rounds} rounds of {window_s} s. ECDSA P-256, {' and '.join(CIPHERS.values())}. CPU of the serving process. "
        "Kept connections: 32, a browser's head, new each time. Handshakes: a Python client, the limit of how many "
        "there are per second; accepting, the request and closing are in the figure."
    )
    invalid = [
        f"**Invalid**, not counted: {titles[one.variant]}, {one.version}, {one.what}, round {one.round + 1}: "
        f"{one.invalid}."
        for one in samples
        if one.invalid
    ]
    return paragraphs((how, table(header, rows), lines(marks), *invalid)).rstrip()
