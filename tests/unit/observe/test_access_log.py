"""The access log: whole JSON lines whatever was asked, and no request that waits for a disk."""

import json
import resource
import signal
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from lbmesh.observe import access_log
from lbmesh.observe.access_log import AccessLog
from lbmesh.observe.log_text import TimeText, json_fragment
from tests.support.wait import wait_for


@given(st.binary())
def test_any_bytes_make_json(text: bytes) -> None:
    assert json.loads(b'"' + json_fragment(text) + b'"') == text.decode("latin-1")
    assert json_fragment(text).isascii()
    assert json_fragment(text).decode().isprintable()


def test_the_time() -> None:
    times = iter([0.0, 0.25, 0.2509, 1769860800.999999, 3600.0])
    text = TimeText(lambda: next(times))
    seen = []
    for _ in range(5):
        text.expire()
        seen.append(text.get())
        assert text.get() == seen[-1]
    assert seen == [
        b"1970-01-01T00:00:00.000Z",
        b"1970-01-01T00:00:00.250Z",
        b"1970-01-01T00:00:00.250Z",
        b"2026-01-31T12:00:00.999Z",
        b"1970-01-01T01:00:00.000Z",
    ]


def while_running(log: AccessLog, steps: Callable[[], Iterator[Callable[[], bool]]]) -> list[MutableMapping[str, Any]]:
    """Run the writer; each condition that `steps` yields must come true before it goes on. What it logged."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.run)
            for condition in steps():
                await trio.to_thread.run_sync(wait_for, condition, "line in the log")
            nursery.cancel_scope.cancel()

    with capture_logs() as logged:
        trio.run(main)
    return logged


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_lines_are_written_and_the_last_ones_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path))

    def steps() -> Iterator[Callable[[], bool]]:
        log.write(b"1\n")
        yield lambda: text_of(path) == "1\n"
        log.write(b"2\n")

    while_running(log, steps)
    assert text_of(path) == "1\n2\n"
    assert log.dropped == 0
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    log = AccessLog(str(path))
    log.write(b"after\n")
    while_running(log, lambda: iter([lambda: text_of(path) == "before\nafter\n"]))


def test_rotation(tmp_path: Path) -> None:
    path, rotated = tmp_path / "log", tmp_path / "log.1"
    log = AccessLog(str(path))

    def steps() -> Iterator[Callable[[], bool]]:
        log.write(b"1\n")
        yield lambda: text_of(path) == "1\n"
        path.rename(rotated)
        log.write(b"2\n")
        yield lambda: text_of(path) == "2\n"
        path.unlink()
        log.write(b"3\n")
        yield lambda: text_of(path) == "3\n"

    while_running(log, steps)
    assert text_of(rotated) == "1\n"
    assert log.dropped == 0


def test_a_directory_that_is_missing_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "log"
    log = AccessLog(str(path))

    def steps() -> Iterator[Callable[[], bool]]:
        log.write(b"1\n")
        log.write(b"2\n")
        yield lambda: log.dropped == 2
        path.parent.mkdir()
        log.write(b"3\n")
        yield lambda: text_of(path) == "3\n"

    logged = while_running(log, steps)
    assert log.dropped == 2
    assert [line["event"] for line in logged] == ["the access log cannot be written", "the access log is written again"]
    assert logged[0]["destination"] == str(path)
    assert logged[0]["problem"] == "No such file or directory"
    assert logged[1]["dropped"] == 2


def test_a_wrong_path_is_said_before_the_first_request(tmp_path: Path) -> None:
    (line,) = while_running(AccessLog(str(tmp_path / "missing" / "log")), lambda: iter([]))
    assert (line["log_level"], line["dropped"]) == ("error", 0)


def test_a_reminder_says_how_much_is_lost_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, access_log.REMIND_S])
    monkeypatch.setattr(access_log, "monotonic", lambda: next(clock))
    log = AccessLog("/dev/full")

    def steps() -> Iterator[Callable[[], bool]]:
        for turn in range(1, 4):
            log.write(b"x\n")
            yield lambda turn=turn: log.dropped == turn  # type: ignore[misc]

    assert [line["dropped"] for line in while_running(log, steps)] == [1, 3]


@pytest.mark.parametrize("destination", ["/dev/full", "/"])
def test_a_destination_that_takes_nothing(destination: str) -> None:
    log = AccessLog(destination)

    def steps() -> Iterator[Callable[[], bool]]:
        for turn in range(1, 4):
            log.write(b"x\n")
            yield lambda turn=turn: log.dropped == turn  # type: ignore[misc]

    while_running(log, steps)


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """A disk that is full after `size` bytes of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_fills_up_within_a_line_spoils_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path))

    def steps() -> Iterator[Callable[[], bool]]:
        with files_no_longer_than(12):
            for number in range(4):
                log.write(b'{"n":%d}\n' % number)
            yield lambda: log.dropped == 3
        log.write(b'{"n":4}\n')
        yield lambda: text_of(path).endswith('{"n":4}\n')

    while_running(log, steps)
    assert text_of(path) == '{"n":0}\n{"n"\n{"n":4}\n'
    assert log.dropped == 3


def test_a_disk_that_fills_up_between_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = AccessLog(str(path))

    def steps() -> Iterator[Callable[[], bool]]:
        with files_no_longer_than(2):
            log.write(b"1\n")
            log.write(b"2\n")
            yield lambda: log.dropped == 1
        log.write(b"3\n")
        yield lambda: text_of(path).endswith("3\n")

    while_running(log, steps)
    assert text_of(path) == "1\n3\n"


def test_a_writer_that_is_stuck_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "LINES_MAX", 3)
    path = tmp_path / "log"
    log = AccessLog(str(path))
    for number in range(5):
        log.write(b"%d\n" % number)
    assert log.dropped == 2
    while_running(log, lambda: iter([lambda: text_of(path) == "0\n1\n2\n"]))


def test_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    log = AccessLog("stdout")
    log.write(b"line\n")
    with capfd.disabled():
        assert log.enabled
    while_running(log, lambda: iter([]))
    assert "line\n" in capfd.readouterr().out


def test_off() -> None:
    assert not AccessLog("off").enabled
