"""For all tests: how long Hypothesis looks, that those side by side share no network, and that a skip in CI fails.

In CI every program and privilege that a test may need is there, so a test that is skipped has not done its work.
"""

import os
import shutil
from collections.abc import Generator
from contextlib import suppress

import pytest
from hypothesis import settings

from tests.support.namespaces import leave_network

SKIPS_FAIL = bool(os.environ.get("LBMESH_NO_SKIP"))

# No deadline: how long one example takes on a busy machine proves nothing.
settings.register_profile("tests", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=200_000)
settings.load_profile(os.environ.get("LBMESH_HYPOTHESIS", "tests"))


def pytest_configure(config: pytest.Config) -> None:
    """A worker of several has a network of its own, where it may: no port, route or rule of another is in its way."""
    if hasattr(config, "workerinput") and os.geteuid() == 0 and shutil.which("ip"):
        with suppress(PermissionError):  # root in a container
            leave_network()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip while a test runs or is set up."""
    report = yield
    if SKIPS_FAIL and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report, item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A skip of a whole file."""
    report = yield
    if SKIPS_FAIL and report.skipped:
        _fail(report, collector.nodeid)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport, what: str) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{what} is skipped, which LBMESH_NO_SKIP forbids: {reason}"
