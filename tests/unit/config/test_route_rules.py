"""Each rule of a route: what it is read to, what breaks it, and in which words."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from lbmesh.config.load import load_settings, read_page
from lbmesh.config.route_rules import PAGE_BYTES_MAX, PAGES_BYTES_MAX
from lbmesh.config.routes import ROUTES_PER_PATH_MAX
from lbmesh.config.settings import Settings
from lbmesh.model.route import Conditions, Route, WeightedService
from lbmesh.model.route_rules import (
    FieldEdits,
    KeySource,
    Maintenance,
    Mirror,
    Page,
    RateLimit,
    Redirect,
    RequestKey,
    Rewrite,
    RouteRules,
    RouteTimeouts,
)
from tests.support.config_text import BASE, FILES, parse

NEXT = '[[service]]\nname = "next"\npaths = ["/next"]\nreplicas = [{ address = "10.0.1.30:80", zone = "z" }]\n'
FIRST_LINE = (BASE + NEXT).count("\n") + 2
PAGES = {**FILES, "/page.html": "<p>é", "/page.txt": "text", "/big": "x" * (PAGES_BYTES_MAX // 2 + 1)}
NO_STORE, RETRY_AFTER = ("Cache-Control", "no-store"), ("Retry-After", "90")
TEXT, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
DOWN = "Down for maintenance. Please try again later.\n"
CLIENT = RequestKey(KeySource.CLIENT)


def parsed(rules: str, services: str = '[{ name = "shop" }]') -> Settings | list[str]:
    """Settings with one more route, or the errors with their lines counted from the line after its header."""
    lead = f"services = {services}\n" if services else ""
    found = parse(f"{BASE}{NEXT}[[route]]\n{rules}\n{lead}", files=PAGES)
    if isinstance(found, Settings):
        return found
    return [f"{error.line - FIRST_LINE + 1}: {error}".replace(f"x.toml:{error.line}: ", "", 1) for error in found]


def route_of(rules: str, services: str = '[{ name = "shop" }]') -> Route:
    settings = parsed(rules, services)
    assert isinstance(settings, Settings), settings
    return settings.routes[0]


READ = [
    ('allow = ["10.0.0.0/8", "::1"]\ndeny = ["10.1.0.0/16"]', RouteRules(("10.0.0.0/8", "::1/128"), ("10.1.0.0/16",))),
    ("maintenance = true", RouteRules(maintenance=Maintenance(Page(503, DOWN, TEXT, (NO_STORE,))))),
    ("maintenance = false\nmax_body = '0B'", RouteRules(max_body_bytes=0)),
    (
        'maintenance = { file = "/page.html", retry_after = "90s", allow = ["10.0.0.0/8"] }',
        RouteRules(
            maintenance=Maintenance(Page(503, "<p>é", HTML, (NO_STORE, ("Retry-After", "90"))), ("10.0.0.0/8",))
        ),
    ),
    (
        'maintenance = { body = "soon", type = "text/markdown", until = 2026-07-01T08:00:00+02:00 }',
        RouteRules(
            maintenance=Maintenance(
                Page(503, "soon", "text/markdown", (NO_STORE, ("Retry-After", "Wed, 01 Jul 2026 06:00:00 GMT")))
            )
        ),
    ),
    ("rate_limit = { requests = 100 }", RouteRules(rate_limit=RateLimit(100, 1.0, 100, CLIENT))),
    (
        'rate_limit = { requests = 5, per = "1m", burst = 9, by = "route" }',
        RouteRules(rate_limit=RateLimit(5, 60.0, 9, RequestKey(KeySource.ROUTE))),
    ),
    (
        'rate_limit = { requests = 5, by = { header = "X-Api-Key" } }',
        RouteRules(rate_limit=RateLimit(5, 1.0, 5, RequestKey(KeySource.HEADER, "X-Api-Key"))),
    ),
    ('redirect = { scheme = "https" }', RouteRules(redirect=Redirect(308, scheme="https"))),
    (
        'redirect = { status = 302, host = "WWW.example", port = 8080, prefix = "/new/" }',
        RouteRules(redirect=Redirect(302, None, None, "www.example", 8080, None, "/new")),
    ),
    (
        'redirect = { to = "https://{host}{path}{query}" }',
        RouteRules(redirect=Redirect(308, "https://{host}{path}{query}")),
    ),
    ('max_body = "10MiB"', RouteRules(max_body_bytes=10 * 1024 * 1024)),
    ('rewrite = { prefix = "/", host = "a:80" }', RouteRules(rewrite=Rewrite("/", host="a:80"))),
    ('rewrite = { path = "/x/" }', RouteRules(rewrite=Rewrite(path="/x/"))),
    (r"rewrite = { regex = '^/(\d+)$', to = '/n/\1' }", RouteRules(rewrite=Rewrite(regex=r"^/(\d+)$", to=r"/n/\1"))),
    (
        'request_headers = { set = { X-Real-IP = "{client_ip}" }, add = { X-A = "{{}}" }, remove = ["Cookie"] }',
        RouteRules(request_headers=FieldEdits((("X-Real-IP", "{client_ip}"),), (("X-A", "{{}}"),), ("Cookie",))),
    ),
    (
        'response_headers.set = { X-Request-Id = "{request_id}" }',
        RouteRules(response_headers=FieldEdits((("X-Request-Id", "{request_id}"),))),
    ),
    ('mirror = { service = "next" }', RouteRules(mirror=Mirror("next"))),
    (
        'mirror = { service = "next", percent = 0.5, methods = "all" }',
        RouteRules(mirror=Mirror("next", 0.5, all_methods=True)),
    ),
    (
        'timeouts = { response = "1m", request = "2m" }\nretries = 0',
        RouteRules(timeouts=RouteTimeouts(response_s=60.0, request_s=120.0), retries=0),
    ),
]


@pytest.mark.parametrize(("written", "rules"), READ, ids=[written for written, _ in READ])
def test_rules_are_read(written: str, rules: RouteRules) -> None:
    assert route_of(written) == Route(("*",), ("/",), (WeightedService("shop"),), rules=rules)


def test_every_rule_has_an_example() -> None:
    shown = {each.name for each in fields(RouteRules) for _, rules in READ if getattr(rules, each.name) is not None}
    assert shown >= {each.name for each in fields(RouteRules)} - {"respond", "split_by"}


def test_answers_need_no_service_and_splits_need_two() -> None:
    page = 'respond = { status = 404, body = "no", headers = { X-A = "b" } }'
    assert route_of(page, "").rules == RouteRules(respond=Page(404, "no", TEXT, (("X-A", "b"),)))
    assert route_of("respond = { status = 204 }", "").rules == RouteRules(respond=Page(204))
    assert route_of('redirect = { path = "/x" }', "").services == ()
    both = '[{ name = "shop" }, { name = "next" }]'
    assert route_of('split_by = "client"', both).rules == RouteRules(split_by=CLIENT)
    by_cookie = RequestKey(KeySource.COOKIE, "sid")
    assert route_of('split_by = { cookie = "sid" }', both).rules == RouteRules(split_by=by_cookie)


def test_conditions() -> None:
    route = route_of(
        'exact_paths = ["/a/", "/b"]\nmethods = ["GET", "PUT", "GET"]\nheaders = { X-A = true, X-B = "1" }'
    )
    assert (route.paths, route.exact_paths) == ((), ("/a/", "/b"))
    assert route.conditions == Conditions(("GET", "PUT"), (("X-A", None), ("X-B", "1")))
    assert route_of('query = { a = "1", A = true }').conditions == Conditions(query=(("a", "1"), ("A", None)))
    assert route_of('exact_paths = ["/a"]\npaths = ["/b"]').paths == ("/b",)


def test_a_service_in_maintenance_by_its_own_route() -> None:
    found = parse(BASE.replace('name = "shop"', 'name = "shop"\nmaintenance = true'))
    assert isinstance(found, Settings)
    assert found.routes[0].rules == RouteRules(maintenance=Maintenance(Page(503, DOWN, TEXT, (NO_STORE,))))


def test_a_service_that_only_copies_lead_to_needs_no_route() -> None:
    text = BASE + NEXT.replace('paths = ["/next"]\n', "")
    mirror = '[[route]]\npaths = ["/m"]\nservices = [{ name = "shop" }]\nmirror = { service = "next" }\n'
    assert not isinstance(parse(text), Settings)
    assert isinstance(parse(text + mirror), Settings)


CONNECTION = "it is for one connection, and never passed on (RFC 9110, 7.6.1); remove this"
FRAMING = "it says where the message ends, which lbmesh alone decides (RFC 9112, 6); remove this"
OWN = "lbmesh puts this field in itself; remove this, or write another name"
FIELD_VALUE = "write a text of 1 to 1024 printable ASCII characters, no blank at either end"
FIELD_NAME = 'write a field name such as "X-Check": letters, digits and "-", at most 64'
PATH = 'write a path that starts with "/", without query or blanks, such as "/healthz"'
NETWORK = 'write a network such as "10.0.0.0/8" or "2001:db8::/32", or one address'
SIZE = 'write a size such as "512B", "64KiB", "10MiB" or "1GiB", at most "1024GiB"'
URL = (
    'write a URL such as "https://{host}{path}{query}", or a path such as "/new{path}": a host is written out or '
    '{host}, and what follows it begins with "/", "?", {path} or {query}'
)

# fmt: off
BROKEN = [
    # Conditions.
    ('methods = ["get"]', '1: route #1: methods[#1]: found "get"; write a method in capitals, such as "GET"'),
    ("methods = []", '1: route #1: methods: found an empty array; write an array such as ["GET"]'),
    ('headers = { Host = "a" }', "1: route #1: headers.Host: write hosts of the route instead"),
    ("headers = { TE = true }",
     ("1: route #1: headers.TE: requests are routed without this field, which means nothing beyond one connection; "
      "remove it")),
    ("headers = { X-A = 1 }", f"1: route #1: headers.X-A: {FIELD_VALUE}; or true for any value"),
    ('query = { "a b" = true }',
     '1: route #1: query."a b": write the name of an argument such as "beta": letters, digits and -._~, at most 64'),
    ('exact_paths = ["/a/../b"]',
     ('1: route #1: exact_paths[#1]: found "/a/../b"; requests are compared without such spellings: write "/b"')),
    # Access.
    ('allow = ["10.0.0.1/8"]',
     ('1: route #1: allow[#1]: found "10.0.0.1/8"; the address has bits beyond /8: write "10.0.0.0/8", or "10.0.0.1" '
      "for it alone")),
    ('deny = ["localhost"]', f'1: route #1: deny[#1]: found "localhost"; {NETWORK}'),
    ("deny = [10]", f"1: route #1: deny[#1]: found 10; {NETWORK}"),
    # Pages.
    ('maintenance = "yes"', '1: route #1: maintenance: found "yes"; write a table: maintenance = { … }, or true'),
    ('maintenance = { until = "2026-07-01" }',
     ('1: route #1: maintenance.until: found "2026-07-01"; write a date and time with its offset, without quotes, such '
      'as 2026-07-01T06:00:00Z')),
    ("maintenance = { until = 2026-07-01T06:00:00 }",
     ("1: route #1: maintenance.until: found 2026-07-01T06:00:00; write a date and time with its offset, without "
      "quotes, such as 2026-07-01T06:00:00Z")),
    ('maintenance = { until = 2026-07-01T06:00:00Z, retry_after = "1m" }',
     "1: route #1: maintenance.retry_after: until says it already; remove one of the two"),
    ('maintenance = { file = "/none" }',
     "1: route #1: maintenance.file: there is no file /none; make it, or write the path of the page"),
    ('maintenance = { file = "/page.html", body = "x" }',
     ("1: route #1: maintenance.file: there is a body already; write one of body and file, and remove the other")),
    ('maintenance = { type = "html" }',
     '1: route #1: maintenance.type: found "html"; write a media type such as "text/html; charset=utf-8"'),
    ('maintenance = { page = "/x" }',
     ("1: route #1: maintenance.page: unknown key; remove it, or write one of allow, body, "
      "file, retry_after, type, until")),
    # Rate limits.
    ("rate_limit = {}", "1: route #1: rate_limit.requests: missing; write requests = 100"),
    ("rate_limit = { requests = 0 }",
     "1: route #1: rate_limit.requests: found 0; write a whole number from 1 to 1000000"),
    ("rate_limit = { requests = 1, per = 1 }",
     '1: route #1: rate_limit.per: found 1; write a duration such as "250ms", "2s", "1m"'),
    ('rate_limit = { requests = 1, by = "ip" }',
     '1: route #1: rate_limit.by: found "ip"; write one of "client", "route", { header = "…" }, { cookie = "…" }'),
    ("rate_limit = { requests = 1, by = 1 }",
     ('1: route #1: rate_limit.by: found 1; write one of "client", "route", { header = "…" }, { cookie = "…" }')),
    ("rate_limit = { requests = 1, by = {} }",
     '1: route #1: rate_limit.by: write one of "client", "route", { header = "…" }, { cookie = "…" }'),
    ('rate_limit = { requests = 1, by = { header = "a b" } }',
     '1: route #1: rate_limit.by.header: found "a b"; write a name of letters, digits and -._~, at most 64'),
    # Redirects.
    ("redirect = {}",
     ('1: route #1: redirect: write where to, such as scheme = "https", or to = "https://{host}{path}{query}"')),
    ('redirect = { scheme = "https", status = 300 }',
     "1: route #1: redirect.status: found 300; write one of 301, 302, 303, 307, 308"),
    ('redirect = { scheme = "ftp" }', '1: route #1: redirect.scheme: found "ftp"; write one of "https", "http"'),
    ('redirect = { host = "*.a" }',
     '1: route #1: redirect.host: found "*.a"; write a host such as "www.example.com"'),
    ('redirect = { path = "/a", prefix = "/b" }',
     "1: route #1: redirect.prefix: path replaces all of it; remove one of the two"),
    ('redirect = { to = "/a", scheme = "https" }',
     "1: route #1: redirect.scheme: `to` is the whole URL; write this there, or remove `to`"),
    ('redirect = { to = "https://{path}" }', f'1: route #1: redirect.to: found "https://{{path}}"; {URL}'),
    ('redirect = { to = "https://a\\r\\nX: b" }', f'1: route #1: redirect.to: found "https://a\\r\\nX: b"; {URL}'),
    ('redirect = { to = "/{user}" }',
     ('1: route #1: redirect.to: found "/{user}"; no such variable here: write one of {host}, {port}, {scheme}, '
      '{path}, {query}, or "{{" for a brace')),
    # Sizes.
    ("max_body = 10", f"1: route #1: max_body: found 10; {SIZE}"),
    ('max_body = "10MB"', f'1: route #1: max_body: found "10MB"; {SIZE}'),
    ('max_body = "1025GiB"', f'1: route #1: max_body: found "1025GiB"; {SIZE}'),
    # Splits.
    ('split_by = "client"',
     "1: route #1: split_by: there is one service, and nothing to split; remove this, or write another service"),
    # Rewrites.
    ("rewrite = {}",
     '1: route #1: rewrite: write what to change, such as prefix = "/new" or host = "internal.example"'),
    ('rewrite = { prefix = "x" }', f'1: route #1: rewrite.prefix: found "x"; {PATH}'),
    ('rewrite = { path = "/a?b" }', f'1: route #1: rewrite.path: found "/a?b"; {PATH}'),
    ('rewrite = { prefix = "/a", path = "/b" }',
     "1: route #1: rewrite.path: there is prefix already; write one of prefix, path and regex"),
    ('rewrite = { regex = "a" }',
     r"1: route #1: rewrite.to: missing; write what its matches become, such as to = '/items/\1'"),
    ('rewrite = { to = "/a" }',
     r"1: route #1: rewrite.regex: missing; write what `to` replaces, such as regex = '^/item/(\d+)$'"),
    ('rewrite = { regex = "(", to = "/" }',
     '1: route #1: rewrite.regex: found "("; not a regular expression: missing ) at position 1; correct it'),
    ('rewrite = { regex = "a", to = "/ b" }',
     (r"""1: route #1: rewrite.to: found "/ b"; write characters of a path, and groups as \1 or \g<name>, such as """
      r"'/items/\1'")),
    (r"rewrite = { regex = '(a)', to = '/\1\2' }",
     r'1: route #1: rewrite.to: found "/\\1\\2"; regex has no group \2; write one that it has'),
    (r"rewrite = { regex = '(?P<a>a)', to = '/\g<b>' }",
     r'1: route #1: rewrite.to: found "/\\g<b>"; regex has no group \g<b>; write one that it has'),
    ('rewrite = { host = "a/b" }',
     ('1: route #1: rewrite.host: found "a/b"; write a host such as "shop.internal", "shop.internal:8080" or '
      '"[2001:db8::1]:8080"')),
    # Edits.
    ("request_headers = {}",
     '1: route #1: request_headers: write set = { X-Name = "value" }, add = { … } or remove = ["X-Name"]'),
    ('request_headers = { set = { Host = "a" } }',
     '1: route #1: request_headers.set.Host: write rewrite = { host = "internal.example" } instead'),
    ('request_headers = { set = { Content-Length = "1" } }',
     f"1: route #1: request_headers.set.Content-Length: {FRAMING}"),
    ('request_headers = { add = { transfer_encoding = "chunked" } }',
     f"1: route #1: request_headers.add.transfer_encoding: {FRAMING}"),
    ('request_headers = { remove = ["Connection"] }',
     f'1: route #1: request_headers.remove[#1]: found "Connection"; {CONNECTION}'),
    ('request_headers = { set = { X-Forwarded-For = "1" } }',
     f"1: route #1: request_headers.set.X-Forwarded-For: {OWN}"),
    ('request_headers = { set = { X_Real_IP = "1" } }', f"1: route #1: request_headers.set.X_Real_IP: {OWN}"),
    ('request_headers = { remove = ["X-Request-Id"] }',
     f'1: route #1: request_headers.remove[#1]: found "X-Request-Id"; {OWN}'),
    ('request_headers = { set = { Expect = "x" } }',
     ("1: route #1: request_headers.set.Expect: lbmesh answers for what a request expects (RFC 9110, 10.1.1); "
      "remove this")),
    ('request_headers = { set = { "X Y" = "1" } }', f'1: route #1: request_headers.set."X Y": {FIELD_NAME}'),
    ('request_headers = { set = { X-A = "a\\r\\nB: c" } }', f"1: route #1: request_headers.set.X-A: {FIELD_VALUE}"),
    ('request_headers = { set = { X-A = "{request_id}" } }',
     ("1: route #1: request_headers.set.X-A: no such variable here: write one of {client_ip}, {host}, {port}, "
      '{scheme}, {path}, {query}, or "{{" for a brace')),
    ('request_headers = { set = { X-A = "a}" } }',
     ('1: route #1: request_headers.set.X-A: a brace without its other one: write "{{" or "}}" for a brace')),
    ('request_headers = { set = { X-A = "1" }, remove = ["Cookie", "x-a"] }',
     ('1: route #1: request_headers.remove[#2]: found "x-a"; set takes away what came under this name already; remove '
      "one of the two")),
    ('response_headers = { add = { Vary = "1" }, remove = ["Vary"] }',
     ('1: route #1: response_headers.remove[#1]: found "Vary"; add has this field as well; write it under set alone, '
      "which replaces what came")),
    ("request_headers = { remove = [1] }",
     '1: route #1: request_headers.remove[#1]: found 1; write a field name such as "Server"'),
    ('response_headers = { set = { Trailer = "a" } }', f"1: route #1: response_headers.set.Trailer: {FRAMING}"),
    ('response_headers = { set = { Keep-Alive = "a" } }',
     f"1: route #1: response_headers.set.Keep-Alive: {CONNECTION}"),
    ('response_headers = { remove = ["Via"] }',
     ('1: route #1: response_headers.remove[#1]: found "Via"; lbmesh puts this field in itself (RFC 9110, 7.6.3); '
      'remove this')),
    # Mirrors and policies.
    ("mirror = {}", '1: route #1: mirror.service: missing; write service = "shop-next"'),
    ('mirror = { service = "nxt" }', '1: route #1: mirror.service: found "nxt"; no such service; write "next"'),
    ('mirror = { service = "shop" }',
     '1: route #1: mirror.service: found "shop"; the route leads there already; write another service'),
    ('mirror = { service = "next", percent = 0 }',
     "1: route #1: mirror.percent: found 0; write a number above 0, and at most 100"),
    ('mirror = { service = "next", methods = "POST" }',
     '1: route #1: mirror.methods: found "POST"; write one of "safe", "all"'),
    ("retries = 11", "1: route #1: retries: found 11; write a whole number from 0 to 10"),
    ('timeouts = { total = "1s" }',
     ("1: route #1: timeouts.total: unknown key; remove it, or write one of connect, idle, request, response, "
      "tunnel")),
]
# fmt: on


