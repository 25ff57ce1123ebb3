from pathlib import Path

import pytest

from tests.bench.running import Cores
from tests.bench.section import Setting, paragraphs


def _setting(directory: Path, *only: str) -> Setting:
    return Setting(directory, Cores(0, 1), print, only=only)


def test_a_part_measures_what_it_can_of_what_is_asked_for(tmp_path: Path) -> None:
    everybody = _setting(tmp_path).variants(("lbmesh",))
    assert [variant.name for variant in everybody] == ["lbmesh"]
    assert [variant.name for variant in _setting(tmp_path, "lbmesh", "caddy").variants(("lbmesh",))] == ["lbmesh"]


def test_a_part_that_has_nothing_to_measure_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="none is both here and asked for"):
        _setting(tmp_path, "caddy").variants(("lbmesh", "haproxy"))


def test_paragraphs_stand_one_line_apart_and_empty_ones_are_left_out() -> None:
    assert paragraphs(("first\n", "", "second")) == "first\n\nsecond\n"
