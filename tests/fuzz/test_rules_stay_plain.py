"""No rule that a configuration can say turns a head that was accepted into one that anybody reads otherwise."""

import re
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from hypothesis import assume, given
from hypothesis import strategies as st

from lbmesh.config import route_values
from lbmesh.config.health_values import authority
from lbmesh.config.values import path_prefix
from lbmesh.http1 import h11_lane
from lbmesh.http1.fields import HOP_BY_HOP
from lbmesh.http1.message import RequestHead, ResponseHead
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.route_rules import FieldEdits, Redirect, Rewrite, RouteRules
from lbmesh.routing.asked import Asked
from lbmesh.routing.field_edits import FieldEditor
from lbmesh.routing.path import routing_path
from lbmesh.routing.redirect import Redirector
from lbmesh.routing.rules import Answer, ReadyRules
from lbmesh.routing.template import REQUEST_VARIABLES, RESPONSE_VARIABLES
from tests.support.fuzz import fuzz_profile
from tests.support.heads import NAMES, request_data, response_data

ROUTE = Route(("*",), ("/", "/a", "/long/long"), (WeightedService("app"),), ("/a/b.html",))
KNOWN_NAMES = sorted(
    {name.decode() for name in (*NAMES, *HOP_BY_HOP, b"x-forwarded-for", b"forwarded")}
    | {"Host", "Content-Length", "Transfer-Encoding", "Trailer", "Expect", "X-Request-Id", "Set-Cookie", "X_Real_IP"}
    | {"content_length", "TRANSFER_encoding", "Date", "Server", "X-New"}
)
"""But X-Real-IP: a rule may set it, and no client."""

VALUES = ["x", "a, b", "{host}{path}{query}", "{client_ip}", "{{}}:{port}", '"{query}"', "~"]


def accepted(name: str, judge: Callable[[str], str]) -> bool:
    try:
        judge(name)
    except ValueError:
        return False
    return True


def edits(judge: Callable[[str], str], variables: tuple[str, ...]) -> st.SearchStrategy[FieldEdits]:
    """All that config takes: what it refuses is left out of the examples by its own word."""
    names = st.sampled_from([name for name in KNOWN_NAMES if accepted(name, judge)])
    values = st.sampled_from([route_values.template(variables)(value) for value in VALUES])
    some = st.lists(st.tuples(names, values), max_size=3).map(tuple)
    return st.builds(FieldEdits, some, some, st.lists(names, max_size=3).map(tuple))


REWRITES = st.none() | st.one_of(
    st.builds(
        lambda prefix, host: Rewrite(prefix=path_prefix(prefix), host=host and authority(host)),
        st.sampled_from(["/", "/new", "/new/deep", "/%2F"]),
        st.sampled_from([None, "internal.example", "[::1]:80", "a:8080"]),
    ),
    st.builds(
        lambda path: Rewrite(path=route_values.exact_path(path)), st.sampled_from(["/", "/x", "/x/", "/%2F;a=1"])
    ),
    st.builds(
        lambda pattern, to: Rewrite(regex=pattern, to=route_values.replacement(to)),
        st.sampled_from(["^/a(.*)$", "^(/)(.?)", "(%)", "(l)", "(.)", "(?<=%4)1(x?)"]),
        st.sampled_from([r"\1", r"/x\1", r"/\1?y=1", "", "%20", "/", r"\1\1"]),
    ),
)


def lines_of(head: bytes) -> tuple[bytes, list[bytes]]:
    """Start line and fields; an offer of another protocol comes last, wherever it stood."""
    start_line, *fields = head.split(b"\r\n")
    return start_line, sorted(fields)


