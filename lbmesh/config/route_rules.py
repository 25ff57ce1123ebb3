"""A route's rules: each key read, and refused where it would never come into effect."""

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from lbmesh.config import route_values, values
from lbmesh.config.fields import read_fields
from lbmesh.config.health_values import authority, pattern, text
from lbmesh.config.services import RETRIES_MAX
from lbmesh.config.table import ReadFile, Table
from lbmesh.model.route_rules import (
    FieldEdits,
    Fields,
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
from lbmesh.routing.template import REQUEST_VARIABLES, RESPONSE_VARIABLES

PAGE_BYTES_MAX = 64 * 1024
PAGES_BYTES_MAX = 1024 * 1024
"""All pages of a file together: they travel with each View."""
REQUESTS_MAX = 1_000_000

_UNREACHED_BY_RESPOND = (
    "max_body",
    "split_by",
    "rewrite",
    "request_headers",
    "mirror",
    "timeouts",
    "retries",
)
_MAINTENANCE_TEXT = "Down for maintenance. Please try again later.\n"
_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"


def read_rules(route: Table, known: Collection[str], targets: Sequence[str], read_page: ReadFile) -> RouteRules | None:
    """All rules of a route; None when it has none. `known`: the names of services. `targets`: those it leads to."""
    if "respond" in route.values:
        for key in _UNREACHED_BY_RESPOND:
            if key in route.values:
                route.error("respond answers every request before this; remove one of the two", key)
    if "split_by" in route.values and len(targets) == 1:
        route.error("there is one service, and nothing to split; remove this, or write another service", "split_by")
    rules = RouteRules(
        allow=route.items("allow", values.network, (), '["10.0.0.0/8"]'),
        deny=route.items("deny", values.network, (), '["10.0.0.0/8"]'),
        maintenance=read_maintenance(route, read_page),
        rate_limit=_read_rate_limit(route),
        redirect=_read_redirect(route),
        respond=_read_respond(route, read_page),
        max_body_bytes=route.optional("max_body", route_values.size_bytes, None),
        split_by=_read_key(route, "split_by", KeySource.CLIENT, KeySource.COOKIE, KeySource.HEADER),
        rewrite=_read_rewrite(route),
        request_headers=_read_edits(
            route, "request_headers", route_values.request_field_name, route_values.template(REQUEST_VARIABLES)
        ),
        mirror=_read_mirror(route, known, targets),
        timeouts=_read_timeouts(route),
        retries=route.optional("retries", values.whole_number(0, RETRIES_MAX), None),
        response_headers=_read_edits(
            route, "response_headers", route_values.response_field_name, route_values.template(RESPONSE_VARIABLES)
        ),
    )
    return None if rules == RouteRules() else rules


def refuse_many_pages(routes: Iterable[tuple[Table, RouteRules | None]]) -> None:
    """Note the first route that takes all pages beyond their bound."""
    total = 0
    for table, rules in routes:
        if rules is None:
            continue
        pages = [rules.respond, rules.maintenance.page if rules.maintenance else None]
        total += sum(len(page.body.encode()) for page in pages if page is not None)
        if total > PAGES_BYTES_MAX:
            table.error(f"the pages of all routes have more than {PAGES_BYTES_MAX} bytes; write smaller ones")
            return


def read_maintenance(above: Table, read_page: ReadFile) -> Maintenance | None:
    """`maintenance = true` answers with a line of text. `until` and `retry_after` only tell clients when to return."""
    if isinstance(above.values.get("maintenance"), bool):
        above.known.add("maintenance")
        page = Page(503, _MAINTENANCE_TEXT, _TEXT, (("Cache-Control", "no-store"),))
        return Maintenance(page) if above.values["maintenance"] else None
    table = above.table("maintenance", instead="true")
    if table is None:
        return None
    body, content_type = _read_body(table, read_page, _MAINTENANCE_TEXT)
    until = table.optional("until", route_values.http_date, None)
    after_s = table.optional("retry_after", values.duration_s, None)
    if until is not None and after_s is not None:
        table.error("until says it already; remove one of the two", "retry_after")
    when = until or (None if after_s is None else str(max(1, round(after_s))))
    retry = (("Retry-After", when),) if when else ()
    maintenance = Maintenance(
        Page(503, body, content_type, (("Cache-Control", "no-store"), *retry)),
        table.items("allow", values.network, (), '["10.0.0.0/8"]'),
    )
    table.close()
    return maintenance


def _read_respond(route: Table, read_page: ReadFile) -> Page | None:
    table = route.table("respond")
    if table is None:
        return None
    body, content_type = _read_body(table, read_page, "")
    status = table.optional("status", values.whole_number(200, 599), 200)
    if status in (204, 205, 304) and body:
        table.error(f"an answer with status {status} has no body (RFC 9110, 15); remove one of the two", "status")
    page = Page(
        status,
        body,
        content_type,
        read_fields(table, "headers", route_values.response_field_name, route_values.template(())),
    )
    table.close()
    return page


def _read_body(table: Table, read_page: ReadFile, default: str) -> tuple[str, str]:
    """A page's text and its media type: `body` as it is written, or what `file` holds."""
    body = table.optional("body", text, None)
    file = table.optional("file", values.file_path, None)
    content_type = table.optional("type", route_values.content_type, None)
    if body is not None and file is not None:
        table.error("there is a body already; write one of body and file, and remove the other", "file")
    elif file is not None:
        body = _read_file(table, file, read_page)
    if body is None:
        body = default
    is_html = file is not None and file.suffix in (".html", ".htm")
    if content_type is None:
        content_type = "" if not body else _HTML if is_html else _TEXT
    return body, content_type


def _read_file(table: Table, path: Path, read_page: ReadFile) -> str | None:
    try:
        return read_page(path)
    except FileNotFoundError:
        table.error(f"there is no file {path}; make it, or write the path of the page", "file")
    except OSError as failed:
        table.error(f"cannot read {path}: {failed.strerror or type(failed).__name__}", "file")
    except ValueError as wrong:
        table.error(f"{path}: {wrong}", "file")
    return None


def _read_redirect(route: Table) -> Redirect | None:
    table = route.table("redirect")
    if table is None:
        return None
    default = Redirect()
    redirect = Redirect(
        status=table.optional("status", route_values.redirect_status, default.status),
        to=table.optional("to", route_values.redirect_target, None),
        scheme=table.optional("scheme", route_values.one_of(("https", "http")), None),
        host=table.optional("host", route_values.single_host, None),
        port=table.optional("port", values.whole_number(1, 65535), None),
        path=table.optional("path", route_values.exact_path, None),
        prefix=table.optional("prefix", values.path_prefix, None),
    )
    parts = [key for key in ("scheme", "host", "port", "path", "prefix") if key in table.values]
    if "to" in table.values:
        for key in parts:
            table.error("`to` is the whole URL; write this there, or remove `to`", key)
    elif not parts:
        table.error('write where to, such as scheme = "https", or to = "https://{host}{path}{query}"')
    if "path" in parts and "prefix" in parts:
        table.error("path replaces all of it; remove one of the two", "prefix")
    table.close()
    return redirect


def _read_rewrite(route: Table) -> Rewrite | None:
    table = route.table("rewrite")
    if table is None:
        return None
    rewrite = Rewrite(
        prefix=table.optional("prefix", values.path_prefix, None),
        path=table.optional("path", route_values.exact_path, None),
        regex=table.optional("regex", pattern, None),
        to=table.optional("to", route_values.replacement, None),
        host=table.optional("host", authority, None),
    )
    ways = [key for key in ("prefix", "path", "regex") if key in table.values]
    for key in ways[1:]:
        table.error(f"there is {ways[0]} already; write one of prefix, path and regex", key)
    if "regex" in ways and "to" not in table.values:
        table.error(r"missing; write what its matches become, such as to = '/items/\1'", "to")
    if "to" in table.values and "regex" not in ways:
        table.error(r"missing; write what `to` replaces, such as regex = '^/item/(\d+)$'", "regex")
    if not table.values:
        table.error('write what to change, such as prefix = "/new" or host = "internal.example"')
    if rewrite.regex is not None and rewrite.to is not None:
        group = route_values.unknown_group(rewrite.to, rewrite.regex)
        if group is not None:
            table.error(f"regex has no group {group}; write one that it has", "to", found=rewrite.to)
    table.close()
    return rewrite


def _read_edits(
    route: Table, key: str, parse_name: Callable[[str], str], parse_value: Callable[[object], str]
) -> FieldEdits | None:
    table = route.table(key)
    if table is None:
        return None

    replaced = read_fields(table, "set", parse_name, parse_value)
    added = read_fields(table, "add", parse_name, parse_value)

    def removed(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError('write a field name such as "Server"')
        name = parse_name(value)
        if _names(name, replaced):
            raise ValueError("set takes away what came under this name already; remove one of the two")
        if _names(name, added):
            raise ValueError("add has this field as well; write it under set alone, which replaces what came")
        return name

    edits = FieldEdits(replaced, added, table.items("remove", removed, (), '["Server"]'))
    if not table.values:
        table.error('write set = { X-Name = "value" }, add = { … } or remove = ["X-Name"]')
    table.close()
    return edits


def _names(name: str, fields: Fields) -> bool:
    return any(each.lower() == name.lower() for each, _ in fields)


def _read_rate_limit(route: Table) -> RateLimit | None:
    table = route.table("rate_limit")
    if table is None:
        return None
    number = values.whole_number(1, REQUESTS_MAX)
    requests = table.required("requests", number, "100")
    limit = RateLimit(
        requests=requests or 1,
        per_s=table.optional("per", values.duration_s, 1.0),
        burst=table.optional("burst", number, requests or 1),
        by=_read_key(table, "by", KeySource.CLIENT, KeySource.ROUTE, KeySource.HEADER, KeySource.COOKIE)
        or RequestKey(KeySource.CLIENT),
    )
    table.close()
    return limit


def _read_key(above: Table, key: str, *sources: KeySource) -> RequestKey | None:
    """A word such as "client", or a table such as { header = "X-Api-Key" }."""
    words = [source for source in sources if source in (KeySource.CLIENT, KeySource.ROUTE)]
    named = [source for source in sources if source not in words]
    forms = ", ".join([*(f'"{word}"' for word in words), *(f'{{ {source} = "…" }}' for source in named)])
    written = above.values.get(key)
    if isinstance(written, dict):
        table = above.table(key)
        assert table is not None
        found = [
            RequestKey(source, name)
            for source in named
            if (name := table.optional(source, route_values.token, None)) is not None
        ]
        if len(table.values) != 1:
            table.error(f"write one of {forms}")
        table.close()
        return found[0] if found else None
    above.known.add(key)
    if isinstance(written, str) and written in words:
        return RequestKey(KeySource(written))
    if written is not None:
        above.error(f"write one of {forms}", key, found=written)
    return None


def _read_timeouts(route: Table) -> RouteTimeouts | None:
    table = route.table("timeouts")
    if table is None:
        return None
    timeouts = RouteTimeouts(
        connect_s=table.optional("connect", values.duration_s, None),
        response_s=table.optional("response", values.duration_s, None),
        idle_s=table.optional("idle", values.duration_s, None),
        request_s=table.optional("request", values.duration_s, None),
        tunnel_s=table.optional("tunnel", values.duration_s, None),
    )
    table.close()
    return timeouts


def _read_mirror(route: Table, known: Collection[str], targets: Sequence[str]) -> Mirror | None:
    table = route.table("mirror")
    if table is None:
        return None
    service = table.required("service", values.name, '"shop-next"')
    if service is not None and service not in known:
        near = difflib.get_close_matches(service, known, n=1)
        advice = f'write "{near[0]}"' if near else f'write [[service]] with name = "{service}"'
        table.error(f"no such service; {advice}", "service", found=service)
    if service in targets:
        table.error("the route leads there already; write another service", "service", found=service)
    mirror = Mirror(
        service=service or "",
        percent=table.optional("percent", route_values.percent, 100.0),
        all_methods=table.optional("methods", route_values.one_of(("safe", "all")), "safe") == "all",
    )
    table.close()
    return mirror
