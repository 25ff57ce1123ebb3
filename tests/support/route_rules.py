"""Rules of routes for tests: any valid ones, and the keys that say them."""

from hypothesis import strategies as st

from lbmesh.model.route import Conditions, Route
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

milliseconds = st.integers(1, 24 * 3600 * 1000).map(lambda each: each / 1000)
names = st.sampled_from(["X-A", "x_b", "Accept"])
values = st.sampled_from(["1", "a b", '"{{"', "{host}"])
some_fields = st.dictionaries(names, values, max_size=2).map(lambda each: tuple(each.items()))
wanted = st.dictionaries(names, st.none() | st.sampled_from(["1", "a b"]), max_size=2).map(
    lambda each: tuple(each.items())
)
conditions = st.builds(
    Conditions, st.lists(st.sampled_from(["GET", "PUT"]), unique=True, max_size=2).map(tuple), wanted, wanted
).filter(lambda each: each != Conditions())
networks = st.lists(st.sampled_from(["10.0.0.0/8", "::1/128"]), unique=True, max_size=2).map(tuple)
keys = st.sampled_from(
    [RequestKey(KeySource.CLIENT), RequestKey(KeySource.COOKIE, "sid"), RequestKey(KeySource.HEADER, "X-K")]
)
pages = st.builds(
    lambda body, retry: Page(503, body, "text/html", (("Cache-Control", "no-store"), *retry)),
    st.sampled_from(["<p>é", 'a "b"\n']),
    st.sampled_from([(), (("Retry-After", "600"),)]),
)
redirects = st.builds(
    Redirect,
    st.sampled_from([301, 308]),
    scheme=st.just("https"),
    host=st.none() | st.just("www.example"),
    port=st.none() | st.just(8443),
    prefix=st.none() | st.just("/new"),
) | st.just(Redirect(to="https://{host}{path}"))
rewrites = st.builds(Rewrite, prefix=st.just("/new"), host=st.none() | st.just("a:80")) | st.just(
    Rewrite(regex="^/(a)", to="/b/\\1")
)
edits = st.builds(FieldEdits, some_fields, some_fields, st.lists(names, unique=True, max_size=2).map(tuple)).filter(
    lambda each: each != FieldEdits() and not {name for name, _ in (*each.set, *each.add)} & {*each.remove}
)
rate_limits = st.builds(RateLimit, st.integers(1, 1000), milliseconds, st.integers(1, 1000), keys)
route_timeouts = st.builds(RouteTimeouts, *[st.none() | milliseconds] * 5).filter(lambda each: each != RouteTimeouts())


def route_rules(others: list[str], targets: int) -> st.SearchStrategy[RouteRules]:
    """Rules of a route to so many services. `others`: services that it does not lead to."""
    mirrors: st.SearchStrategy[Mirror | None] = st.none()
    if others:
        mirrors |= st.builds(Mirror, st.sampled_from(others), st.sampled_from([0.5, 100.0]), st.booleans())
    return st.builds(
        RouteRules,
        allow=networks,
        deny=networks,
        maintenance=st.none() | st.builds(Maintenance, pages, networks),
        rate_limit=st.none() | rate_limits,
        redirect=st.none() | redirects,
        max_body_bytes=st.none() | st.integers(0, 1 << 30),
        split_by=st.none() | keys if targets > 1 else st.none(),
        rewrite=st.none() | rewrites,
        request_headers=st.none() | edits,
        mirror=mirrors,
        timeouts=st.none() | route_timeouts,
        retries=st.none() | st.integers(0, 10),
        response_headers=st.none() | edits,
    ).filter(lambda rules: rules != RouteRules())


def written_route(route: Route) -> dict[str, object]:
    """The keys of a [[route]] beside hosts and services."""
    written: dict[str, object] = {}
    if route.paths:
        written["paths"] = list(route.paths)
    if route.exact_paths:
        written["exact_paths"] = list(route.exact_paths)
    if route.conditions:
        written |= {
            "methods": list(route.conditions.methods),
            "headers": {name: True if value is None else value for name, value in route.conditions.headers},
            "query": {name: True if value is None else value for name, value in route.conditions.query},
        }
    if route.rules:
        written |= _written_rules(route.rules)
    return {key: value for key, value in written.items() if value not in (None, [], {})}


def _written_rules(rules: RouteRules) -> dict[str, object]:
    maintenance, mirror, limit = rules.maintenance, rules.mirror, rules.rate_limit
    return {
        "allow": list(rules.allow),
        "deny": list(rules.deny),
        "maintenance": maintenance
        and _present(
            body=maintenance.page.body,
            type=maintenance.page.content_type,
            retry_after="10m" if len(maintenance.page.headers) > 1 else None,
            allow=list(maintenance.allow),
        ),
        "rate_limit": limit
        and {"requests": limit.requests, "per": _duration(limit.per_s), "burst": limit.burst, "by": _key(limit.by)},
        "redirect": rules.redirect
        and _present(
            **{name: getattr(rules.redirect, name) for name in ("status", "to", "scheme", "host", "port", "prefix")}
        ),
        "max_body": None if rules.max_body_bytes is None else f"{rules.max_body_bytes}B",
        "split_by": rules.split_by and _key(rules.split_by),
        "rewrite": rules.rewrite
        and _present(**{name: getattr(rules.rewrite, name) for name in ("prefix", "regex", "to", "host")}),
        "request_headers": rules.request_headers and _edits(rules.request_headers),
        "mirror": mirror
        and {
            "service": mirror.service,
            "percent": int(mirror.percent) if mirror.percent >= 1 else mirror.percent,
            "methods": "all" if mirror.all_methods else "safe",
        },
        "timeouts": rules.timeouts
        and _present(
            **{
                name: seconds and _duration(seconds)
                for name in ("connect", "response", "idle", "request", "tunnel")
                for seconds in (getattr(rules.timeouts, f"{name}_s"),)
            }
        ),
        "retries": rules.retries,
        "response_headers": rules.response_headers and _edits(rules.response_headers),
    }


def _edits(edits: FieldEdits) -> dict[str, object]:
    return _present(set=dict(edits.set), add=dict(edits.add), remove=list(edits.remove))


def _key(key: RequestKey) -> object:
    return {str(key.source): key.name} if key.name else str(key.source)


def _present(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value not in (None, [], {})}


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
