"""How an error looks to whoever wrote the file."""

from datetime import UTC, date, datetime, time

import pytest

from lbmesh.config.errors import FOUND_CHARS_MAX, ConfigError, spell


@pytest.mark.parametrize(
    ("line", "path", "found", "shown"),
    [
        (12, "service[shop].timeouts.connect", '"1 second"',
         'f.toml:12: service "shop": timeouts.connect: found "1 second"; write x'),
        (3, "service[#2].name", "", "f.toml:3: service #2: name: write x"),
        (3, "route[#1]", "7", "f.toml:3: route #1: found 7; write x"),
        (3, "node.zone", "7", "f.toml:3: node.zone: found 7; write x"),
        (3, "", "", "f.toml:3: write x"),
        (0, "", "", "f.toml: write x"),
    ],
)  # fmt: skip
def test_an_error_says_where_and_what(line: int, path: str, found: str, shown: str) -> None:
    assert str(ConfigError("f.toml", line, path, found, "write x")) == shown


def test_a_message_that_quotes_what_was_found_says_it_once() -> None:
    assert str(ConfigError("f", 1, "a", '"80"', '"80" has no port')) == 'f:1: a: "80" has no port'
    assert str(ConfigError("f", 1, "a", "1", "write 1 to 9")) == "f:1: a: found 1; write 1 to 9"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", '"a\\nb"'),
        ("é", '"é"'),
        ("x" * (FOUND_CHARS_MAX + 1), '"' + "x" * FOUND_CHARS_MAX + '" (cut)'),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (1.5, "1.5"),
        (10**20, "1e+20"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(1, 2, 3), "01:02:03"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        ([], "an empty array"),
        ([1], "an array"),
        ({}, "a table"),
    ],
)
def test_values_are_spelled_as_toml_does(value: object, text: str) -> None:
    assert spell(value) == text
