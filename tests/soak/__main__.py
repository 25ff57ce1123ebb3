"""`make soak`: minutes or hours of mixed traffic under reloads and churn; exit status 1 when anything is wrong."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.soak import soak


def main() -> int:
    """Run it and print what was measured."""
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--warm-up-minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        report = soak(Path(directory), warm_up_s=options.warm_up_minutes * 60, soak_s=options.minutes * 60, seed=seed)
    for name, after in report.after.items():
        before = report.before[name]
        print(
            f"{name}: {before.resident_kib} → {after.resident_kib} KiB, {before.descriptors} → {after.descriptors} fds"
        )
    for (kind, what), count in sorted(report.outcomes.items()):
        print(f"{count:8} {kind}: {what}")
    print(f"{report.kills} replicas killed, {report.reloads} reloads")
    faults = report.faults()
    print(*faults, *(report.failed if faults else ()), sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
