"""Throughput of bodies of 1 MiB and 1 GiB, down and up, counted and chunked."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.bulk import KINDS
from tests.bench.marks import Mark, lines, table
from tests.bench.origins import ORIGINS
from tests.bench.processes import free_ports, started, wait_until_serving
from tests.bench.running import Cores, Running, running
from tests.bench.section import SUBJECT, YARDSTICK, Report, Setting, paragraphs, ratio, skipped_lines

NAMES = ("lbmesh", "haproxy", "nginx", "envoy")
SHARE_MIN = 0.8
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Size:
    """How bodies of one size are moved: `times` on each of so many connections at once."""

    mib: int
    title: str
    connections: int
    times: int


SIZES = (Size(1, "1 MiB", 8, 128), Size(1024, "1 GiB", 2, 1))
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. `cpu_s_per_gib`: of the process that carries the traffic. `invalid`: why not to count it."""

    variant: str
    size: str
    kind: str
    round: int
    mib_per_s: float
    cpu_s_per_gib: float
    busy: float
    invalid: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians over rounds; `share`: of HAProxy's throughput, the median of the ratios of each round."""

    mib_per_s: float
    cpu_s_per_gib: float
    busy: float
    share: float | None


def run(setting: Setting) -> Report:
    """All sizes and kinds, each proxy in turn."""
    samples: list[Sample] = []
    with contextlib.ExitStack() as stack:
        ports = stack.enter_context(_origins(setting.directory, setting.cores))
        variants = setting.variants(NAMES)
        proxies = [stack.enter_context(running(one, setting.directory, ports, setting.cores)) for one in variants]
        for size in SIZES:
            for kind in KINDS:
                for number in range(1 if setting.quick else ROUNDS):
                    first = number % len(proxies)
                    for proxy in (*proxies[first:], *proxies[:first]):
                        samples.append(_measure(proxy, size, kind, number, setting.cores))
                        setting.say(f"  {size.title} {kind}: {proxy.variant.title} {samples[-1].mib_per_s:,.0f} MiB/s")
    titles = {proxy.variant.name: proxy.variant.title for proxy in proxies}
    return Report(
        paragraphs((report(samples, titles), skipped_lines(setting.skipped(NAMES)))),
        not any(sample.invalid for sample in samples),
    )


@contextlib.contextmanager
def _origins(directory: Path, cores: Cores) -> Iterator[tuple[int, ...]]:
    ports, output = tuple(free_ports(ORIGINS)), directory / "bulk.out"
    argv = (sys.executable, "-m", "tests.bench.bulk", "origin", *map(str, ports))
    with started(argv, cpu=cores.others, output=output) as process:
        for port in ports:
            wait_until_serving(process, port, output)
        yield ports


def _measure(proxy: Running, size: Size, kind: str, number: int, cores: Cores) -> Sample:
    before = proxy.cpu()
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.bulk", "client", str(proxy.port), kind),
            *(str(size.mib), str(size.connections), str(size.times)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        preexec_fn=lambda: os.sched_setaffinity(0, {cores.others}),
    )
    if finished.returncode:
        why = (finished.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return Sample(proxy.variant.name, size.title, kind, number, 0.0, 0.0, 0.0, why)
    found = json.loads(finished.stdout)
    used_s = proxy.cpu().serving_s - before.serving_s
    warmed = found["bytes"] + size.connections * 2**20
    return Sample(
        proxy.variant.name,
        size.title,
        kind,
        number,
        mib_per_s=found["bytes"] / 2**20 / found["seconds"],
        cpu_s_per_gib=used_s / warmed * 2**30,
        busy=used_s / found["seconds"] * found["bytes"] / warmed,
    )


def figures(samples: Sequence[Sample]) -> dict[str, Figure]:
    """By proxy, of the samples of one size and kind; invalid ones left out."""
    valid: dict[str, dict[int, Sample]] = {}
    for sample in samples:
        if not sample.invalid:
            valid.setdefault(sample.variant, {})[sample.round] = sample
    rates = {name: {number: one.mib_per_s for number, one in own.items()} for name, own in valid.items()}
    return {
        name: Figure(
            median(one.mib_per_s for one in own.values()),
            median(one.cpu_s_per_gib for one in own.values()),
            median(one.busy for one in own.values()),
            ratio(rates[name], rates.get(YARDSTICK, {})),
        )
        for name, own in valid.items()
    }


def report(samples: Sequence[Sample], titles: dict[str, str]) -> str:
    """One table, and a mark for each size and kind."""
    rows, marks = [], []
    for size in SIZES:
        for kind in KINDS:
            own = [sample for sample in samples if (sample.size, sample.kind) == (size.title, kind)]
            for name, found in figures(own).items():
                share = "" if found.share is None else f"{found.share:.2f}"
                cells = (f"{found.mib_per_s:,.0f}", share, f"{found.cpu_s_per_gib:.2f}", f"{found.busy:.0%}")
                rows.append((size.title, kind, titles[name], *cells))
                if name == SUBJECT and found.share is not None and YARDSTICK in titles:
                    what = f"throughput of {size.title} {kind} beside HAProxy's"
                    marks.append(Mark(what, found.share, SHARE_MIN, " ×", at_least=True))
    header = ("body", "way", "proxy", "MiB/s", "× HAProxy", "CPU s/GiB", "core used")
    how = "; ".join(f"{size.title} on {size.connections} connections, {size.times} on each" for size in SIZES)
    invalid = [
        f"**Invalid**, not counted: {titles[one.variant]}, {one.size} {one.kind}, round {one.round + 1}: {one.invalid}."
        for one in samples
        if one.invalid
    ]
    return paragraphs((f"{how}.", table(header, rows), lines(marks), *invalid)).rstrip()