def test_requests() -> None:
    seen: Counter[str] = Counter()

    @fuzz_profile()
    @given(request_data(), REWRITES, st.none() | edits(route_values.request_field_name, REQUEST_VARIABLES))
    def stay_plain(data: bytes, rewrite: Rewrite | None, edits: FieldEdits | None) -> None:
        head = h11_lane.parse_request(data[: data.find(b"\r\n\r\n") + 4])
        assume(isinstance(head, RequestHead))
        assert isinstance(head, RequestHead)
        rules = ReadyRules(ROUTE, RouteRules(rewrite=rewrite, request_headers=edits), None)
        edited = rules.request_head(Asked(head, "192.0.2.1", b"http"))
        if isinstance(edited, Answer):
            assert edited.status in (400, 500)
            seen["failed"] += 1
            return
        assert edited.endswith(b"\r\n")
        host = rewrite.host.encode() if rewrite and rewrite.host and head.method != b"CONNECT" else head.host
        if not host:
            return
        again = h11_lane.parse_request(edited + b"\r\n")
        assert isinstance(again, RequestHead), again
        assert lines_of(again.head) == lines_of(edited)
        assert again.head_bytes == len(edited) + 2
        assert (again.method, again.host, again.body_length, again.request_id) == (
            head.method,
            host,
            head.body_length,
            head.request_id,
        )
        if rewrite is None or (rewrite.host and not (rewrite.prefix or rewrite.path or rewrite.regex)):
            assert again.target == head.target
        elif again.target != head.target:
            path = again.target.partition(b"?")[0]
            assert routing_path(path) == path
            seen["rewritten"] += 1
        seen["edited"] += edited != head.head

    stay_plain()
    assert min(seen["rewritten"], seen["edited"], seen["failed"]) > 20, seen


def test_responses() -> None:
    seen: Counter[str] = Counter()

    @fuzz_profile()
    @given(response_data(), edits(route_values.response_field_name, RESPONSE_VARIABLES))
    def stay_plain(data: bytes, edits: FieldEdits) -> None:
        head = h11_lane.parse_response(data[: data.find(b"\r\n\r\n") + 4], method=b"GET")
        assume(isinstance(head, ResponseHead))
        assert isinstance(head, ResponseHead)
        asked = h11_lane.parse_request(b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n")
        assert isinstance(asked, RequestHead)
        edited = FieldEditor(edits).edit(head.head, Asked(asked, "192.0.2.1", b"http"), b"id")
        again = h11_lane.parse_response(edited + b"\r\n", method=b"GET")
        assert isinstance(again, ResponseHead), again
        assert (again.head, again.status, again.body_length) == (edited, head.status, head.body_length)
        seen["edited"] += edited != head.head

    stay_plain()
    assert seen["edited"] > 20, seen


TARGETS_OF_REDIRECTS = [
    *["https://{host}{path}{query}", "{scheme}://{host}:{port}{path}{query}", "http://www.example{path}", "/new{path}"],
    *["/{path}", "/", "https://www.example/{host}{path}", "https://www.example?next={path}"],
]
REDIRECTS = st.sampled_from([Redirect(to=route_values.redirect_target(to)) for to in TARGETS_OF_REDIRECTS]) | st.builds(
    Redirect,
    scheme=st.sampled_from([None, "https", "http"]),
    host=st.sampled_from([None, "www.example"]),
    port=st.sampled_from([None, 8443]),
    prefix=st.sampled_from([None, "/new"]),
)
URI = re.compile(rb"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+\Z")


def test_redirects() -> None:
    """A Location is a URI, and the host in it is one that the operator or the Host field named, never the path."""
    seen: Counter[str] = Counter()

    @fuzz_profile()
    @given(request_data(), REDIRECTS, st.sampled_from([b"http", b"https"]))
    def lead_where_they_should(data: bytes, redirect: Redirect, scheme: bytes) -> None:
        head = h11_lane.parse_request(data[: data.find(b"\r\n\r\n") + 4])
        assume(isinstance(head, RequestHead) and bool(head.host))
        assert isinstance(head, RequestHead)
        asked = Asked(head, "192.0.2.1", scheme)
        location = Redirector(ROUTE, redirect).location(asked)
        if location is None:
            seen["itself"] += 1
            return
        assert URI.match(location)
        parts = urlsplit(location.decode())
        hosts = {asked.host.decode().strip("[]"), "www.example"}
        assert parts.scheme in ("http", "https", "")
        assert (parts.hostname or "") in (hosts if parts.scheme else {""})
        assert not location.startswith((b"//", b"/\\"))
        seen["absolute" if parts.scheme else "relative"] += 1

    lead_where_they_should()
    assert min(seen["absolute"], seen["relative"], seen["itself"]) > 20, seen
