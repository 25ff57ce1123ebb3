"""What a replica is asked for instead."""

import pytest

from lbmesh.model.route import Route, WeightedService
from lbmesh.model.route_rules import Rewrite
from lbmesh.routing.rewrite import RequestRewriter, RewriteFailed
from tests.support.asked import a_head

ROUTE = Route(("*",), ("/api", "/api/old", "/"), (WeightedService("app"),), ("/health/",))


def target(rewrite: Rewrite, asked_for: str, method: str = "GET") -> str:
    head = a_head(asked_for, fields="X-Host: b\r\n", method=method)
    rewritten = RequestRewriter(ROUTE, rewrite).rewrite(head)
    assert isinstance(rewritten, bytes), rewritten
    start_line, _, fields = rewritten.partition(b"\r\n")
    assert fields == head.head.partition(b"\r\n")[2]
    line_method, sent, version = start_line.decode().split(" ")
    assert (line_method, version) == (method, "HTTP/1.1")
    return sent


@pytest.mark.parametrize(
    ("prefix", "asked_for", "sent"),
    [
        ("/new", "/api/x", "/new/x"),
        ("/new", "/api", "/new"),
        ("/new", "/api/?a/api", "/new/?a/api"),
        ("/new", "/api/old/x", "/new/x"),
        ("/new", "/api/older", "/new/older"),
        ("/new", "/apis", "/new/apis"),
        ("/new", "/", "/new/"),
        ("/new", "/health/", "/new"),
        ("/", "/api/x", "/x"),
        ("/", "/api", "/"),
        ("/", "/api?q", "/?q"),
        ("/", "/api/", "/"),
        ("/new", "/api/%2e%2E/%61pi/x%2fy", "/new/x%2Fy"),
        ("/new", "/api/x/..", "/new/"),
    ],
)
def test_a_prefix(prefix: str, asked_for: str, sent: str) -> None:
    assert target(Rewrite(prefix=prefix), asked_for) == sent


def test_a_whole_path_and_what_has_none() -> None:
    assert target(Rewrite(path="/x/"), "/a/b?c=/d") == "/x/?c=/d"
    assert target(Rewrite(path="/x/"), "*", "OPTIONS") == "*"


@pytest.mark.parametrize(
    ("regex", "to", "asked_for", "sent"),
    [
        (r"^/item/(\d+)$", r"/items/\1", "/item/7?a=1", "/items/7?a=1"),
        (r"^/item/(?P<id>\d+)$", r"/show?id=\g<id>", "/item/7", "/show?id=7"),
        (r"^/item/(\d+)$", r"/show?id=\1", "/item/7?a=1", "/show?id=7&a=1"),
        (r"^/item/(\d+)$", r"/x", "/item//%41/../x?a", "/item//%41/../x?a"),
        (r"-", "_", "/a-b-c", "/a_b_c"),
        (r"\.html$", "", "//a.html", "/a"),
    ],
)
def test_a_pattern(regex: str, to: str, asked_for: str, sent: str) -> None:
    assert target(Rewrite(regex=regex, to=to), asked_for) == sent


@pytest.mark.parametrize(
    ("regex", "to", "asked_for", "status"),
    [
        (r"^/out(.*)", r"/files/\1", "/out../etc", 400),
        (r"^/out(.*)", r"/files/\1", "/out/a", 400),
        (r"^/", "", "/x", 500),
        (r"(%.).*", r"\1", "/a%2Fb", 500),
        (r"x", "x" * 2000, "/" + "x" * 20, 500),
        (r"^/(a|aa)+$", "/x", "/" + "a" * 300 + "!", 500),
    ],
)
def test_what_would_be_no_path_is_no_request(regex: str, to: str, asked_for: str, status: int) -> None:
    failed = RequestRewriter(ROUTE, Rewrite(regex=regex, to=to)).rewrite(a_head(asked_for))
    assert isinstance(failed, RewriteFailed)
    assert failed.status == status


def test_whom_a_tunnel_is_for_stays() -> None:
    head = a_head("b.example:443", host="b.example:443", method="CONNECT")
    assert RequestRewriter(ROUTE, Rewrite(path="/x", host="internal.example")).rewrite(head) == head.head


def test_another_host_and_nothing_else() -> None:
    head = a_head("/a%20b?c", fields="X-Host: Host: b\r\n")
    rewritten = RequestRewriter(ROUTE, Rewrite(host="internal.example:8080")).rewrite(head)
    assert rewritten == head.head.replace(b"\nHost: a.example\r", b"\nHost: internal.example:8080\r")
