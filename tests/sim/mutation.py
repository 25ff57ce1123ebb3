"""A pytest plugin that takes one safeguard out: `LBMESH_MUTANT=name pytest -p tests.sim.mutation ...`.

The source of one module is changed in memory while it is imported; no file is written, and nothing of this is in
lbmesh itself.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

import pytest

from tests.sim.mutants import MUTANTS, Mutant

VARIABLE = "LBMESH_MUTANT"


class StaleMutantError(Exception):
    """The code that a mutant changes is not there any more, or was never imported."""


class _Loader(SourceFileLoader):
    """Loads the module with the safeguard taken out."""

    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        source = self.get_data(self.path).decode()
        if source.count(self.mutant.old) != 1:
            raise StaleMutantError(
                f"mutant {self.mutant.name}: {self.mutant.module} holds {source.count(self.mutant.old)} times what it "
                "changes, and must hold it once; write in tests/sim/mutants.py what stands there now"
            )
        return self.source_to_code(source.replace(self.mutant.old, self.mutant.new).encode(), self.path)


class Finder(MetaPathFinder):
    """Finds the one module."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec with our loader for the mutant's module, None for all others."""
        if fullname != self.mutant.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        loader = _Loader(fullname, spec.origin)
        loader.mutant = self.mutant
        spec.loader = loader
        return spec


def pytest_configure() -> None:
    """Take the safeguard out before any of lbmesh is imported."""
    name = os.environ.get(VARIABLE)
    if name is not None:
        mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
        if mutant.module in sys.modules:
            raise StaleMutantError(f"{mutant.module} is imported already: too late for mutant {name}")
        sys.meta_path.insert(0, Finder(mutant))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A mutant that no test imported has proved nothing."""
    name = os.environ.get(VARIABLE)
    if name is not None:
        mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
        if mutant.module not in sys.modules:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
