"""A mark is judged on what was found, not on what is printed, and all marks of a document are listed."""

import pytest

from tests.bench.marks import Mark, figure, marks_table, table


@pytest.mark.parametrize(
    ("found", "at_least", "met"),
    [(1.5, False, True), (1.501, False, False), (0.8, True, True), (0.799, True, False), (0.9, False, True)],
)
def test_a_bound_itself_is_met(found: float, at_least: bool, met: bool) -> None:
    bound = 0.8 if at_least else 1.5
    assert Mark("cost", found, bound, at_least=at_least).met == met


def test_a_mark_missed_by_less_than_is_printed_is_missed() -> None:
    assert Mark("cost beside HAProxy's", 1.5001, 1.5, " ×").line() == (
        "Mark, cost beside HAProxy's ≤ 1.5 ×: 1.50 ×, **missed**."
    )


def test_what_could_not_be_measured_is_neither_met_nor_missed() -> None:
    mark = Mark("cost", None, 1.5)
    assert not mark.met
    assert mark.line() == "Mark, cost ≤ 1.5: not measured, **open**."
    assert "| cost | ≤ 1.5 | not measured | **open** |" in marks_table(mark.line())


def test_all_marks_of_a_document_are_listed_in_its_order() -> None:
    marks = [Mark("a View, of 1,000 routes", 73.1, 500, " ms"), Mark("goodput, kept", 0.95, 0.9, at_least=True)]
    document = f"# Title\n\n{marks[0].line()}\n\nother text\n\n| a table |\n\n{marks[1].line()}\n"
    assert marks_table(document).splitlines()[2:] == [
        "| a View, of 1,000 routes | ≤ 500 ms | 73.1 ms | met |",
        "| goodput, kept | ≥ 0.9 | 0.95 | met |",
    ]


def test_the_list_itself_holds_no_mark_that_would_be_listed_again() -> None:
    listed = marks_table(Mark("cost", 1.0, 1.5).line())
    assert marks_table(listed) == marks_table("")


@pytest.mark.parametrize(("value", "text"), [(0.004, "0.00"), (9.99, "9.99"), (12.34, "12.3"), (12345.6, "12,346")])
def test_a_figure_has_the_digits_that_matter(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_table_has_a_rule_under_its_header() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |"
