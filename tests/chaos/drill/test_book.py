"""The book of a drill of hours: what was written to its end counts, and nothing is added to another plan's."""

from pathlib import Path

import pytest

from lbmesh_chaos.drill.endurance import Book, Plan
from lbmesh_chaos.drill.run import DrillError
from tests.chaos.report.test_endurance import a_round

PLAN = Plan(seed=1, rate=600.0, plain_share=0.15, every_s=60.0, world="three-zones", revision="1")


def test_a_book_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    book = Book(tmp_path / "deep" / "down", PLAN)
    for number in (1, 2):
        book.add(a_round(number))
    assert Book(tmp_path / "deep" / "down", PLAN).rounds == [a_round(1), a_round(2)]


def test_a_round_that_was_half_written_does_not_count_and_the_next_one_stands_whole(tmp_path: Path) -> None:
    book = Book(tmp_path, PLAN)
    book.add(a_round(1))
    with book.file.open("a") as file:
        file.write('{"number": 2, "sort": "kil')
    again = Book(tmp_path, PLAN)
    assert again.rounds == [a_round(1)]
    again.add(a_round(2, 3))
    assert Book(tmp_path, PLAN).rounds == [a_round(1), a_round(2, 3)]


@pytest.mark.parametrize("text", ["", "{}\n", "no JSON\n", '{"plan": {"seed": 1}}\n'])
def test_what_is_no_book_is_left_alone(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rounds.jsonl"
    file.write_text(text)
    with pytest.raises(DrillError, match="is no such book"):
        Book(tmp_path, PLAN)
    assert file.read_text() == text


def test_another_plan_does_not_go_on_with_it(tmp_path: Path) -> None:
    Book(tmp_path, PLAN)
    with pytest.raises(DrillError, match="name another directory"):
        Book(tmp_path, Plan(seed=2, rate=600.0, plain_share=0.15, every_s=60.0, world="three-zones", revision="1"))
