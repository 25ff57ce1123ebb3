"""A pytest plugin that takes one safeguard out: `LBMESH_MUTANT=name pytest -p tests.sim.mutation ...`.

The source of one module is changed in memory while it is imported, in this process and in those that tests start; no
file is written, and nothing of this is in lbmesh itself.
"""

import os
import tempfile
from pathlib import Path

import pytest

from tests.sim.mutant_import import PROOF_VARIABLE, VARIABLE, take_out

_ROOT = Path(__file__).parents[2]
_SITE = Path(__file__).parent / "mutant_site"


def pytest_configure() -> None:
    """Take the safeguard out before any of lbmesh is imported."""
    if VARIABLE in os.environ:
        os.environ[PROOF_VARIABLE] = str(Path(tempfile.mkdtemp()) / "taken-out")
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_SITE), str(_ROOT), before)))
        take_out()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A mutant that no test imported has proved nothing."""
    if VARIABLE in os.environ:
        proof = Path(os.environ[PROOF_VARIABLE])
        if not proof.exists():
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        proof.unlink(missing_ok=True)
        proof.parent.rmdir()
