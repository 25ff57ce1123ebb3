"""`make smuggling`: everything to every origin, then random cases until the time is up; any disagreement ends it."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.smuggling.cases import Case, all_cases, random_case
from tests.smuggling.harness import through_lbmesh
from tests.smuggling.judge import disagreements
from tests.smuggling.origins import SERVERS, running_server

BATCH = 1000


def main() -> int:
    """Returns the exit status: 1 when a disagreement was found."""
    parser = argparse.ArgumentParser(prog="tests.smuggling", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of random cases, over all origins")
    parser.add_argument("--seed", type=int, default=None, help="of the random cases; default: drawn")
    parser.add_argument("--only", default="", help="names of origins, with commas")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    choice = random.Random(seed)
    wanted = options.only.split(",") if options.only else [server.name for server in SERVERS]
    servers = [server for server in SERVERS if server.name in wanted and server.is_installed()]
    with tempfile.TemporaryDirectory() as directory:
        for server in servers:
            with running_server(server, Path(directory)) as origin:
                batches = [all_cases()]
                end_s = time.monotonic() + options.minutes * 60 / len(servers)
                number = sent = 0
                while batches or time.monotonic() < end_s:
                    cases = batches.pop() if batches else [random_case(choice) for _ in range(BATCH)]
                    place = Path(directory) / f"{server.name}-{number}"
                    place.mkdir()
                    found = disagreements(through_lbmesh(origin, cases, place, choice=choice if number else None))
                    number, sent = number + 1, sent + len(cases)
                    if found:
                        report(found, cases)
                        return 1
                print(f"{server.name}: {sent} connections, no disagreement", flush=True)
    return 0


def report(found: list[str], cases: list[Case]) -> None:
    """Say what was found; the cases of the batch are numbered as their markers are."""
    for line in found[:20]:
        print(line)
        for number, case in enumerate(cases):
            if f"m{number:05x}" in line:
                print(f"  m{number:05x} is {case.wire!r}")


if __name__ == "__main__":
    sys.exit(main())