@pytest.mark.parametrize(("rules", "error"), BROKEN, ids=[error for _, error in BROKEN])
def test_a_broken_rule_is_the_one_error(rules: str, error: str) -> None:
    assert parsed(rules) == [error]


@pytest.mark.parametrize(
    ("rules", "services", "error"),
    [
        (
            "respond = {}",
            '[{ name = "shop" }]',
            "2: route #1: services: respond answers every request; remove one of the two",
        ),
        (
            'respond = {}\nrewrite = { path = "/" }',
            "",
            "2: route #1: rewrite: respond answers every request before this; remove one of the two",
        ),
        (
            'respond = { status = 204, body = "x" }',
            "",
            "1: route #1: respond.status: an answer with status 204 has no body (RFC 9110, 15); remove one of the two",
        ),
        (
            "retries = 1",
            "",
            '0: route #1: services: a route needs a service; write services = [{ name = "shop" }]',
        ),
    ],
)
def test_what_leads_nowhere(rules: str, services: str, error: str) -> None:
    assert parsed(rules, services) == [error]


def two_routes(first: str, second: str) -> list[str]:
    routes = "".join(f'[[route]]\nservices = [{{ name = "shop" }}]\n{conditions}\n' for conditions in (first, second))
    found = parse(BASE + routes, files=PAGES)
    return [] if isinstance(found, Settings) else [str(error).removeprefix("x.toml:") for error in found]


