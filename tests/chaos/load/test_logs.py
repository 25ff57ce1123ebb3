"""Logs of writers that may be killed at any byte."""

from pathlib import Path

import pytest

from lbmesh_chaos.load.logs import ClientRow, ExecutedRow, LogError, LogWriter, read_client_log, read_replica_log

HEADER = {"replica": "r1", "zone": "a"}


def _write(path: Path, *rows: object) -> None:
    writer = LogWriter(path, HEADER)
    for row in rows:
        writer.add(row)
    writer.close()


def test_a_line_that_its_writer_did_not_finish_is_none(tmp_path: Path) -> None:
    path = tmp_path / "r.log"
    _write(path, ["f-1", 1.0, "p", ""])
    with path.open("ab") as file:
        file.write(b'["f-2", 2.0')
    _, rows = read_replica_log(path)
    assert list(rows) == [ExecutedRow("f-1", 1.0, "p", "")]


def test_a_replica_started_again_goes_on_behind_a_broken_line(tmp_path: Path) -> None:
    path = tmp_path / "r.log"
    _write(path, ["f-1", 1.0, "p", ""])
    with path.open("ab") as file:
        file.write(b'["f-2", 2.0')
    _write(path, ["f-3", 3.0, "p", ""])
    header, rows = read_replica_log(path)
    assert header.replica == "r1"
    assert [row.identity for row in rows] == ["f-1", "f-3"]


def test_a_broken_line_elsewhere_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "r.log"
    path.write_text('{"replica": "r1", "zone": "a"}\n["f-1", 1.0\n["f-2", 2.0, "p", ""]\n')
    _, rows = read_replica_log(path)
    with pytest.raises(LogError, match="line 2: no JSON"):
        list(rows)


def test_a_log_without_its_first_line_says_so(tmp_path: Path) -> None:
    (tmp_path / "c.log").write_bytes(b"")
    with pytest.raises(LogError, match="never got so far"):
        read_client_log(tmp_path / "c.log")


def test_what_an_answer_told_is_read_back_and_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "c.log"
    order = {"client": "c", "flows": [], "addresses": [], "start_s": 0.0, "seconds": 1.0, "log": "c.log"}
    writer = LogWriter(path, order)
    writer.add((0, 1, 1.0, 2.0, "ok", 1))
    writer.add((0, 2, 1.0, 2.0, "ok", 1, 3))
    writer.close()
    _, rows = read_client_log(path)
    assert list(rows) == [ClientRow(0, 1, 1.0, 2.0, "ok", 1), ClientRow(0, 2, 1.0, 2.0, "ok", 1, 3)]
