"""The key file's text: read strictly, rewritten without losing what an operator wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.config.key_file import gossip_keys, rewritten
from lbmesh.gossip.limits import KEYS_MAX

OLD, NEW, EDITED = b"\xaa" * 32, b"\xbb" * 32, b"\xcc" * 32

keys = st.binary(min_size=32, max_size=32)
comments = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
lines = st.one_of(
    st.sampled_from(["", "   "]),
    comments.map("# {}".format),
    st.tuples(keys, st.sampled_from(["", "  ", "  # made by me"])).map(lambda line: f" {line[0].hex()}{line[1]}"),
)


def test_comments_and_blank_lines_are_passed_over() -> None:
    assert gossip_keys(f"# ours\n\n{OLD.hex()}  # of May\n  {NEW.hex().upper()}\n{OLD.hex()}\n") == (OLD, NEW)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no key"),
        ("# nothing\n", "holds no key"),
        (f"{OLD.hex()}\nkey\n", "line 2 of the key file is not 64 hex digits"),
        (f"{OLD.hex()}0", "line 1"),
        (f"{OLD.hex()} {NEW.hex()}", "line 1"),
        ("".join(f"{bytes((number,)).hex() * 32}\n" for number in range(KEYS_MAX + 1)), "at most 8"),
    ],
)
def test_what_is_no_key_file(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        gossip_keys(text)
    assert OLD.hex() not in str(refused.value)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = gossip_keys(text)
    except ValueError:
        return
    assert 1 <= len(found) <= KEYS_MAX


@given(st.lists(lines, max_size=8), st.lists(keys, min_size=1, max_size=4, unique=True))
def test_a_rewritten_file_holds_the_ring_the_operators_edits_and_every_comment(
    text_lines: list[str], ring: list[bytes]
) -> None:
    text = "\n".join(text_lines)
    try:
        before = gossip_keys(text)
    except ValueError:
        before, text = (), ""
    known = set(before[::2])
    after = rewritten(text, ring, known)
    if len(set(ring) | set(before)) <= KEYS_MAX:
        edited = [key for key in before if key not in known and key not in ring]
        assert list(gossip_keys(after)) == [*ring, *edited]
        assert rewritten(after, ring, known) == after
    whole = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    assert [line for line in after.splitlines() if line.lstrip().startswith("#")] == whole


def test_a_comment_behind_a_key_goes_with_it() -> None:
    text = f"# ours\n{OLD.hex()}  # of May\n# end\n"
    assert rewritten(text, (NEW, OLD), {OLD}) == f"# ours\n{NEW.hex()}\n# end\n{OLD.hex()}  # of May\n"
    assert rewritten(text, (NEW,), {OLD}) == f"# ours\n{NEW.hex()}\n# end\n"
    assert rewritten(f"{text}{EDITED.hex()}\n", (NEW,), {OLD}).endswith(f"{EDITED.hex()}\n")
