"""The list of safeguards fits the code, so that `make sim-mutants` tells of safeguards and not of itself."""

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.sim.mutant import Mutant
from tests.sim.mutants import MUTANTS
from tests.sim.mutants_run import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_what_a_mutant_changes_stands_there_once(mutant: Mutant) -> None:
    spec = find_spec(mutant.module)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).read_text().count(mutant.old) == 1


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_the_tests_of_a_mutant_are_there(mutant: Mutant) -> None:
    assert mutant.tests
    for name in mutant.tests:
        file, _, test = name.partition("::")
        path = ROOT / file
        assert path.exists()
        assert not test or f"def {test.partition('[')[0]}(" in path.read_text()


def test_each_mutant_has_a_name_of_its_own() -> None:
    assert not [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1]
