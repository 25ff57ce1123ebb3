"""Whatever a file holds: settings or errors with lines, never an exception; and what is written is read."""

from dataclasses import fields, replace
from pathlib import Path

from hypothesis import example, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from lbmesh.config.diff import Hot, NeedsRestart, diff
from lbmesh.config.errors import ConfigError
from lbmesh.config.parse import parse_settings
from lbmesh.config.settings import Settings
from lbmesh.model.route import Conditions, Route
from tests.support.config_text import a_key_pair
from tests.support.settings import render, secrets_of, settings


def parse(text: str, files: dict[Path, str] | None = None) -> Settings | tuple[ConfigError, ...]:
    def read_file(path: Path) -> str:
        if path not in (files or {}):
            raise FileNotFoundError
        return (files or {})[path]

    return parse_settings(
        text,
        file="x.toml",
        host_name="lb",
        cpu_count=2,
        read_file=read_file,
        read_certificates=read_file,
        read_page=read_file,
        read_key_pair=a_key_pair,
    )


def holds(text: str) -> None:
    """The contract for any text."""
    parsed = parse(text)
    if isinstance(parsed, Settings):
        return
    assert parsed
    lines = text.count("\n") + 1
    assert all(0 <= error.line <= lines for error in parsed)
    assert [error.line for error in parsed] == sorted(error.line for error in parsed)
    assert all(str(error).isprintable() for error in parsed if error.path)


@given(st.text())
def test_any_text_is_settings_or_errors(text: str) -> None:
    holds(text)


KEYS = [
    *["node", "gossip", "forwarder", "listener", "service", "route", "admin", "log", "dns", "name", "zone"],
    *[
        "bind",
        "advertise",
        "seeds",
        "key_file",
        "token_file",
        "front",
        "failover",
        "driver",
        "class",
        "options",
        "interface",
        "zones",
        "witnesses",
        "hosts",
        "paths",
        "balance",
        "retries",
        "timeouts",
    ],
    *[
        "health",
        "replicas",
        "address",
        "weight",
        "services",
        "interval",
        "timeout",
        "fall",
        "path",
        "level",
        "x y",
        "kind",
        "status",
        "method",
        "headers",
        "headers_match",
        "body_regex",
        "send",
        "port",
        "tls",
        "ca",
        "redirect",
        "respond",
        "maintenance",
        "rewrite",
        "request_headers",
        "set",
        "rate_limit",
        "by",
        "split_by",
        "mirror",
        "allow",
        "until",
        "to",
        "regex",
    ],
]
toml_keys = st.sampled_from(KEYS).map(lambda key: f'"{key}"')
toml_values = st.recursive(
    st.sampled_from(
        [
            *[
                '"10.0.0.1:80"',
                '"0.0.0.0:80"',
                '"[::1]:80"',
                '"*"',
                '"/"',
                '"tcp"',
                '"(?:"',
                '"200-299"',
                '"shop"',
                '"2s"',
                '"0s"',
                '"\\n"',
            ],
            *["1", "-1", "true", "false", "1e400", "nan", "1979-05-27", "[]", "{}", "07:32:00", "9" * 30],
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: "[" + ", ".join(each) + "]")
        | st.dictionaries(toml_keys, inner, max_size=4).map(
            lambda each: "{ " + ", ".join(f"{key} = {value}" for key, value in each.items()) + " }"
        )
    ),
    max_leaves=8,
)
toml_tables = st.tuples(
    toml_keys.flatmap(lambda key: st.sampled_from([f"[{key}]", f"[[{key}]]"])),
    st.dictionaries(toml_keys, toml_values, max_size=6),
).map(lambda table: "\n".join([table[0], *(f"{key} = {value}" for key, value in table[1].items()), ""]))


@given(st.lists(toml_tables, max_size=6).map("".join))
@example("[[service]]\nname = []\n")
def test_any_values_under_known_keys_are_settings_or_errors(text: str) -> None:
    holds(text)


@given(settings())
def test_what_is_written_is_read(written: Settings) -> None:
    assert parse(render(written), secrets_of(written)) == written


@given(settings(), st.data())
def test_cutting_a_line_out_never_raises(written: Settings, data: st.DataObject) -> None:
    lines = render(written).splitlines(keepends=True)
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    holds("".join(lines))


HOT = {"services", "routes", "limits", "provenance", "listener policies"}
FIXED = {"node", "listeners", "workers", "gossip", "admin", "log.access", "log.level"}


def conditions_of(route: Route) -> tuple[tuple[object, ...], ...]:
    conditions = route.conditions or Conditions()
    return conditions.methods, conditions.headers, conditions.query


def parts(given: Settings) -> dict[str, object]:
    """All that settings say, part by part, without the orders that mean nothing."""
    routed = {
        (route.hosts, route.paths, route.exact_paths, *map(frozenset, conditions_of(route))): (
            frozenset(route.services),
            route.rules,
        )
        for route in given.routes
    }
    services = {
        each.name: (frozenset(each.replicas), each.traffic, each.health, each.outliers, each.tls)
        for each in given.services
    }
    alike = ("node", "workers", "limits", "gossip", "admin", "provenance")
    return {
        **{name: getattr(given, name) for name in alike},
        "listeners": tuple(each.bind for each in given.listeners),
        "listener policies": tuple(each.policy for each in given.listeners),
        "services": services,
        "routes": routed,
        "log.access": given.log.access,
        "log.level": given.log.level,
    }


@profile(max_examples=60)
@given(settings(), settings(), st.sets(st.sampled_from([each.name for each in fields(Settings)])))
def test_every_difference_is_told_and_judged(old: Settings, other: Settings, taken: set[str]) -> None:
    new = replace(old, **{name: getattr(other, name) for name in taken})
    before, after = parts(old), parts(new)
    differing = {name for name in before if before[name] != after[name]}
    match diff(old, new):
        case Hot(changes):
            assert differing <= HOT
            assert bool(changes) == bool(differing)
        case NeedsRestart(reasons):
            assert reasons
            assert differing & FIXED
