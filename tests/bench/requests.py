"""CPU per small GET: all proxies, all workloads, round by round."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import report
from tests.bench.load import Workload
from tests.bench.proxies import VARIANTS
from tests.bench.rounds import Plan, run_rounds
from tests.bench.running import running_all
from tests.bench.section import Report, Setting

FULL = Plan(rounds=5, window_s=3)
QUICK = Plan(rounds=1, window_s=1)
NAMES = tuple(variant.name for variant in VARIANTS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`json`: where to put every sample, for other programs."""

    workloads: Sequence[Workload]
    plan: Plan
    json: Path | None


def run(setting: Setting, wanted: Wanted) -> Report:
    """All workloads, one after the other."""
    variants = setting.variants(NAMES)
    with running_all(variants, setting.directory, setting.cores) as (origins, proxies):
        samples = list(run_rounds(wanted.workloads, proxies, origins, wanted.plan, setting.cores, setting.say))
    if wanted.json:
        report.write_json(wanted.json, samples, wanted.plan)
    by_name = {variant.name: variant for variant in variants}
    text = report.requests_report(samples, wanted.workloads, by_name, wanted.plan, setting.skipped(NAMES))
    return Report(text, not any(sample.invalid for sample in samples))