@pytest.mark.parametrize(
    ("first", "second", "is_clear"),
    [
        ('headers = { X-A = "1" }', "", True),
        ('headers = { X-A = "1" }', 'headers = { X-A = "2" }', True),
        ('headers = { X-A = "1" }', "headers = { X-A = true }", False),
        ('headers = { X-A = "1" }', 'headers = { X-B = "1" }', False),
        ('headers = { X-A = "1" }', 'headers = { X-A = "1", X-B = true }', True),
        ('headers = { X-A = "1" }', 'methods = ["GET"]', True),
        ('methods = ["GET"]', 'methods = ["PUT", "GET"]', False),
        ('methods = ["GET"]', 'methods = ["PUT"]', True),
        ('query = { a = "1" }', "headers = { X-A = true }", True),
        ('paths = ["/a"]', 'exact_paths = ["/a"]', True),
        ('exact_paths = ["/a"]', 'exact_paths = ["/b", "/a"]', False),
        ('paths = ["/a"]\nheaders = { X-A = "1" }', 'paths = ["/b"]\nheaders = { X-B = "1" }', True),
    ],
)
def test_of_two_routes_for_a_path_one_goes_first_or_it_is_an_error(first: str, second: str, is_clear: bool) -> None:
    for routes in ((first, second), (second, first)):
        errors = two_routes(*routes)
        assert not errors if is_clear else len(errors) == 1 and re.search("may fit|already belongs", errors[0])


