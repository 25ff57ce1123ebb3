"""What a route does with its requests beside leading them to a service. Whatever is left out is off."""

from dataclasses import dataclass, field
from enum import StrEnum

Fields = tuple[tuple[str, str], ...]
"""Header fields: (name, value)."""


class KeySource(StrEnum):
    """What tells one request's sender from another's."""

    CLIENT = "client"
    ROUTE = "route"
    HEADER = "header"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Whom a request counts for: its client's address, nobody in particular (the route), or what a header field or a
    cookie of this `name` says.
    """

    source: KeySource
    name: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of the balancer's own. `content_type` "": none. `body` is sent as UTF-8."""

    status: int
    body: str = field(default="", repr=False)
    content_type: str = ""
    headers: Fields = ()


@dataclass(frozen=True, slots=True)
class Maintenance:
    """`page` for everybody but the clients in `allow`, which are networks ("10.0.0.0/8")."""

    page: Page
    allow: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a client is sent: `to`, a template, or its own URL with some parts replaced.

    `path`: in place of the whole path; `prefix`: in place of the part of it that the route matched.
    """

    status: int = 308
    to: str | None = None
    scheme: str | None = None
    host: str | None = None
    port: int | None = None
    path: str | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A bucket of `burst` tokens for each `by`, filled with `requests` tokens in `per_s`."""

    requests: int
    per_s: float
    burst: int
    by: RequestKey = RequestKey(KeySource.CLIENT)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What the replica is asked for instead. `prefix`, `path`: as in Redirect; `regex`: what matches it in the path
    becomes `to`. `host`: the Host field.
    """

    prefix: str | None = None
    path: str | None = None
    regex: str | None = None
    to: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class FieldEdits:
    """Header fields to take out, to put in place of those of the same name, and to add. Values are templates."""

    set: Fields = ()
    add: Fields = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteTimeouts:
    """As `model.traffic.Timeouts`; None: as the service has it."""

    connect_s: float | None = None
    response_s: float | None = None
    idle_s: float | None = None
    request_s: float | None = None
    tunnel_s: float | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """`percent` of the requests go to `service` too, and its answers nowhere. `all_methods`: unsafe ones as well."""

    service: str
    percent: float = 100.0
    all_methods: bool = False


@dataclass(frozen=True, slots=True)
class RouteRules:
    """In the order in which they are obeyed. `allow` and `deny`: networks of clients; a client in `deny`, or not in an
    `allow` that is there, gets 403. `max_body_bytes`: a larger request body gets 413. `split_by`: what keeps its share
    of several services; None: each request is drawn anew. `retries` None: as the service has it.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    maintenance: Maintenance | None = None
    rate_limit: RateLimit | None = None
    redirect: Redirect | None = None
    respond: Page | None = None
    max_body_bytes: int | None = None
    split_by: RequestKey | None = None
    rewrite: Rewrite | None = None
    request_headers: FieldEdits | None = None
    mirror: Mirror | None = None
    timeouts: RouteTimeouts | None = None
    retries: int | None = None
    response_headers: FieldEdits | None = None
