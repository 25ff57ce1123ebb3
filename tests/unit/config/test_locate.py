"""The locator agrees with tomllib on what is there, and knows the line of each."""

import tomllib
from textwrap import dedent

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lbmesh.config.locate import KeyPath, locate


def lines_of(text: str) -> dict[KeyPath, int]:
    return locate(dedent(text).removeprefix("\n"))


def test_plain_keys_and_tables() -> None:
    assert lines_of("""
        # a comment with = and [brackets]
        top = 1

        [node]  # another
        name = "a # not a comment"
        zone = 'b'
        """) == {("top",): 2, ("node",): 4, ("node", "name"): 5, ("node", "zone"): 6}


def test_arrays_of_tables_and_tables_below_them() -> None:
    assert lines_of("""
        [[service]]
        name = "a"
        [service.health]
        fall = 3
        [[service]]
        [[service.replicas]]
        weight = 1
        [[service.replicas]]
        weight = 2
        """) == {
        ("service",): 1,
        ("service", 0): 1,
        ("service", 0, "name"): 2,
        ("service", 0, "health"): 3,
        ("service", 0, "health", "fall"): 4,
        ("service", 1): 5,
        ("service", 1, "replicas"): 6,
        ("service", 1, "replicas", 0): 6,
        ("service", 1, "replicas", 0, "weight"): 7,
        ("service", 1, "replicas", 1): 8,
        ("service", 1, "replicas", 1, "weight"): 9,
    }


def test_arrays_of_inline_tables_over_several_lines() -> None:
    assert lines_of("""
        replicas = [
          # the first
          { address = "a", weight = 1 },

          { address = "b,]}", at.zone = "z" },  # the last
        ]
        after = [1, [2,
          3]]
        """) == {
        ("replicas",): 1,
        ("replicas", 0): 3,
        ("replicas", 0, "address"): 3,
        ("replicas", 0, "weight"): 3,
        ("replicas", 1): 5,
        ("replicas", 1, "address"): 5,
        ("replicas", 1, "at"): 5,
        ("replicas", 1, "at", "zone"): 5,
        ("after",): 7,
        ("after", 0): 7,
        ("after", 1): 7,
        ("after", 1, 0): 7,
        ("after", 1, 1): 8,
    }


def test_multi_line_strings_hide_what_looks_like_keys() -> None:
    assert lines_of('''
        a = """
        b = 1
        \\""" ends not here \\\\"""
        c = """two quotes at the end"""""
        d = \'\'\'
        [e]
        \\\'\'\'\'
        f = 0
        ''') == {("a",): 1, ("c",): 4, ("d",): 5, ("f",): 8}


def test_dotted_and_quoted_keys() -> None:
    assert lines_of(r"""
        a . "b.\u0063" . 'd"' = { }
        a.e = 1979-05-27 07:32:00
        [ "f g" . h ]
        "" = -inf
        """) == {
        ("a",): 1,
        ("a", "b.c"): 1,
        ("a", "b.c", 'd"'): 1,
        ("a", "e"): 2,
        ("f g",): 3,
        ("f g", "h"): 3,
        ("f g", "h", ""): 4,
    }


def test_a_table_named_after_its_child_has_its_own_line() -> None:
    assert lines_of("[a.b]\n[a]\n") == {("a",): 2, ("a", "b"): 1}


def test_carriage_returns_do_not_count_as_lines() -> None:
    assert locate("a = 1\r\n\r\nb = 2\r\n") == {("a",): 1, ("b",): 3}


def paths_in(value: object, path: KeyPath = ()) -> set[KeyPath]:
    """Every path that a parsed document holds."""
    children: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    below = [paths_in(child, (*path, key)) for key, child in children]
    return {path}.union(*below) if path else set().union(*below)


keys = st.sampled_from(["a", "b", "c-1", '"q \\" x"', "'l#'", '"\\u0061"'])
blanks = st.sampled_from(["", " ", "\t"])
dotted = st.lists(keys, min_size=1, max_size=3).map(" . ".join)
scalars = st.sampled_from(
    [
        "1",
        "-1.5e3",
        "true",
        "07:32:00",
        '"s"',
        "'t'",
        '"\\\\"',
        "'\\'",
        '"""x\n"y" # z"""""',
        "'''\n[k]\n''''",
    ]
)
fillers = st.sampled_from(["", " ", "\n", " # note ]}\n", "\n\n\t"])


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    element = st.tuples(fillers, values, fillers).map("".join)
    return st.tuples(st.lists(element, max_size=3).map(",".join), fillers).map(lambda inner: f"[{''.join(inner)}]")


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(dotted, blanks, st.just("="), blanks, values).map("".join)
    return st.lists(pair, max_size=3).map(lambda pairs: "{ " + ", ".join(pairs) + " }")


values = st.recursive(scalars, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6)
statements = (
    st.tuples(dotted, st.just(" = "), values).map("".join)
    | dotted.map(lambda key: f"[{key}]")
    | dotted.map(lambda key: f"[[ {key} ]]")
    | st.just("# note = 1")
)
documents = st.lists(st.tuples(fillers, statements, st.sampled_from(["\n", " # end\n", "\r\n"])).map("".join)).map(
    "".join
)


@given(documents)
def test_finds_exactly_what_tomllib_finds(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    lines = locate(text)
    assert set(lines) == paths_in(document)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "   "])
def test_an_empty_text_has_no_keys(text: str) -> None:
    assert locate(text) == {}
