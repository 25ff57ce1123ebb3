"""A route's rules, made ready to be obeyed: which requests are answered here, and what becomes of the others."""

from typing import NamedTuple

from lbmesh.http1.local_response import Page as AnswerPage
from lbmesh.model import route_rules as model
from lbmesh.model.route import Route
from lbmesh.model.route_rules import KeySource, RequestKey, RouteRules
from lbmesh.routing.asked import Asked
from lbmesh.routing.clients import Networks, client_key
from lbmesh.routing.field_edits import FieldEditor
from lbmesh.routing.rate_limit import TokenBuckets, limit_fields
from lbmesh.routing.redirect import Redirector
from lbmesh.routing.request_fields import Read, cookie_reader, header_reader
from lbmesh.routing.rewrite import RequestRewriter, RewriteFailed

BODY_BYTES_MAX = 1 << 62
"""Without a limit."""


class Answer(NamedTuple):
    """An answer of the balancer's own. `reason`: the access log's word, "" when nothing is wrong. `page` None: plain
    text that says what went wrong, and that a 503 will pass.
    """

    status: int
    reason: str
    detail: str
    page: AnswerPage | None = None


class ReadyRules:
    """One route's rules. `max_body_bytes`: of a request. `edits_requests`: `request_head` is to be asked.
    `response_edits`: None for none.
    """

    __slots__ = (
        "_allow",
        "_buckets",
        "_deny",
        "_leads_on",
        "_limit",
        "_limit_key",
        "_maintenance",
        "_passes_maintenance",
        "_redirect",
        "_redirect_status",
        "_request_edits",
        "_respond",
        "_rewriter",
        "edits_requests",
        "max_body_bytes",
        "response_edits",
    )

    def __init__(self, route: Route, rules: RouteRules, buckets: TokenBuckets | None) -> None:
        """`buckets`: of `rules.rate_limit`, where there is one."""
        self._leads_on = bool(route.services) or rules.respond is not None
        self._allow = Networks(rules.allow) if rules.allow else None
        self._deny = Networks(rules.deny) if rules.deny else None
        self._maintenance = _page_answer(rules.maintenance.page, "maintenance") if rules.maintenance else None
        self._passes_maintenance = Networks(rules.maintenance.allow if rules.maintenance else ())
        self._limit = rules.rate_limit
        self._limit_key = KeyReader(rules.rate_limit.by) if rules.rate_limit else None
        self._buckets = buckets
        self._redirect = Redirector(route, rules.redirect) if rules.redirect else None
        self._redirect_status = rules.redirect.status if rules.redirect else 0
        self._respond = _page_answer(rules.respond, "") if rules.respond else None
        self.max_body_bytes = BODY_BYTES_MAX if rules.max_body_bytes is None else rules.max_body_bytes
        self._rewriter = RequestRewriter(route, rules.rewrite) if rules.rewrite else None
        self._request_edits = FieldEditor(rules.request_headers) if rules.request_headers else None
        self.edits_requests = bool(self._rewriter or self._request_edits)
        self.response_edits = FieldEditor(rules.response_headers) if rules.response_headers else None

    def answer(self, asked: Asked, now: float) -> Answer | None:
        """What the client gets from here; None when its request goes on to a service. `now`: monotonic."""
        client = asked.client
        if (self._deny and client in self._deny) or (self._allow and client not in self._allow):
            return Answer(403, "denied", "this route is not for this client", AnswerPage())
        if self._maintenance is not None and client not in self._passes_maintenance:
            return self._maintenance
        if self._buckets is not None:
            refused = self._beyond_limit(asked, now)
            if refused is not None:
                return refused
        if self._redirect is not None:
            redirected = self._redirected(self._redirect, asked)
            if redirected is not None:
                return redirected
        if self._respond is not None:
            return self._respond
        if asked.head.body_length > self.max_body_bytes:
            return Answer(413, "body_too_large", _too_large(self.max_body_bytes), AnswerPage())
        return None

    def _beyond_limit(self, asked: Asked, now: float) -> Answer | None:
        assert self._buckets is not None
        assert self._limit is not None
        assert self._limit_key is not None
        wait_s = self._buckets.take(self._limit_key.read(asked), now)
        if not wait_s:
            return None
        fields = limit_fields(self._limit, wait_s)
        return Answer(429, "rate_limited", "more requests than this route takes", AnswerPage(fields))

    def _redirected(self, redirect: Redirector, asked: Asked) -> Answer | None:
        """None when the redirect would lead to the URL that was asked for, and a service can answer that."""
        if redirect.needs_host and not asked.host:
            return Answer(400, "bad_request", "this redirect needs a Host field", AnswerPage())
        location = redirect.location(asked)
        if location is not None:
            return Answer(
                self._redirect_status, "", "redirected by the route", AnswerPage((b"Location: " + location,), b"")
            )
        if self._leads_on:
            return None
        return Answer(
            500, "redirect_loop", "this redirect leads to the URL itself, and no service is there", AnswerPage()
        )

    def request_head(self, asked: Asked) -> bytes | Answer:
        """The head to send on, as `RequestHead.head`; or an answer, when it cannot be rewritten."""
        head = asked.head.head
        if self._rewriter is not None:
            rewritten = self._rewriter.rewrite(asked.head)
            if isinstance(rewritten, RewriteFailed):
                return Answer(rewritten.status, "rewrite_failed", rewritten.detail, AnswerPage())
            head = rewritten
        return head if self._request_edits is None else self._request_edits.edit(head, asked)


class KeyReader:
    """Whom a request counts for. What does not bring the field or the cookie counts for its client's address."""

    __slots__ = ("_read", "_source")

    def __init__(self, key: RequestKey) -> None:
        self._source = key.source
        self._read: Read | None = None
        if key.source is KeySource.HEADER:
            self._read = header_reader(key.name)
        elif key.source is KeySource.COOKIE:
            self._read = cookie_reader(key.name)

    def read(self, asked: Asked) -> bytes:
        """Never the same for a value that a client made up and an address."""
        if self._source is KeySource.ROUTE:
            return b""
        value = self._read(asked.head) if self._read is not None else None
        return b"a" + client_key(asked.client).encode() if value is None else b"v" + value


def _page_answer(page: model.Page, reason: str) -> Answer:
    fields = [f"{name}: {value}".encode() for name, value in page.headers]
    if page.content_type:
        fields.insert(0, b"Content-Type: " + page.content_type.encode())
    detail = "down for maintenance" if reason else "answered by the route"
    return Answer(page.status, reason, detail, AnswerPage(tuple(fields), page.body.encode()))


def _too_large(max_body_bytes: int) -> str:
    return f"a request body of more than {max_body_bytes} bytes"
