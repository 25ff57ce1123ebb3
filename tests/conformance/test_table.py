"""docs/CONFORMANCE.md says what is true: its clauses are those of the corpus, and the tests that it names exist."""

import re
from pathlib import Path

from tests.conformance.hostile_responses import HOSTILE
from tests.conformance.request_cases import ACCEPTED, REFUSED
from tests.conformance.response_cases import BAD, PASSED

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d{4}-[\d.]+) \| .* \| (.*) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")

IN_CORPUS = {
    name.partition(" ")[0].rstrip(",")
    for name in (case.clause for case in (*ACCEPTED, *REFUSED, *PASSED, *BAD, *HOSTILE))
    if re.match(r"\d{4}-", name)
}


def rows() -> list[tuple[str, str]]:
    return ROW.findall((ROOT / "docs" / "CONFORMANCE.md").read_text())


def test_every_clause_of_the_corpus_is_in_the_table_once() -> None:
    clauses = [clause for clause, _ in rows()]
    assert len(clauses) == len(set(clauses))
    assert IN_CORPUS - set(clauses) == set()


def test_every_row_says_where() -> None:
    for clause, where in rows():
        assert ("corpus" in where) == (clause in IN_CORPUS), clause
        assert "corpus" in where or NAMED.search(where) or "**not yet**" in where, clause


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall((ROOT / "docs" / "CONFORMANCE.md").read_text())
    assert named
    for file, test in named:
        text = (ROOT / file).read_text()
        assert not test or f"def {test}(" in text, (file, test)
