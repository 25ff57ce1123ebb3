"""Lines out of what comes over a link."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.control.lines import LINE_BYTES_MAX, Lines


@given(st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_come_whole_however_the_bytes_are_cut(expected: list[bytes], data: st.DataObject) -> None:
    sent = b"".join(line + b"\n" for line in expected)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    lines = Lines()
    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]

    assert [line for piece in pieces for line in lines.feed(piece)] == expected


def test_a_line_that_does_not_end_is_refused() -> None:
    lines = Lines()
    assert lines.feed(b"x" * LINE_BYTES_MAX) == []

    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        lines.feed(b"x")
