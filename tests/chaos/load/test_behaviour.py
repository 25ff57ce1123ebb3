"""The file by which a replica ails."""

from pathlib import Path

import msgspec
import pytest

from lbmesh_chaos.load.behaviour import WELL, Behaviour, BehaviourFile, write_behaviour


def test_without_a_file_it_is_well_and_with_one_it_ails_until_the_file_goes(tmp_path: Path) -> None:
    path = tmp_path / "behaviour.json"
    file = BehaviourFile(path)
    assert file.now() == WELL
    write_behaviour(path, Behaviour(slow_s=0.5, errors=0.1))
    assert file.now() == Behaviour(slow_s=0.5, errors=0.1)
    write_behaviour(path, Behaviour(half_open=True))
    assert file.now() == Behaviour(half_open=True)
    path.unlink()
    assert file.now() == WELL


@pytest.mark.parametrize(
    ("text", "says"),
    [('{"sloww_s": 1}', "sloww_s"), ('{"errors": 2}', "share from 0 to 1"), ('{"slow_s": -1}', "0 or more")],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "behaviour.json"
    path.write_text(text)
    with pytest.raises(msgspec.ValidationError, match=says):
        BehaviourFile(path).now()
