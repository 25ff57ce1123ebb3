"""The patterns of the heads' room: none may hit what CPython 3.11.2 gets wrong, none may try again and again."""

import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address
from itertools import chain
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import lbmesh.http1
from lbmesh.http1 import fast_lane, h11_lane
from lbmesh.http1.grammar import HOST, caseless
from lbmesh.model.limits import HEAD_BYTES_MAX
from tests.support.hostile import hostile_requests, hostile_responses

PARSER = importlib.import_module("re._parser")
"""What `re` compiles from; it has no public name, and nothing else shows a pattern's structure."""

HOSTILE_S = 60
"""Linear patterns need well under a second; those that were exponential or cubic, longer than anyone waits."""


def patterns() -> Iterator[tuple[str, re.Pattern[bytes]]]:
    for module_info in pkgutil.iter_modules(lbmesh.http1.__path__):
        module = importlib.import_module(f"lbmesh.http1.{module_info.name}")
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                yield f"{module_info.name}.{name}", value


def operations(parsed: Any) -> Iterator[tuple[str, Any]]:
    """Every (operation's name, argument) in a parsed pattern, nested ones too."""
    for operation, argument in parsed:
        yield str(operation), argument
        for part in argument if isinstance(argument, tuple | list) else (argument,):
            for nested in part if isinstance(part, list) else (part,):
                if isinstance(nested, PARSER.SubPattern):
                    yield from operations(nested)


def single_character(parsed: Any) -> bool:
    return len(parsed) == 1 and str(parsed[0][0]) in {"IN", "LITERAL", "NOT_LITERAL", "ANY"}


def possessive_groups(pattern: bytes) -> list[str]:
    """Possessive quantifiers and atomic groups over more than one character (python/cpython#106052)."""
    found = []
    for operation, argument in operations(PARSER.parse(pattern)):
        if operation == "ATOMIC_GROUP" or (operation == "POSSESSIVE_REPEAT" and not single_character(argument[2])):
            found.append(operation)
    return found


@pytest.mark.parametrize("pattern", [pattern for _, pattern in patterns()], ids=[name for name, _ in patterns()])
def test_nothing_possessive_but_single_characters(pattern: re.Pattern[bytes]) -> None:
    assert not possessive_groups(pattern.pattern)


@pytest.mark.parametrize("pattern", [rb"(?:ab|a)*+c", rb"x(?:(?:ab|c)++)?", rb"(?>a|ab)c", rb"(a|(?:ab)?+)"])
def test_the_search_for_them_finds_them(pattern: bytes) -> None:
    assert possessive_groups(pattern)


def test_all_patterns_are_seen() -> None:
    assert {"fast_lane._REQUEST", "fast_lane._RESPONSE", "chunked._SIZE_LINE"} <= {name for name, _ in patterns()}


def parse_hostile_heads() -> None:
    """Every hostile head through both lanes: what is wrong is seen to be wrong."""
    for name, head in hostile_requests(HEAD_BYTES_MAX):
        assert (fast_lane.parse_request(head) is not None) == ("a valid value" in name), name
        h11_lane.parse_request(head)
    for name, head in hostile_responses(HEAD_BYTES_MAX):
        fast = fast_lane.parse_response(head, to_head=False)
        assert (fast is not None) == ("a valid value" in name), name
        h11_lane.parse_response(head, method=b"GET")


def test_hostile_heads_are_decided() -> None:
    """In a process of its own, so that a pattern that never ends fails this test and not the whole run."""
    code = "from tests.unit.http1.test_patterns import parse_hostile_heads as run; run()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HOSTILE_S)


NAME = st.text(alphabet="abXY-", min_size=1, max_size=6).map(str.encode)


@given(NAME, NAME)
@example(b"te", b"TE")
def test_caseless(name: bytes, other: bytes) -> None:
    pattern = re.compile(caseless(name) + rb"\Z")
    assert pattern.match(name.swapcase())
    assert bool(pattern.match(other)) == (name.lower() == other.lower())


GROUP = st.sampled_from(
    ("0", "1", "ffff", "abcd", "00a", "", "", "12345", "g", "1.2.3.4", "1.2.3", "256.0.0.1", "01.2.3.4")
)


@given(st.lists(GROUP, min_size=2, max_size=10).map(":".join) | st.ip_addresses(v=6).map(str))
def test_an_ipv6_literal_is_what_the_library_takes_for_one(text: str) -> None:
    try:
        IPv6Address(text)
        expected = True
    except AddressValueError:
        expected = False
    assert bool(re.compile(HOST + rb"\Z").match(b"[%b]" % text.encode())) == expected


def test_hostile_heads_are_as_long_as_heads_may_be() -> None:
    heads = list(chain(hostile_requests(HEAD_BYTES_MAX), hostile_responses(HEAD_BYTES_MAX)))
    assert sum(len(head) > HEAD_BYTES_MAX - 100 for _, head in heads) > len(heads) / 2
