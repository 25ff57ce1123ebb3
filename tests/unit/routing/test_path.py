"""No spelling of a path steps past a rule."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.routing.path import routing_path


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b"/"),
        (b"/a", b"/a"),
        (b"/a/", b"/a/"),
        (b"/a?b=/../c", b"/a"),
        (b"/?", b"/"),
        (b"//a", b"/a"),
        (b"/a///b", b"/a/b"),
        (b"/a/./b", b"/a/b"),
        (b"/a/../b", b"/b"),
        (b"/a/..", b"/"),
        (b"/a/b/..", b"/a/"),
        (b"/a/.", b"/a/"),
        (b"/..", b"/"),
        (b"/../../a", b"/a"),
        (b"/a//../b", b"/b"),
        (b"/...", b"/..."),
        (b"/.a/..b", b"/.a/..b"),
        (b"/%61", b"/a"),
        (b"/%2e%2E/a", b"/a"),
        (b"/a/%2e./b", b"/b"),
        (b"/a/.%2e", b"/"),
        (b"/%2f", b"/%2F"),
        (b"/a%2f../b", b"/a%2F../b"),
        (b"/%252e%252e/a", b"/%252e%252e/a"),
        (b"/%c3%a4", b"/%C3%A4"),
        (b"/%7Ea%5F", b"/~a_"),
        (b"*", b"*"),
    ],
)
def test_examples(target: bytes, path: bytes) -> None:
    assert routing_path(target) == path


SEGMENT = st.sampled_from(
    (b"", b".", b"..", b"%2e", b"%2E%2e", b".%2e", b"a", b"b", b"%61", b"%2f", b"%2F..", b"a%25", b"...", b"%")
)
TARGET = st.builds(
    lambda segments, query: b"/" + b"/".join(segments) + query,
    st.lists(SEGMENT, max_size=8),
    st.sampled_from((b"", b"?", b"?/../%2e")),
)


@given(TARGET)
def test_what_routing_sees_holds_no_dot_segment_and_no_empty_one(target: bytes) -> None:
    path = routing_path(target)
    assert path.startswith(b"/")
    assert b"?" not in path
    segments = path[1:].split(b"/")
    assert not {b".", b".."} & set(segments)
    assert b"" not in segments[:-1]
    assert all(escape == escape.upper() for escape in re.findall(rb"%[0-9A-Fa-f]{2}", path))
    assert not re.search(rb"%(?:2D|2E|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])", path)


@given(TARGET)
def test_it_is_its_own_normal_form(target: bytes) -> None:
    assert routing_path(routing_path(target)) == routing_path(target)


@given(TARGET, st.data())
def test_every_spelling_of_a_path_is_seen_alike(target: bytes, data: st.DataObject) -> None:
    """Escaped letters, doubled slashes and detours change nothing."""
    path = routing_path(target)
    other = b""
    for position, byte in enumerate(path):
        character = bytes([byte])
        if character == b"/":
            is_last = position == len(path) - 1
            other += data.draw(
                st.sampled_from((b"/", b"//", b"/./", b"/x/../") if not is_last else (b"/", b"//", b"/."))
            )
        elif character in b"ab." and path[position - 1 : position] != b"%":
            other += data.draw(st.sampled_from((character, b"%%%02x" % byte, b"%%%02X" % byte)))
        else:
            other += character
    assert routing_path(other) == path
