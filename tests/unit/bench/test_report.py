import pytest

from tests.bench.cli import PARTS
from tests.bench.report import DOCUMENT, with_section


@pytest.mark.parametrize("name", ["marks", "profile", "gossip", *(part.name for part in PARTS)])
def test_a_section_is_replaced_and_the_rest_stands(name: str) -> None:
    document = DOCUMENT.read_text()
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    written = with_section(document, name, "first\n")
    assert written.startswith(document[: document.index(begin)])
    assert written.endswith(document[document.index(end) :])
    assert with_section(written, name, "second\n") == written.replace("first\n", "second\n")


def test_a_document_without_the_marks_is_refused() -> None:
    with pytest.raises(RuntimeError, match="put them where the tables go"):
        with_section("# Benchmarks\n<!-- requests: begin -->\n", "requests", "text")
