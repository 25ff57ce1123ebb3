"""The admin API's answers, as values: which path says what, to whom, and the JSON shapes of /v1/state.

Big answers come in chunks, so that whoever sends them can let other work in between.
"""

import hmac
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any
from urllib.parse import unquote

from lbmesh import __version__
from lbmesh.admin.names import find_replica
from lbmesh.control.state import ForwarderState, NodeState, ReplicaState
from lbmesh.model.explanation import Explanation
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.member import Member
from lbmesh.model.service import ReplicaId
from lbmesh.routing.warming import is_warming, warmth

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
EXPLAIN_PATH = "/v1/explain/"
_EXPLAINED = ("replica", "member")


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """`target`: as it stood in the request line. `authorization`: that field's value, "" when absent."""

    method: str
    target: str
    authorization: str = ""


@dataclass(frozen=True, slots=True)
class AdminAnswer:
    """`body`: chunks, each a small step to make; to be left out for HEAD."""

    status: int
    content_type: str
    body: Iterable[bytes]
    extra_fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AdminSource:
    """Where answers come from. `metrics`: chunks and their content type. `explain_…`: None for what is unknown."""

    state: Callable[[], NodeState]
    replicas: Callable[[], Iterator[ReplicaState]]
    metrics: Callable[[], Iterator[bytes]]
    metrics_type: str
    replica_ids: Callable[[], Iterable[ReplicaId]]
    explain_replica: Callable[[ReplicaId], Explanation | None]
    explain_member: Callable[[str], Explanation | None]
    token: str | None = None


def answer(request: AdminRequest, source: AdminSource) -> AdminAnswer:
    """Answer one request. Liveness and readiness need no token: those who ask are often too simple to
    have one, and they learn little.
    """
    path = request.target.partition("?")[0]
    routes: dict[str, Callable[[], AdminAnswer]] = {
        "/livez": lambda: _text(200, "alive"),
        "/readyz": lambda: _readiness(source.state()),
        "/metrics": lambda: AdminAnswer(200, source.metrics_type, source.metrics()),
        "/v1/state": lambda: AdminAnswer(200, JSON, state_chunks(source.state(), source.replicas())),
    }
    kind = next((kind for kind in _EXPLAINED if path.startswith(f"{EXPLAIN_PATH}{kind}/")), None)
    if kind is not None:
        name = unquote(path.removeprefix(f"{EXPLAIN_PATH}{kind}/"))
        routes[path] = lambda: _explanation(kind, name, source)
    if path not in routes:
        explained = (f"{EXPLAIN_PATH}{kind}/NAME" for kind in _EXPLAINED)
        return _text(404, f"nothing here; there are {', '.join((*routes, *explained))}")
    if request.method not in ("GET", "HEAD"):
        return _text(405, "only GET and HEAD are answered here", ("Allow", "GET, HEAD"))
    if path not in ("/livez", "/readyz") and not _may(request.authorization, source.token):
        advice = 'send "Authorization: Bearer" with the token of [admin] token_file'
        return _text(401, advice, ("WWW-Authenticate", 'Bearer realm="lbmesh"'))
    return routes[path]()


def _explanation(kind: str, name: str, source: AdminSource) -> AdminAnswer:
    """Why, as an object; for a name that is not there, what is wrong with it and which names it stands for."""
    error, found = f"no member {name} is known here", None
    meant: tuple[str, ...] = ()
    if kind == "member":
        found = source.explain_member(name)
    else:
        replica = find_replica(name, source.replica_ids())
        if isinstance(replica, ReplicaId):
            found = source.explain_replica(replica)
        else:
            error, meant = replica
    if found is None:
        return _json(404, {"error": error, "meant": meant})
    return _json(200, {"node": source.state().node, "kind": kind, **asdict(found)})


def _json(status: int, value: dict[str, Any]) -> AdminAnswer:
    return AdminAnswer(status, JSON, (json.dumps(value).encode() + b"\n",))


def _may(authorization: str, token: str | None) -> bool:
    if token is None:
        return True
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _text(status: int, text: str, *extra_fields: tuple[str, str]) -> AdminAnswer:
    return AdminAnswer(status, TEXT, (text.encode() + b"\n",), extra_fields)