def test_how_it_is_said_that_a_request_may_fit_two_routes() -> None:
    lines = BASE.count("\n")
    (error,) = two_routes('headers = { X-A = "1" }', 'paths = ["/"]\nheaders = { X-B = "1" }')
    assert error == (
        f'{lines + 6}: route #2: paths: a request for host "*" with path "/" may fit route #1 in line {lines + 1} as '
        "well, which asks for as much; ask for more here or there"
    )


def test_the_routes_of_one_path_are_bounded() -> None:
    routes = "".join(
        f'[[route]]\nservices = [{{ name = "shop" }}]\nheaders = {{ X-A = "{number}" }}\n'
        for number in range(ROUTES_PER_PATH_MAX + 1)
    )
    found = parse(BASE + routes)
    assert not isinstance(found, Settings)
    assert [error.message for error in found] == [
        f'more than {ROUTES_PER_PATH_MAX} routes for host "*" with path "/"; write fewer'
    ]


def test_all_pages_together_are_bounded() -> None:
    pages = "".join(f'[[route]]\npaths = ["/{name}"]\nrespond = {{ file = "/big" }}\n' for name in "ab")
    found = parse(BASE + pages, files=PAGES)
    assert not isinstance(found, Settings)
    assert [(error.path, error.message) for error in found] == [
        ("route[#2]", f"the pages of all routes have more than {PAGES_BYTES_MAX} bytes; write smaller ones")
    ]


def test_a_page_on_disk_is_utf_8_and_bounded(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(b"x" * PAGE_BYTES_MAX)
    assert len(read_page(page)) == PAGE_BYTES_MAX
    page.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_page(page)
    page.write_bytes(b"x" * (PAGE_BYTES_MAX + 1))
    with pytest.raises(OSError, match="larger than"):
        read_page(page)


def test_a_file_with_a_page_loads(tmp_path: Path) -> None:
    page = tmp_path / "down.html"
    page.write_text("<p>down")
    file = tmp_path / "lbmesh.toml"
    file.write_text(
        '[node]\nname = "a"\nzone = "z"\n[[listener]]\nbind = "127.0.0.1:0"\n'
        '[[service]]\nname = "shop"\nhosts = ["*"]\n'
        f'replicas = [{{ address = "10.0.0.1:80", zone = "z" }}]\nmaintenance = {{ file = "{page}" }}\n'
    )
    loaded = load_settings(file)
    assert isinstance(loaded, Settings), loaded
    rules = loaded.routes[0].rules
    assert rules is not None
    assert rules.maintenance is not None
    assert rules.maintenance.page.body == "<p>down"
