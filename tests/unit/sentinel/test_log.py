"""The sentinel's log lines, and that a reader who stops reading does not stop the sentinel."""

import json
import os

from lbmesh.sentinel.log import LogWriter


def test_a_line_is_a_json_object_with_the_common_fields_first() -> None:
    read, write = os.pipe()
    LogWriter("info", write).warning("child died", child="agent", pid=77)
    os.close(write)
    with open(read, encoding="utf-8") as lines:
        (line,) = lines
    fields = json.loads(line)
    assert list(fields) == ["time", "level", "process", "event", "child", "pid"]
    assert fields["time"].endswith("Z")
    assert (fields["level"], fields["process"], fields["event"]) == ("warning", "sentinel", "child died")


def test_lines_below_the_level_are_left_out() -> None:
    read, write = os.pipe()
    log = LogWriter("error", write)
    log.info("quiet")
    log.error("loud")
    os.close(write)
    with open(read, encoding="utf-8") as lines:
        assert [json.loads(line)["event"] for line in lines] == ["loud"]


def test_a_terminal_gets_readable_lines() -> None:
    leader, follower = os.openpty()
    LogWriter("info", follower).info("node ready", generation=1)
    line = os.read(leader, 4096).decode()
    assert "[info   ] node ready" in line
    assert "generation=1" in line
    os.close(leader)
    os.close(follower)


def test_a_full_pipe_loses_lines_and_never_waits() -> None:
    read, write = os.pipe()
    log = LogWriter("info", write)
    for number in range(10_000):
        log.info("again and again", number=number)
    os.close(read)
    log.info("nobody is left")
    os.close(write)
