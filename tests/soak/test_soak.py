"""A short soak; `make soak` goes on for as long as is asked for."""

from collections import Counter
from pathlib import Path

import pytest

from tests.soak.load import KINDS
from tests.soak.soak import Measure, Report, soak


@pytest.mark.alone
def test_nothing_fails_that_cannot_and_nothing_grows(tmp_path: Path) -> None:
    report = soak(tmp_path, warm_up_s=12.0, soak_s=15.0, seed=1)
    assert report.faults() == [], report.failed
    assert report.kills > 0
    assert report.reloads > 10
    assert {kind for kind, what in report.outcomes if what == "ok"} == set(KINDS)


def test_what_is_wrong_is_reported() -> None:
    at_rest = {"forwarder-0": Measure(40_000, 20)}
    fine = Report(at_rest, at_rest, report_outcomes(("kept", "ok")), [], 1, 5, 0)
    assert fine.faults() == []
    for after in (Measure(47_000, 20), Measure(40_000, 21)):
        assert Report(at_rest, {"forwarder-0": after}, report_outcomes(), [], 1, 5, 0).faults()
    for outcome in (("kept", "503 no_replica"), ("kept", "502 upstream_closed"), ("upload", "504 slow")):
        assert Report(at_rest, at_rest, report_outcomes(outcome), [], 1, 5, 0).faults()
    assert not Report(at_rest, at_rest, report_outcomes(("upload", "502 upstream_closed")), [], 1, 5, 0).faults()
    assert Report(at_rest, at_rest, report_outcomes(("kept", "cut off")), [], 0, 5, 0).faults()
    assert Report(at_rest, at_rest, report_outcomes(), ["another body"], 1, 5, 0).faults()
    assert Report(at_rest, at_rest, report_outcomes(), [], 1, 5, 1).faults()


def report_outcomes(*outcomes: tuple[str, str]) -> Counter[tuple[str, str]]:
    return Counter(outcomes)
