"""The tables: printed as Markdown, written into docs/BENCHMARKS.md, and kept as JSON."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from tests.bench.figures import Figure, figures_of
from tests.bench.load import Workload
from tests.bench.marks import Mark, lines, marks_table
from tests.bench.proxies import Variant
from tests.bench.rounds import Plan, Sample

DOCUMENT = Path(__file__).parents[2] / "docs" / "BENCHMARKS.md"

_HEADER = """\
| proxy | CPU µs/request | lowest–highest | × HAProxy | × Envoy | requests/s | p50 ms | p99 ms | core used |
|---|---|---|---|---|---|---|---|---|
"""
_SUBJECTS = ("lbmesh", "lbmesh-compiled")
_HAPROXY_RATIO_MAX = {"same-32": 1.5, "browser-32": 1.7, "same-256": 1.3, "browser-256": 1.3}
_ENVOY_RATIO_MAX = 0.8
_REFERENCES = ("haproxy", "haproxy-nolog", "envoy", "envoy-nolog")


def machine() -> str:
    """One line about where the figures were taken."""
    model = "an unnamed CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}"


def requests_report(
    samples: Sequence[Sample],
    workloads: Sequence[Workload],
    variants: Mapping[str, Variant],
    plan: Plan,
    skipped: Mapping[str, str],
) -> str:
    """All workloads' tables, what each proxy was, and whatever must not be overlooked."""
    proxies = {variant.proxy.name: variant.proxy for variant in variants.values()}
    versions = ", ".join(f"{proxy.title} {proxy.version()}" for proxy in proxies.values())
    parts = [
        f"{plan.rounds} rounds of {plan.window_s} s for each proxy and workload, on {machine()}.",
        f"{versions}.",
    ]
    for workload in workloads:
        own = [sample for sample in samples if sample.workload == workload.name]
        parts.append(f"### {workload.title[0].upper()}{workload.title[1:]}")
        parts.append(_table(figures_of(own), variants))
        parts.append(_disturbance(own))
        for figure in figures_of(own):
            if figure.variant in _SUBJECTS:
                title = variants[figure.variant].title
                parts.append(_subject_line(figure, title, variants))
                parts.append(lines(_marks(figure, title, workload)))
    parts.extend(f"Skipped: {name}, which is missing ({how})." for name, how in skipped.items())
    invalid = [sample for sample in samples if sample.invalid]
    parts.extend(
        f"**Invalid**, not counted: {variants[sample.variant].title}, {sample.workload}, "
        f"round {sample.round + 1}: {sample.invalid}."
        for sample in invalid
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(figures: Sequence[Figure], variants: Mapping[str, Variant]) -> str:
    rows = []
    for figure in figures:
        cells = (
            variants[figure.variant].title,
            f"{figure.cpu_us:.1f}",
            f"{figure.low_us:.1f}–{figure.high_us:.1f}",
            _ratio(figure, "haproxy"),
            _ratio(figure, "envoy"),
            f"{figure.requests_per_s:,.0f}",
            f"{figure.p50_us / 1000:.2f}",
            f"{figure.p99_us / 1000:.2f}",
            f"{figure.busy:.0%}",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return _HEADER + "\n".join(rows)


def _disturbance(samples: Sequence[Sample]) -> str:
    """What else ran on the proxies' core: caches lost to it make every figure larger."""
    shares = [sample.disturbed for sample in samples]
    typical, worst = median(shares), max(shares)
    return f"Others had {typical:.0%} of the proxies' core in the median window, at most {worst:.0%}."


def _ratio(figure: Figure, other: str) -> str:
    return f"{figure.ratios[other]:.2f}" if other in figure.ratios else ""


def _subject_line(figure: Figure, title: str, variants: Mapping[str, Variant]) -> str:
    """lbmesh against each yardstick, the ones without a log too, and its forwarder alone."""
    against = ", ".join(
        f"{figure.ratios[name]:.2f} × {variants[name].title}" for name in _REFERENCES if name in figure.ratios
    )
    return f"{title}: {against or 'nothing to compare with'}; its forwarder alone {figure.serving_us:.1f} µs."


def _marks(figure: Figure, title: str, workload: Workload) -> list[Mark]:
    """CPU of all processes beside HAProxy's and Envoy's, each with its default log."""
    what, marks = f"{title}: CPU per small GET, {workload.title}, beside", []
    if "haproxy" in figure.ratios and workload.name in _HAPROXY_RATIO_MAX:
        bound = _HAPROXY_RATIO_MAX[workload.name]
        marks.append(Mark(f"{what} HAProxy's", figure.ratios["haproxy"], bound, " ×"))
    if "envoy" in figure.ratios:
        marks.append(Mark(f"{what} Envoy's", figure.ratios["envoy"], _ENVOY_RATIO_MAX, " ×"))
    return marks


def with_section(document: str, name: str, text: str) -> str:
    """The document with this text between the section's marks, in place of what stood there.

    Raises RuntimeError when the marks are not there.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    head, found, rest = document.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise RuntimeError(f'no "{begin.strip()}" and "{end}" in {DOCUMENT}: put them where the tables go')
    return f"{head}{begin}\n{text}\n{end}{tail}"


def write_section(name: str, text: str) -> None:
    """Put the text into its section of docs/BENCHMARKS.md, and the marks in it into the list of all marks."""
    document = with_section(DOCUMENT.read_text(), name, text)
    DOCUMENT.write_text(with_section(document, "marks", marks_table(document) + "\n"))


def write_json(path: Path, samples: Sequence[Sample], plan: Plan) -> None:
    """Every sample, and the figures made of them, for other programs."""
    by_workload: dict[str, list[Sample]] = {}
    for sample in samples:
        by_workload.setdefault(sample.workload, []).append(sample)
    content = {
        "machine": machine(),
        "plan": asdict(plan),
        "figures": {name: [asdict(figure) for figure in figures_of(own)] for name, own in by_workload.items()},
        "samples": [asdict(sample) for sample in samples],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
