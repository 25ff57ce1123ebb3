"""No spelling that an origin may read as a protected path gets it to a less protected route."""

import re
from collections.abc import Callable
from itertools import product
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbmesh.model.route import Route, WeightedService
from lbmesh.routing.readings import PATH_BYTES_MAX, READINGS_MAX, is_plain, readings
from lbmesh.routing.table import RouteTable

HOST = b"shop.example"


def table_of(*rules: tuple[str, str, str]) -> RouteTable[str]:
    """Rules of (host, path, value)."""
    table: RouteTable[str] = RouteTable()
    for host, path, value in rules:
        table.add(Route((host,), (path,), (WeightedService("s"),)), value)
    return table


TABLE = table_of(
    ("*", "/", "public"),
    ("*", "/admin", "admin"),
    ("*", "/admin/open", "open"),
    ("*", "/static", "static"),
    ("*", "/caf%C3%A9 bar".replace(" ", "%20"), "bar"),
    ("shop.example", "/pay", "pay"),
)


@pytest.mark.parametrize(
    ("target", "value"),
    [
        # What every origin reads alike, or under nothing more specific, is routed.
        (b"/admin/x", "admin"),
        (b"/static/@scope%2Fname", "static"),
        (b"/projects/group%2Fname", "public"),
        (b"/x%20y/z%C3%A4", "public"),
        (b"/search;v=1/x", "public"),
        (b"/x?next=/..%2fadmin;\\", "public"),
        (b"/static/../admin/x", "admin"),
        (b"/%61dmin", "admin"),
        (b"//admin", "admin"),
        (b"/admin/%2e%2e/x", "public"),
        (b"/admin%2f..%2fx", "public"),
        (b"/caf%c3%a9%20bar/x", "bar"),
        (b"/admin/open%2f..", "admin"),
        # Refused: some origin reads it as a path under a rule that it does not fall under as it stands.
        (b"/x%2f..%2fadmin", None),
        (b"/static/..%2fadmin", None),
        (b"/%2fadmin", None),
        (b"/x/%2e%2e%2fadmin/y", None),
        (b"/x/%252e%252e/admin", None),
        (b"/%2561dmin", None),
        (b"/%252561dmin", None),
        (b"/x%5c..%5cadmin", None),
        (b"/x/..%5cadmin", None),
        (b"/x/..;/admin", None),
        (b"/x/..;v=1/admin", None),
        (b"/admin;v=1/x", None),
        (b"/x/..%3b/admin", None),
        (b"/admin;v%5c..", None),
        (b"/x;v%5c../admin", None),
        (b"/admin%2500.html", None),
        (b"/x/%c0%ae%c0%ae/admin", None),
        (b"/x/..%c0%afadmin", None),
        (b"/x/..%e0%80%afadmin", None),
        (b"/x/..%f0%80%80%afadmin", None),
        (b"/x/..%c1%9cadmin", None),
        (b"/x/..%25c0%25afadmin", None),
        (b"/admin//../x", None),
        (b"/x%2f..%2fcaf%c3%a9%20bar", None),
        (b"/x%2f..%2fpay", None),
        (b"/admin/..%2fadmin%2fopen", None),
        (b"/a%25" + b"25" * 40, None),
        (b"/" + b"x" * PATH_BYTES_MAX, "public"),
        (b"/" + b"x" * (PATH_BYTES_MAX - 4) + b"%20", "public"),
        (b"/" + b"x" * PATH_BYTES_MAX + b"%20", None),
    ],
)
def test_examples(target: bytes, value: str | None) -> None:
    assert TABLE.match(HOST, target) == value
    assert bool(TABLE.ambiguity(HOST, target)) == (value is None)


def test_a_refusal_says_what_to_send() -> None:
    assert '"/admin/x"' in TABLE.ambiguity(HOST, b"/x%2f..%2fadmin/x")


def test_no_route_is_not_an_ambiguity() -> None:
    table = table_of(("*", "/admin", "admin"))
    assert table.match(HOST, b"/x%2fy") is None
    assert table.ambiguity(HOST, b"/x%2fy") == ""
    assert table.ambiguity(HOST, b"/x") == ""


def test_what_no_route_is_for_is_not_reached_through_one() -> None:
    table = table_of(("*", "/api", "api"), ("*", "/a;v=1", "parameters"))
    assert table.match(HOST, b"/api/..%2fadmin") is None
    assert table.ambiguity(HOST, b"/api/..%2fadmin") == 'a server may read the path as "/admin", which no route is for'
    assert table.match(HOST, b"/api/x%2f..") == "api"
    assert table.match(HOST, b"/a;v=1/x") == "parameters"


