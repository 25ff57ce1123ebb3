"""The key file on a real disk."""

import os
import stat
from pathlib import Path

import pytest

from lbmesh.agent.key_file import store_keys
from lbmesh.config.key_file import gossip_keys

OLD, NEW = b"\xaa" * 32, b"\xbb" * 32
BOTH = (NEW, OLD)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gossip.key"
    path.write_text(f"# ours\n{OLD.hex()}\n")
    path.chmod(0o600)
    return path


def test_it_is_replaced_whole_private_and_with_its_comments(file: Path) -> None:
    before = file.stat()
    assert store_keys(file, BOTH, {OLD}) is None
    assert gossip_keys(file.read_text()) == BOTH
    assert file.read_text().startswith("# ours\n")
    after = file.stat()
    assert after.st_ino != before.st_ino
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o600, before.st_uid, before.st_gid)
    assert os.listdir(file.parent) == ["gossip.key"], "no draft is left"
    assert store_keys(file, BOTH, {OLD}) is None
    assert file.stat().st_ino == after.st_ino, "what it holds already is not written again"


def test_a_link_is_followed(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert store_keys(link, BOTH, {OLD}) is None
    assert link.is_symlink()
    assert gossip_keys(file.read_text()) == BOTH


def test_a_file_that_is_gone_is_made_again(file: Path) -> None:
    file.unlink()
    assert store_keys(file, BOTH, set()) is None
    assert gossip_keys(file.read_text()) == BOTH
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("mode", "text", "problem"),
    [
        (0o400, f"{OLD.hex()}\n", "it is read-only"),
        (0o640, f"{OLD.hex()}\n", "lets others read it"),
        (0o600, "broken\n", "is left as it is: line 1"),
    ],
)
def test_what_an_operator_made_of_it_stays(file: Path, mode: int, text: str, problem: str) -> None:
    file.write_text(text)
    file.chmod(mode)
    fault = store_keys(file, BOTH, {OLD})
    assert fault is not None
    assert problem in fault
    assert file.read_text() == text


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    fault = store_keys(tmp_path / "nowhere" / "gossip.key", BOTH, set())
    assert fault is not None
    assert "cannot be written: No such file or directory" in fault
