import pytest

from tests.bench.profile import OTHER, ROOT, RULES, WAITING, Frame, by_label, label_of, stacks


def test_the_innermost_frame_of_each_stack_counts() -> None:
    lines = [
        "main (a.py:1);ClientConnection.write (lbmesh/forwarder/client.py:267) 3",
        "DurationHistograms.<locals>.of (lbmesh/forwarder/durations.py:28) 4",
        "something else",
    ]
    assert list(stacks(lines)) == [
        (Frame("ClientConnection.write", "lbmesh/forwarder/client.py", 267), 3),
        (Frame("DurationHistograms.<locals>.of", "lbmesh/forwarder/durations.py", 28), 4),
    ]


@pytest.mark.parametrize(
    ("function", "file", "source", "label"),
    [
        ("receive", "lbmesh/forwarder/client.py", "data = self._recv(READ_BYTES)", "socket: receive from the client"),
        ("send_request", "lbmesh/forwarder/upstream.py", "sent = self._send(request)", "socket: send to the replica"),
        ("parse_request", "lbmesh/http1/fast_lane.py", "match = _REQUEST.match(data)", "request head: the expression"),
        ("parse_request", "lbmesh/http1/fast_lane.py", "return _new_request((", "request head: what it says"),
        ("on_ready", "lbmesh/forwarder/client.py", "self._state(self)", "client connection's state"),
        ("EpollIOManager.get_events", "trio/_core/_io_epoll.py", "", WAITING),
        ("unrolled_run", "trio/_core/_run.py", "", OTHER),
    ],
)
def test_what_a_line_counts_for(function: str, file: str, source: str, label: str) -> None:
    assert label_of(Frame(function, file, 1), source) == label


def test_lines_that_wait_count_for_nothing() -> None:
    waiting = Frame("EpollIOManager.get_events", "trio/_core/_io_epoll.py", 243)
    running = Frame("DurationHistograms.of", "lbmesh/forwarder/durations.py", 28)
    counts = by_label([(waiting, 90), (running, 10)])
    assert (sum(counts.values()), counts["histogram"]) == (10, 10)


@pytest.mark.parametrize("rule", [rule for rule in RULES if "/" in rule.file and "trio" not in rule.file])
def test_each_rule_is_about_code_that_is_there(rule: object) -> None:
    assert isinstance(rule, type(RULES[0]))
    file = ROOT / "lbmesh" / rule.file
    text = file.read_text()
    assert not rule.function or f"def {rule.function}(" in text
    frame = Frame(rule.function, str(file), 1)
    assert any(rule.fits(frame, line) for line in text.splitlines())