def test_without_path_rules_every_path_goes_through() -> None:
    table = table_of(("*", "/", "all"), ("a.x", "/", "a"))
    assert table.match(HOST, b"/x%2f..%2f..;/%252e%252e%5c//") == "all"
    assert table.ambiguity(HOST, b"/x%2f..%2f") == ""


# Origins, each in the words of its kind and not in those of the module under test


def resolved(path: bytes, *, merge: bool) -> bytes:
    if merge:
        path = re.sub(b"/+", b"/", path)
    kept: list[bytes] = []
    for segment in path.split(b"/")[1:]:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    return b"/" + b"/".join(kept)


def lenient_utf8(path: bytes) -> bytes:
    """Overlong forms of "/", ".", "\\" and letters, by a table."""
    for code in range(1, 128):
        plain = bytes([code])
        two = bytes([0xC0 | code >> 6, 0x80 | code & 0x3F])
        three = bytes([0xE0, 0x80 | code >> 6, 0x80 | code & 0x3F])
        path = path.replace(three, plain).replace(two, plain)
    return path


def without_parameters(path: bytes) -> bytes:
    return b"/".join(segment.partition(b";")[0] for segment in path.split(b"/"))


def as_it_is(path: bytes) -> bytes:
    return path


Step = Callable[[bytes], bytes]
BEFORE: tuple[Step, ...] = (as_it_is, without_parameters, lambda path: resolved(path, merge=False))
DECODE: tuple[Step, ...] = (
    unquote_to_bytes,
    lambda path: unquote_to_bytes(unquote_to_bytes(path)),
    lambda path: lenient_utf8(unquote_to_bytes(path)),
)
AFTER: tuple[Step, ...] = (
    as_it_is,
    without_parameters,
    lambda path: path.replace(b"\\", b"/"),
    lambda path: path.partition(b"\0")[0],
)
RESOLVE: tuple[Step, ...] = (lambda path: resolved(path, merge=True), lambda path: resolved(path, merge=False))
ORIGINS = tuple(product(BEFORE, DECODE, AFTER, RESOLVE))


def read_by(origin: tuple[Step, ...], path: bytes) -> bytes:
    for step in origin:
        path = step(path)
    return path


SLASHES = (b"/", b"/", b"//", b"%2f", b"%5C", b"%252F", b"/./", b"%c0%af", b"\\", b"%2f/")
SEGMENTS = (
    b"admin", b"%61dmin", b"adm%2569n", b"..", b"%2e%2e", b".%252e", b"..;", b"..;a=b", b"..%3b", b".", b"x", b"y;v",
    b"%c0%ae.", b"admin;v", b"admin%2500x", b"open", b"%6fpen", b"static", b"",
)  # fmt: skip
PATH = st.lists(st.tuples(st.sampled_from(SLASHES), st.sampled_from(SEGMENTS)), min_size=1, max_size=5).map(
    lambda parts: b"/" + b"".join(slash + segment for slash, segment in parts).lstrip(b"/")
)


def is_under(path: bytes, prefix: bytes) -> bool:
    """Empty segments count for nothing, as in routes: "//static" asks for "/static", also of who keeps them."""
    path = re.sub(b"/+", b"/", path)
    return path == prefix or path.startswith(prefix + b"/")


@given(PATH)
def test_no_origin_is_led_past_a_rule(path: bytes) -> None:
    value = TABLE.match(HOST, path)
    if value is None:
        return
    for origin in ORIGINS:
        seen = read_by(origin, path)
        if is_under(seen, b"/admin/open"):
            assert value == "open", seen
        elif is_under(seen, b"/admin"):
            assert value in ("admin", "open"), seen


EXPOSED = table_of(("*", "/admin/open", "open"), ("*", "/static", "static"))


@given(PATH)
@example(b"/admin//open")
@example(b"/..//static")
def test_no_origin_is_led_to_what_no_route_is_for(path: bytes) -> None:
    value = EXPOSED.match(HOST, path)
    if value is None:
        return
    for origin in ORIGINS:
        seen = read_by(origin, path)
        assert is_under(seen, b"/admin/open") if value == "open" else is_under(seen, b"/static"), seen


@given(PATH)
def test_what_is_plain_is_read_alike(path: bytes) -> None:
    if is_plain(path):
        assert {read_by(origin, path) for origin in ORIGINS} == {path}
        assert readings(path) == frozenset({path})


@pytest.mark.parametrize("unit", [b"%25", b"%2f..", b";/", b"//", b"/./", b"/..", b"%252f%5c;", b"%c0%af", b"%2500%3b"])
def test_the_readings_of_long_paths_are_bounded(unit: bytes) -> None:
    path = b"/" + unit * (PATH_BYTES_MAX // len(unit) - 1)
    found = readings(path)
    assert found is None or len(found) <= READINGS_MAX
