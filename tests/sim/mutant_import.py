"""Takes one safeguard out of this process while its module is imported; no file is written."""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from tests.sim.mutant import Mutant
from tests.sim.mutants import MUTANTS

VARIABLE = "LBMESH_MUTANT"
PROOF_VARIABLE = "LBMESH_MUTANT_PROOF"
"""A file that comes to be when the safeguard has been taken out of some process."""


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
        if proof := os.environ.get(PROOF_VARIABLE):
            Path(proof).touch()
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


def take_out() -> None:
    """Take the safeguard out that the environment names, before any of lbmesh is imported."""
    name = os.environ.get(VARIABLE)
    if name is not None:
        mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
        if mutant.module in sys.modules:
            raise StaleMutantError(f"{mutant.module} is imported already: too late for mutant {name}")
        sys.meta_path.insert(0, Finder(mutant))
