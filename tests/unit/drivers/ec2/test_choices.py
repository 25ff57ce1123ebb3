"""An address that is just given away is no other front's, whatever a look says that began before."""

from lbmesh.drivers.ec2.choices import Choices
from lbmesh.drivers.ec2.limits import CHOSEN_S


def test_what_is_chosen_is_free_again_for_who_looks_after_its_move() -> None:
    choices = Choices()
    assert choices.is_free("10.0.0.5", 100.0)
    choices.begin("10.0.0.5")
    assert not choices.is_free("10.0.0.5", 101.0)
    assert choices.is_free("10.0.0.6", 101.0)
    choices.end("10.0.0.5", 102.0)
    assert not choices.is_free("10.0.0.5", 101.5), "who looked before it was over saw it free"
    assert choices.is_free("10.0.0.5", 102.5), "what EC2 says now counts"


def test_it_forgets_what_no_look_is_older_than() -> None:
    choices = Choices()
    for number in range(1000):
        choices.begin(f"10.0.0.{number}")
        choices.end(f"10.0.0.{number}", float(number))
    assert len(choices.moves) <= CHOSEN_S + 1
