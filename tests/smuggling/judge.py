"""Compares what the origin saw, what was forwarded, what the balancer logged and what the clients got."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from tests.smuggling.client import Received
from tests.smuggling.relay import Forwarded, Stream

Line = Mapping[str, Any]


class Asked(NamedTuple):
    """A request as any of the accounts has it. `target`: decoded, since WSGI hands on no other."""

    method: str
    target: str
    size: int
    digest: str


class Accounts(NamedTuple):
    """All that is known of one run. `logged`: the balancer's access log; `seen`: the origin's."""

    received: Sequence[Received]
    logged: Sequence[Line]
    streams: Sequence[Stream]
    seen: Sequence[Line]


def decoded(target: str) -> str:
    """A target with its path's escapes undone."""
    path, _, query = target.partition("?")
    return _target(unquote_to_bytes(path).decode("latin-1"), query)


def _method(method: str) -> str:
    """In capitals, as hypercorn hands it on."""
    return method.upper()


def asked(line: Line) -> Asked:
    """A line of the origin's log as a request."""
    return Asked(_method(line["method"]), _target(line["path"], line["query"]), line["size"], line["digest"])


def _target(path: str, query: str) -> str:
    """What the servers do to targets, done to both sides, since it moves no message's end.

    An empty query is none (WSGI), slashes in front are one (waitress), "*" is a path, and an escaped slash stays one
    (cheroot).
    """
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    if path == "*":
        path = "/*"
    return path.replace("%2F", "/") + (f"?{query}" if query else "")


def disagreements(accounts: Accounts) -> list[str]:
    """Everything on which the accounts differ; empty when all is well."""
    forwarded = [request for stream in accounts.streams for request in stream.requests]
    by_id: dict[str, list[Forwarded]] = defaultdict(list)
    for request in forwarded:
        by_id[request.request_id].append(request)
    logged: dict[str, list[Line]] = defaultdict(list)
    for line in accounts.logged:
        logged[line["request_id"]].append(line)
    return [
        *_wrongly_forwarded(by_id, logged),
        *_wrongly_seen(accounts.seen, by_id),
        *_wrongly_answered(accounts.received, accounts.seen, logged),
    ]


def _wrongly_forwarded(by_id: Mapping[str, list[Forwarded]], logged: Mapping[str, list[Line]]) -> Iterable[str]:
    """What left the balancer must stand in its log as that, once for each attempt at most."""
    for request_id, requests in by_id.items():
        lines = [line for line in logged.get(request_id, ()) if "method" in line]
        attempts = sum(line["attempts"] for line in lines)
        if len(requests) > attempts:
            yield f"{len(requests)} requests went out for {attempts} attempts: {requests}"
        ways = {(line["method"], line["path"]) for line in lines}
        for request in requests:
            if (request.method, request.target) not in ways:
                yield f"forwarded but not logged as such: {request}, logged {lines}"


def _wrongly_seen(seen: Sequence[Line], by_id: Mapping[str, list[Forwarded]]) -> Iterable[str]:
    """What the origin saw must be what was forwarded, no more often."""
    left = {
        request_id: Counter(Asked(_method(one.method), decoded(one.target), one.size, one.digest) for one in requests)
        for request_id, requests in by_id.items()
    }
    for line in seen:
        if not line["complete"]:
            continue
        mine = left.get(line["request_id"], Counter())
        request = asked(line)
        if mine[request] <= 0:
            yield f"the origin saw {line}, the balancer sent {by_id.get(line['request_id'])}"
        mine[request] -= 1


def _wrongly_answered(
    received: Sequence[Received], seen: Sequence[Line], logged: Mapping[str, list[Line]]
) -> Iterable[str]:
    """A client's answers must be to its own requests, in order, whole, and none behind a refusal."""
    known = {line["request_id"] for line in seen}
    for client in received:
        if client.fault:
            yield f"{client.case.name}: {client.fault}"
        ids = [answer.request_id for answer in client.answers if answer.request_id]
        if len(ids) != len(set(ids)):
            yield f"{client.case.name}: one answer twice: {client.answers}"
        for number, answer in enumerate(client.answers):
            if not answer.from_application:
                refused = any("method" not in line for line in logged.get(answer.request_id, ()))
                if refused and number + 1 < len(client.answers):
                    yield f"{client.case.name}: an answer behind a refusal: {client.answers}"
                continue
            if answer.markers and client.marker not in answer.markers:
                yield f"{client.case.name}: another's answer: {answer}, mine is {client.marker}"
            if answer.request_id not in known:
                yield f"{client.case.name}: the origin knows nothing of this answer: {answer}"


def unlike_views(views: Mapping[str, Mapping[str, Sequence[Asked]]]) -> dict[str, dict[str, Sequence[Asked]]]:
    """Markers whose bytes different origins understood differently: by marker, what each origin took them for.

    `views`: by origin and marker. An origin that stops early (refuses, or serves one request a connection) does not
    disagree with one that goes on.
    """
    unlike = {}
    for marker in {marker for view in views.values() for marker in view}:
        each = {origin: view[marker] for origin, view in views.items() if marker in view}
        if any(one != other for pair in combinations(each.values(), 2) for one, other in zip(*pair, strict=False)):
            unlike[marker] = each
    return unlike
