"""Where a client is sent."""

import pytest

from lbmesh.model.route import Route
from lbmesh.model.route_rules import Redirect
from lbmesh.routing.redirect import Redirector, parse_redirect_target
from tests.support.asked import asked

ROUTE = Route(("*",), ("/old",), ())


def location(redirect: Redirect, target: str, host: str = "Shop.example", scheme: bytes = b"http") -> str | None:
    found = Redirector(ROUTE, redirect).location(asked(target, host, scheme=scheme))
    return None if found is None else found.decode()


@pytest.mark.parametrize(
    ("redirect", "target", "host", "found"),
    [
        (Redirect(scheme="https"), "/a%20b//c?d", "Shop.example", "https://shop.example/a%20b//c?d"),
        (Redirect(scheme="https"), "/", "shop.example:8080", "https://shop.example/"),
        (Redirect(scheme="https", port=8443), "/", "shop.example:8080", "https://shop.example:8443/"),
        (Redirect(host="www.example"), "/?a", "shop.example:8080", "http://www.example:8080/?a"),
        (Redirect(port=80), "/", "shop.example:8080", "http://shop.example/"),
        (Redirect(prefix="/new"), "/old/x?y=[", "a:80", "http://a/new/x?y=%5B"),
        (Redirect(prefix="/new"), "//old/../old/x", "a", "http://a/new/x"),
        (Redirect(path="/gone"), "/old/x?y", "a", "http://a/gone?y"),
        (Redirect(scheme="https"), "/x", "[::1]:80", "https://[::1]/x"),
        (Redirect(to="https://{host}{path}{query}"), "/x?y", "a", "https://a/x?y"),
        (Redirect(to="https://{host}:{port}{path}"), "/x?y", "a:81", "https://a:81/x"),
        (Redirect(to="{scheme}://www.{host}/"), "/x?y", "a", None),
        (Redirect(to="/new{path}"), "/x?y", "a", "/new/x"),
        (Redirect(to="/{path}"), "//evil.example/x", "a", "/evil.example/x"),
        (Redirect(to="{scheme}://{host}/x#y"), "*", "a", "http://a/x#y"),
        (Redirect(scheme="https"), "b.example:443", "b.example:443", "https://b.example/"),
        (Redirect(to="https://b?next={path}{query}"), "/x?a={b}", "a", "https://b?next=/x?a=%7Bb%7D"),
    ],
)
def test_locations(redirect: Redirect, target: str, host: str, found: str | None) -> None:
    if found is None:
        with pytest.raises(ValueError, match="write a URL"):
            location(redirect, target, host)
    elif not target.startswith("/"):
        method = "OPTIONS" if target == "*" else "CONNECT"
        assert Redirector(ROUTE, redirect).location(asked(target, host, method=method)) == found.encode()
    else:
        assert location(redirect, target, host) == found


@pytest.mark.parametrize(
    ("redirect", "target", "host", "scheme"),
    [
        (Redirect(scheme="https"), "/a//b?c", "Shop.example", b"https"),
        (Redirect(scheme="https"), "/", "a:8443", b"https"),
        (Redirect(to="https://{host}{path}{query}"), "/x?y", "a:443", b"https"),
        (Redirect(to="https://{host}:443{path}{query}"), "/x?y", "a", b"https"),
        (Redirect(to="/x"), "/x", "a", b"http"),
        (Redirect(host="a"), "/x?y", "A.", b"http"),
    ],
)
def test_nobody_is_sent_where_he_is(redirect: Redirect, target: str, host: str, scheme: bytes) -> None:
    assert location(redirect, target, host, scheme) is None


@pytest.mark.parametrize(
    "to",
    [
        *["", "x", "//evil.example", "https://", "https://{path}", "https://{host}{host}", "https://a{host}/"],
        *["ftp://a/", "javascript:x", "https://a@b/", "https://{query}@evil/", "https://a:{query}", "https:///x"],
        *["/ x", "/\\x", "/\r\nX: y", "/é", "/%4", "https://a.example{port}/", "https://*.example/", "/{client_ip}"],
    ],
)
def test_what_is_no_url_or_lets_a_path_name_the_host(to: str) -> None:
    with pytest.raises(ValueError, match=r"write"):
        parse_redirect_target(to)
