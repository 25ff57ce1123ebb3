"""What holds for the source as a whole, beyond what the linters see."""

from pathlib import Path

import lbmesh

LINES_MAX = 600


def test_no_file_has_more_lines_than_one_idea_takes() -> None:
    package = Path(lbmesh.__file__).parent
    lines = {str(file.relative_to(package)): len(file.read_bytes().splitlines()) for file in package.rglob("*.py")}
    assert len(lines) > 100
    assert {file: count for file, count in lines.items() if count > LINES_MAX} == {}
