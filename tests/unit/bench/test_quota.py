from pathlib import Path

import pytest

from tests.bench.quota import Hierarchy, find_hierarchy


@pytest.mark.parametrize(
    ("version", "files"),
    [
        (2, {"cpu.max": "2000 10000"}),
        (1, {"cpu.cfs_period_us": "10000", "cpu.cfs_quota_us": "2000"}),
    ],
)
def test_a_fifth_of_a_core_in_both_interfaces(tmp_path: Path, version: int, files: dict[str, str]) -> None:
    assert Hierarchy(tmp_path, version).limits(0.2) == files


def test_version_2_is_found_where_groups_may_have_the_controller(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpuset cpu io\n")
    assert find_hierarchy(tmp_path) == Hierarchy(tmp_path, 2)


def test_version_1_is_found_by_its_own_directory(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cgroup.procs").write_text("")
    assert find_hierarchy(tmp_path) == Hierarchy(tmp_path / "cpu", 1)


def test_without_the_controller_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("memory pids\n")
    assert find_hierarchy(tmp_path) is None
