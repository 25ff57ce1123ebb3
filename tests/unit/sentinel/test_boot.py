"""The boot counter rises, survives what it can and says what is wrong with what it cannot. It never stops a start."""

from pathlib import Path

import pytest

from lbmesh.control.processes import BOOT_EPOCH_MAX, GENERATIONS_PER_BOOT
from lbmesh.gossip.limits import SEQUENCE_MAX
from lbmesh.sentinel.boot import BootCount, next_boot_epoch


def test_it_counts_from_one_and_makes_its_directory(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    assert [next_boot_epoch(state_dir) for _ in range(3)] == [BootCount(1), BootCount(2), BootCount(3)]
    assert [file.name for file in state_dir.iterdir()] == ["boot"]


def test_a_draft_left_by_a_power_cut_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "boot").write_text("41\n")
    (tmp_path / "boot.new").write_text("4")
    assert next_boot_epoch(tmp_path) == BootCount(42)


@pytest.mark.parametrize("content", ["", "\0" * 8, "many", "-3", "1.5", str(BOOT_EPOCH_MAX), "9" * 400])
def test_a_file_that_holds_no_count_is_told_and_counted_from_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "boot").write_text(content)
    count = next_boot_epoch(tmp_path)
    assert (count.epoch, "held no boot count" in str(count.problem)) == (1, True)
    assert next_boot_epoch(tmp_path) == BootCount(2)


def test_the_last_count_leaves_room_for_its_agents(tmp_path: Path) -> None:
    (tmp_path / "boot").write_text(str(BOOT_EPOCH_MAX - 1))
    assert next_boot_epoch(tmp_path) == BootCount(BOOT_EPOCH_MAX)
    assert BOOT_EPOCH_MAX * GENERATIONS_PER_BOOT + GENERATIONS_PER_BOOT - 1 < SEQUENCE_MAX


def test_a_directory_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for state_dir in (tmp_path / "missing" / "state", tmp_path / "file" / "state"):
        count = next_boot_epoch(state_dir)
        assert count.epoch == 1
        assert str(state_dir) in str(count.problem)
        assert "node.state_dir" in str(count.problem)
