"""Which requests fulfil a route's conditions, and which of several routes for a path a request takes."""

import pytest

from lbmesh.model.route import Conditions, Route
from lbmesh.routing.conditions import compile_conditions
from lbmesh.routing.request_fields import header_reader, query_reader
from lbmesh.routing.table import RouteTable
from tests.support.asked import a_head


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ("", None),
        ("X-Beta: 1\r\n", b"1"),
        ("x-beta:1 \r\n", b"1"),
        ("X-Beta:\r\n", b""),
        ("X-Beta: a\r\nOther: b\r\nX-BETA: c\r\n", b"a, c"),
        ("X-Beta2: 1\r\n", None),
        ("Y: X-Beta: 1\r\n", None),
    ],
)
def test_reading_a_field(fields: str, value: bytes | None) -> None:
    assert header_reader("X-Beta")(a_head(fields=fields)) == value


@pytest.mark.parametrize(
    ("target", "value"),
    [
        ("/", None),
        ("/?beta=1", b"1"),
        ("/?a&beta&c", b""),
        ("/?beta=", b""),
        ("/?beta=a%20b+c", b"a b c"),
        ("/?betamax=1", None),
        ("/?xbeta=1", None),
        ("/beta=1", None),
        ("/?beta=1&beta=2", b"1"),
        ("/?a=?beta=3", b"3"),
    ],
)
def test_reading_an_argument(target: str, value: bytes | None) -> None:
    assert query_reader("beta")(a_head(target)) == value


def test_all_conditions_must_hold() -> None:
    accepts = compile_conditions(Conditions(("GET", "PUT"), (("X-A", "1"), ("X-B", None)), (("q", None),)))
    fields = "X-A: 1\r\nX-B: any\r\n"
    assert accepts(a_head("/?q", fields=fields))
    assert accepts(a_head("/?q", fields=fields, method="PUT"))
    assert not accepts(a_head("/?q", fields=fields, method="POST"))
    assert not accepts(a_head("/", fields=fields))
    assert not accepts(a_head("/?q", fields="X-A: 2\r\nX-B: any\r\n"))
    assert not accepts(a_head("/?q", fields="X-A: 1\r\n"))


def table_of(*routes: tuple[str, Route]) -> RouteTable[str]:
    table: RouteTable[str] = RouteTable()
    for value, route in routes:
        table.add(route, value)
    return table


def a_route(
    *paths: str, host: str = "a.example", exact: tuple[str, ...] = (), conditions: Conditions | None = None
) -> Route:
    return Route((host,), paths, (), exact, conditions)


TABLE = table_of(
    ("any", a_route("/", host="*")),
    ("root", a_route("/")),
    ("api", a_route("/api")),
    ("api beta", a_route("/api", conditions=Conditions(headers=(("X-Beta", None),)))),
    ("api beta 1", a_route("/api", conditions=Conditions(headers=(("X-Beta", "1"), ("X-B", None))))),
    ("api posted", a_route("/api", conditions=Conditions(methods=("POST",)))),
    ("only here", a_route(exact=("/api/health",))),
    ("only put here", a_route(exact=("/api/health",), conditions=Conditions(methods=("PUT",)))),
    ("deep put", a_route("/deep/down", conditions=Conditions(methods=("PUT",)))),
    ("b", a_route("/b", host="b.example", conditions=Conditions(methods=("PUT",)))),
)


@pytest.mark.parametrize(
    ("method", "target", "fields", "value"),
    [
        ("GET", "/", "", "root"),
        ("GET", "/api/x", "", "api"),
        ("GET", "/api/x", "X-Beta: 2\r\n", "api beta"),
        ("GET", "/api/x", "X-Beta: 1\r\n", "api beta"),
        ("GET", "/api/x", "X-Beta: 1\r\nX-B: y\r\n", "api beta 1"),
        ("POST", "/api/x", "X-Beta: 1\r\nX-B: y\r\n", "api posted"),
        ("GET", "/api/health", "X-Beta: 1\r\n", "only here"),
        ("PUT", "/x/../api//health", "", "only put here"),
        ("GET", "/api/health/", "", "api"),
        ("GET", "/api/healthy", "", "api"),
        ("PUT", "/deep/down/under", "", "deep put"),
        ("GET", "/deep/down/under", "", "root"),
        ("OPTIONS", "*", "", "root"),
    ],
)
def test_the_route_that_asks_most_goes_first(method: str, target: str, fields: str, value: str) -> None:
    head = a_head(target, fields=fields, method=method)
    assert TABLE.match(b"a.example", head.target, head) == value


def test_where_no_condition_holds_the_next_host_is_asked() -> None:
    assert TABLE.match(b"b.example", b"/b", a_head(method="PUT")) == "b"
    assert TABLE.match(b"b.example", b"/b", a_head()) == "any"


@pytest.mark.parametrize(
    ("one", "other", "may_meet"),
    [
        (Conditions(), Conditions(("GET",)), True),
        (Conditions(("GET",)), Conditions(("PUT", "GET")), True),
        (Conditions(("GET",)), Conditions(("PUT",)), False),
        (Conditions(headers=(("X-A", "1"),)), Conditions(headers=(("x-a", "2"),)), False),
        (Conditions(headers=(("X-A", "1"),)), Conditions(headers=(("x-a", None),)), True),
        (Conditions(headers=(("X-A", "1"),)), Conditions(headers=(("X-B", "2"),)), True),
        (Conditions(query=(("a", "1"),)), Conditions(query=(("A", "2"),)), True),
        (Conditions(query=(("a", "1"),)), Conditions(query=(("a", "2"),)), False),
    ],
)
def test_whether_one_request_can_fulfil_both(one: Conditions, other: Conditions, may_meet: bool) -> None:
    assert one.may_meet(other) is other.may_meet(one) is may_meet
