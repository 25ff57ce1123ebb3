"""Builds the package; with LBMESH_COMPILE=1 the data path is compiled with mypyc (needs mypy and a C compiler)."""

import os
from glob import glob

from setuptools import setup

COMPILED = (
    "lbmesh/http1/*.py",
    "lbmesh/routing/*.py",
    "lbmesh/forward/*.py",
    "lbmesh/forwarder/*.py",
    "lbmesh/observe/histogram.py",
    "lbmesh/observe/log_text.py",
)
"""What a request passes through: typed rooms without coroutines."""

PLAIN = (
    "lbmesh/forwarder/agent_link.py",
    "lbmesh/forwarder/main.py",
    "lbmesh/forwarder/reactor_task.py",
    "lbmesh/forwarder/slices.py",
)
"""trio runs only Python's own coroutines."""


def compiled_modules() -> list[str]:
    """The files to compile, without the packages' own."""
    found = {path for pattern in COMPILED for path in glob(pattern) if not path.endswith("__init__.py")}
    return sorted(found.difference(PLAIN))


if os.environ.get("LBMESH_COMPILE") == "1":
    from mypyc.build import mypycify

    setup(ext_modules=mypycify(compiled_modules(), opt_level="3", debug_level="0", group_name="lbmesh"))
else:
    setup()
