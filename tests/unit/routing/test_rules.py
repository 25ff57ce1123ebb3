"""The rules of a route in their order, and templates, field edits and client networks that they are made of."""

from dataclasses import replace

import pytest

from lbmesh.model.route import Route, WeightedService
from lbmesh.model.route_rules import (
    FieldEdits,
    KeySource,
    Maintenance,
    Page,
    RateLimit,
    Redirect,
    RequestKey,
    RouteRules,
)
from lbmesh.routing.clients import Networks, client_key
from lbmesh.routing.field_edits import HEADS_REMEMBERED_MAX, FieldEditor
from lbmesh.routing.rate_limit import TokenBuckets
from lbmesh.routing.rules import Answer, KeyReader, ReadyRules
from lbmesh.routing.template import RESPONSE_VARIABLES, parse_template
from tests.support.asked import asked

ROUTE = Route(("*",), ("/",), (WeightedService("app"),))
LIMIT = RateLimit(1, 3600.0, 1, RequestKey(KeySource.ROUTE))
EVERYTHING = RouteRules(
    deny=("198.51.100.0/24",),
    maintenance=Maintenance(Page(503, "soon"), ("192.0.2.0/24",)),
    rate_limit=LIMIT,
    redirect=Redirect(scheme="https"),
    max_body_bytes=4,
)


def answer(rules: ReadyRules, client: str = "192.0.2.7", scheme: bytes = b"https", fields: str = "") -> Answer | None:
    return rules.answer(asked(fields=fields, client=client, scheme=scheme), 1.0)


def status(rules: ReadyRules, client: str = "192.0.2.7", scheme: bytes = b"https", fields: str = "") -> int | None:
    given = answer(rules, client, scheme, fields)
    return given.status if given else None


def test_rules_are_obeyed_in_their_order() -> None:
    rules = ReadyRules(ROUTE, EVERYTHING, TokenBuckets(replace(LIMIT, burst=4), 1))
    assert status(rules, "198.51.100.9") == 403
    assert status(rules, "203.0.113.1") == 503
    assert status(rules, scheme=b"http") == 308
    assert status(rules, fields="Content-Length: 5\r\n") == 413
    assert status(rules, fields="Content-Length: 4\r\n") is None
    assert status(rules) is None
    assert status(rules) == 429
    assert status(rules, "203.0.113.1") == 503


def test_a_redirect_without_a_service_behind_it_says_that_it_leads_nowhere() -> None:
    rules = RouteRules(redirect=Redirect(scheme="https"))
    alone = answer(ReadyRules(replace(ROUTE, services=()), rules, None))
    assert alone is not None
    assert (alone.status, alone.reason) == (500, "redirect_loop")
    assert status(ReadyRules(ROUTE, rules, None)) is None
    assert status(ReadyRules(ROUTE, replace(rules, respond=Page(404)), None)) == 404


def test_a_page() -> None:
    page = Page(200, "é", "text/plain", (("X-A", "b"),))
    given = answer(ReadyRules(ROUTE, RouteRules(respond=page), None))
    assert given is not None
    assert (given.status, given.reason, given.page) == (
        200,
        "",
        ((b"Content-Type: text/plain", b"X-A: b"), "é".encode()),
    )


@pytest.mark.parametrize(
    ("key", "fields", "client", "value"),
    [
        (RequestKey(KeySource.CLIENT), "", "192.0.2.7", b"a192.0.2.7"),
        (RequestKey(KeySource.CLIENT), "", "2001:db8:1:2:3:4:5:6", b"a2001:db8:1:2::/64"),
        (RequestKey(KeySource.ROUTE), "", "192.0.2.7", b""),
        (RequestKey(KeySource.HEADER, "X-Key"), "X-Key: a192.0.2.7\r\n", "192.0.2.8", b"va192.0.2.7"),
        (RequestKey(KeySource.HEADER, "X-Key"), "", "192.0.2.8", b"a192.0.2.8"),
        (RequestKey(KeySource.COOKIE, "sid"), "Cookie: sid=1\r\n", "192.0.2.8", b"v1"),
    ],
)
def test_whom_a_request_counts_for(key: RequestKey, fields: str, client: str, value: bytes) -> None:
    assert KeyReader(key).read(asked(fields=fields, client=client)) == value


