"""What `lbmesh drill` refuses before it reaches for anything."""

from pathlib import Path

import pytest

from lbmesh_chaos.drill.verb import main
from tests.chaos.toolkit.test_check import EXPERIMENTS
from tests.chaos.toolkit.test_target_list import LIST
from tests.chaos.toolkit.test_target_load import LOAD

KILL_AGENT = str(next(file for file in EXPERIMENTS if file.stem == "kill-agent"))


def test_load_is_for_real_hosts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([KILL_AGENT, "--load", "5", "--check"]) == 2
    assert "--load: is for real hosts; write --target LIST, too" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listed", "rate", "code", "says"),
    [
        (LIST + LOAD, "40", 0, ""),
        (LIST + LOAD, "51", 2, "--load 51: write a number above 0; the list's rate_max is 50"),
        (LIST, "40", 2, 'the list of "staging" lets none be sent'),
    ],
)
def test_a_load_is_held_against_the_list_when_a_drill_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], listed: str, rate: str, code: int, says: str
) -> None:
    file = tmp_path / "staging.toml"
    file.write_text(listed.replace('at_most_max = "30s"', 'at_most_max = "2m"'))
    assert main([KILL_AGENT, "--target", str(file), "--load", rate, "--check"]) == code
    assert says in capsys.readouterr().err
