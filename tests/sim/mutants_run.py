"""Takes the safeguards out one by one, and sees to it that a test fails each time."""

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

from tests.sim.mutant import Mutant
from tests.sim.mutants import MUTANTS
from tests.sim.spread import spread

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 600.0
_TESTS_FAILED = 1


class Fate(StrEnum):
    """KILLED: a test failed, as it must. SURVIVED: none did. BROKEN: the tests could not run."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    BROKEN = "BROKEN"


def try_out(mutant: Mutant) -> tuple[Fate, str]:
    """Run the mutant's tests without the safeguard: what came of it, and the end of what pytest said."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.sim.mutation", "-p", "no:cacheprovider"]
    # A property may need many examples to miss a safeguard, and those that find nothing are rare here.
    deep = {"LBMESH_HYPOTHESIS": "fuzz"}
    environment = {**os.environ, **deep, "LBMESH_MUTANT": mutant.name, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(
            [*command, *mutant.tests],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return Fate.KILLED, "the tests did not end"
    said = (ended.stdout + ended.stderr)[-1500:]
    if ended.returncode == _TESTS_FAILED:
        return Fate.KILLED, said
    return (Fate.SURVIVED if ended.returncode == 0 else Fate.BROKEN), said


def run_all(only: str, processes: int) -> int:
    """Try all mutants whose name holds `only`. Returns how many were not killed."""
    mutants = [mutant for mutant in MUTANTS if only in mutant.name]
    left = 0
    for mutant, (fate, said) in zip(mutants, spread(try_out, mutants, processes), strict=True):
        print(f"{fate:9} {mutant.name}", flush=True)
        if fate is not Fate.KILLED:
            left += 1
            print(said)
    print(f"{len(mutants)} safeguards taken out, {left} not missed by any test")
    return left
