"""The boot counter rises, survives what it can and says what to do about what it cannot."""

from pathlib import Path

import pytest

from lbmesh.sentinel.boot import EPOCH_MAX, next_boot_epoch


def test_it_counts_from_one_and_makes_its_directory(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    assert [next_boot_epoch(state_dir) for _ in range(3)] == [1, 2, 3]
    assert [file.name for file in state_dir.iterdir()] == ["boot"]


def test_a_draft_left_by_a_power_cut_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("41\n")
    (tmp_path / "boot.new").write_text("4")
    assert next_boot_epoch(tmp_path) == 42


@pytest.mark.parametrize("content", ["", "many", "-3", "1.5", str(EPOCH_MAX), "9" * 400])
def test_a_file_that_holds_no_count_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    (tmp_path / "boot").write_text(content)
    with pytest.raises(ValueError, match="Write into it a number higher"):
        next_boot_epoch(tmp_path)
    assert (tmp_path / "boot").read_text() == content


def test_a_directory_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for state_dir in (tmp_path / "missing" / "state", tmp_path / "file" / "state"):
        with pytest.raises(OSError, match=r"cannot be used: .*node\.state_dir") as raised:
            next_boot_epoch(state_dir)
        assert str(state_dir) in str(raised.value)