def _readiness(state: NodeState) -> AdminAnswer:
    return _text(200 if state.readiness.ready else 503, state.readiness.reason)


def state_chunks(state: NodeState, replicas: Iterable[ReplicaState]) -> Iterator[bytes]:
    """/v1/state: one JSON object, its services one chunk each. Ages and durations are in seconds."""
    head = json.dumps(_head(state))
    yield head[:-1].encode() + b', "services": ['
    shares = dict(state.local_shares)
    separator = b""
    for name, group in groupby(replicas, key=lambda replica: replica.id.service):
        service = {
            "name": name,
            "local_share": shares.get(name),
            "replicas": [_replica(replica, state.now) for replica in group],
        }
        yield separator + json.dumps(service).encode()
        separator = b", "
    yield b"]}\n"


def _head(state: NodeState) -> dict[str, Any]:
    reload = state.reload
    return {
        "node": {
            "name": state.node,
            "zone": state.zone,
            "version": __version__,
            "generation": state.generation,
            "view": str(state.view) if state.view else None,
            "ready": state.readiness.ready,
            "reason": state.readiness.reason,
        },
        "members": [_member(member, state) for member in state.members],
        "heartbeat": {
            "partners": state.heartbeat.partners,
            "judged": state.heartbeat.judged,
            "counters": dict(state.heartbeat.counters),
        },
        "forwarders": [_forwarder(forwarder, state) for forwarder in state.forwarders],
        "reload": {"ok": reload.ok, "errors": reload.errors, "age_s": _age(reload.at_s, state.now)} if reload else None,
        "gossip": dict(state.gossip),
        "notices": [
            {"kind": one.kind, "subject": one.subject, "what": one.change, "advice": one.reason}
            for one in state.notices
        ],
    }


def _member(member: Member, state: NodeState) -> dict[str, Any]:
    gone = state.heartbeat.gone.get(member.name)
    return {
        "name": member.name,
        "zone": member.zone,
        "address": str(member.address),
        "epoch": member.epoch,
        "state": member.state,
        "for_s": _age(member.since_s, state.now),
        "reason": member.reason,
        "gone": {"for_s": _age(gone.since_s, state.now), "reason": gone.reason} if gone else None,
    }


def _forwarder(forwarder: ForwarderState, state: NodeState) -> dict[str, Any]:
    telemetry = forwarder.telemetry
    return {
        "worker": forwarder.worker,
        "pid": forwarder.pid,
        "linked_for_s": _age(forwarder.since_s, state.now),
        "view": str(forwarder.viewed) if forwarder.viewed else None,
        "current": forwarder.viewed is not None and forwarder.viewed == state.view,
        "silent": forwarder.silent,
        "connections": telemetry.connections if telemetry else None,
        "active_requests": telemetry.active_requests if telemetry else None,
        "accepted": telemetry.accepted if telemetry else None,
    }


def _replica(replica: ReplicaState, now: float) -> dict[str, Any]:
    return {
        "address": str(replica.id.address),
        "zone": replica.replica.zone,
        "weight": replica.replica.weight,
        "availability": replica.availability,
        "for_s": None if replica.since_s is None else _age(replica.since_s, now),
        "reason": replica.reason,
        "ejected_for_s": None if replica.ejected_until_s is None else _age(now, replica.ejected_until_s),
        "warmth": _warmth(replica, now),
        "opinions": [_opinion(word, now) for word in replica.opinions],
    }


def _warmth(replica: ReplicaState, now: float) -> float:
    """Which part of its weight it is worth, give or take what each forwarder begins later."""
    if replica.availability is not Availability.UP or not is_warming(replica.returned_s, replica.slow_start_s, now):
        return 1.0
    assert replica.returned_s is not None
    return round(warmth(replica.returned_s, replica.slow_start_s, now), 2)


def _opinion(word: Opinion, now: float) -> dict[str, Any]:
    return {
        "observer": word.observer,
        "zone": word.observer_zone,
        "up": word.up,
        "age_s": _age(word.at_s, now),
        "reason": word.reason,
    }


def _age(since_s: float, now: float) -> float:
    return round(max(0.0, now - since_s), 3)