def test_addresses_of_one_client() -> None:
    assert client_key("2001:db8::1") == client_key("2001:db8::ffff:1") != client_key("2001:db8:0:1::1")
    assert client_key("fe80::1%eth0") == "fe80::/64"
    assert client_key("192.0.2.1") != client_key("192.0.2.2")


def test_networks() -> None:
    networks = Networks(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"])
    for client, is_in in [("10.255.0.1", True), ("11.0.0.1", False), ("2001:db8::1", True), ("::1", False)]:
        for _ in range(2):
            assert (client in networks) is is_in
    assert "192.0.2.7" in networks
    assert not Networks([])
    assert "10.0.0.1" not in Networks([])


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("plain", b"plain"),
        ("{client_ip} {host} {port} {scheme} {path} {query} {request_id}", b"192.0.2.7 a.example 81 http /p ?q=1 id-1"),
        ("{{host}} {{{host}}}", b"{host} {a.example}"),
        ('{{"a":"{path}"}}', b'{"a":"/p"}'),
    ],
)
def test_templates(text: str, rendered: bytes) -> None:
    template = parse_template(text, RESPONSE_VARIABLES)
    assert template.render(asked("/p?q=1", "A.example:81"), b"id-1") == rendered


@pytest.mark.parametrize("text", ["{", "}", "{host", "host}", "{}", "{Host}", "{ host }", "{request_id}"])
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(ValueError, match=r"write"):
        parse_template(text, ("host", "path"))


HEAD = b"HTTP/1.1 200 OK\r\nServer: a\r\nX-A: 1\r\nSERVER: b\r\nVary: c\r\nX-Server: d\r\n"


@pytest.mark.parametrize(
    ("edits", "edited"),
    [
        (FieldEdits(remove=("server",)), b"HTTP/1.1 200 OK\r\nX-A: 1\r\nVary: c\r\nX-Server: d\r\n"),
        (FieldEdits(add=(("Vary", "e"),)), HEAD + b"Vary: e\r\n"),
        (
            FieldEdits(set=(("Vary", "{host}"), ("X-A", "{query}"))),
            HEAD.replace(b"Vary: c\r\n", b"").replace(b"X-A: 1\r\n", b"") + b"Vary: a.example\r\n",
        ),
        (
            FieldEdits((("Vary", "f"),), (("X-New", "g"),), ("Server", "X-A", "X-Server")),
            b"HTTP/1.1 200 OK\r\nVary: f\r\nX-New: g\r\n",
        ),
    ],
)
def test_field_edits(edits: FieldEdits, edited: bytes) -> None:
    editor = FieldEditor(edits)
    assert editor.edit(HEAD, asked()) == edited
    for _ in range(2):
        assert editor.edit_again(HEAD, asked(), b"id") == edited


def test_edited_heads_are_remembered_within_bounds_and_never_those_that_depend_on_the_request() -> None:
    constant = FieldEditor(FieldEdits(set=(("X-A", "1"),)))
    for number in range(2 * HEADS_REMEMBERED_MAX):
        head = b"HTTP/1.1 200 OK\r\nX-N: %d\r\n" % number
        assert constant.edit_again(head, asked(), b"id") == head + b"X-A: 1\r\n"
    by_request = FieldEditor(FieldEdits(set=(("X-Id", "{request_id}"),)))
    assert by_request.edit_again(HEAD, asked(), b"one").endswith(b"X-Id: one\r\n")
    assert by_request.edit_again(HEAD, asked(), b"two").endswith(b"X-Id: two\r\n")
