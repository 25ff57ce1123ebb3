"""One proxy that somebody else started: what a request costs it, workload by workload."""

import argparse

from tests.bench.load import Workload, run_window
from tests.bench.processes import cpu_time_s
from tests.bench.running import choose_cores


def load_external(options: argparse.Namespace) -> int:
    """Print a line for each window; exit status 1 when one had errors."""
    host, _, port = options.target.rpartition(":")
    cpu, failed = choose_cores().others, False
    for workload in options.workload:
        for _ in range(options.rounds):
            line, valid = _window(workload, host, int(port), options.pid, options.seconds, cpu)
            failed = failed or not valid
            print(line, flush=True)
    return int(failed)


def _window(
    workload: Workload, host: str, port: int, pids: tuple[int, ...], seconds: int, cpu: int
) -> tuple[str, bool]:
    before = [cpu_time_s(pid) for pid in pids]
    window = run_window(workload, host, port, seconds=seconds, cpu=cpu)
    used_s = [cpu_time_s(pid) - earlier_s for pid, earlier_s in zip(pids, before, strict=True)]
    costs = [each_s / max(window.requests, 1) * 1e6 for each_s in used_s]
    line = (
        f"{workload.name:<12} {sum(costs):6.1f} µs/request ({' + '.join(f'{cost:.1f}' for cost in costs)})"
        f"  {window.requests / window.duration_s:8,.0f}/s"
        f"  p50 {window.p50_us / 1000:.2f} ms  p99 {window.p99_us / 1000:.2f} ms"
    )
    valid = window.requests > 0 and not window.errors
    return line if valid else f"{line}  INVALID: {window.errors or 'no answers'}", valid
