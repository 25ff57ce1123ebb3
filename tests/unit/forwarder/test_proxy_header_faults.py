"""Faults of PROXY headers are all counted, and logged at a bounded rate."""

from structlog.testing import capture_logs

from lbmesh.forwarder.proxy_header_faults import LOG_GAP_S, ProxyHeaderFaults


def test_one_line_in_a_while() -> None:
    times = iter((0.0, 0.1, LOG_GAP_S - 0.1, LOG_GAP_S, LOG_GAP_S + 0.1))
    faults = ProxyHeaderFaults(lambda: next(times))
    with capture_logs() as lines:
        for _ in range(5):
            faults.note("203.0.113.7", "none came")
    assert faults.count == 5
    assert [line["so_far"] for line in lines] == [1, 4]
    assert (lines[0]["peer"], lines[0]["problem"]) == ("203.0.113.7", "none came")
