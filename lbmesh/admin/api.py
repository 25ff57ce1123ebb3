"""The admin API's answers, as values: which path says what, to whom, and the JSON shapes of /v1/state.

Big answers come in chunks, so that whoever sends them can let other work in between.
"""

import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Protocol
from urllib.parse import unquote

from lbmesh import __version__
from lbmesh.admin.dns_shapes import dns_shape
from lbmesh.admin.drill_shapes import DRILL_PATH, DrillOrder, DrillStanding, read_drill_order
from lbmesh.admin.key_shapes import KEYS_PATH, read_order, ring_shape
from lbmesh.admin.names import find_replica, near
from lbmesh.admin.text import short
from lbmesh.control.explaining_url import UrlExplanation
from lbmesh.control.inputs import KeyOrder, KeyVerb
from lbmesh.control.state import ForwarderState, NodeState, ReplicaState
from lbmesh.failover.sight import FrontStatus
from lbmesh.gossip.key_orders import RingPicture, Said
from lbmesh.model.explanation import Explanation
from lbmesh.model.front import KINDS
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.member import Member
from lbmesh.model.service import ReplicaId
from lbmesh.routing.warming import is_warming, warmth

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
EXPLAIN_PATH = "/v1/explain/"
_EXPLAINED = ("replica", "member", "front", "url")


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """`target`: as it stood in the request line. `authorization`, `content_type`, `origin`: those fields' values, ""
    when absent. `body`: None for one that was too large to read.
    """

    method: str
    target: str
    authorization: str = ""
    content_type: str = ""
    origin: str = ""
    body: bytes | None = b""


@dataclass(frozen=True, slots=True)
class AdminAnswer:
    """`body`: chunks, each a small step to make; to be left out for HEAD."""

    status: int
    content_type: str
    body: Iterable[bytes]
    extra_fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AdminSource:
    """Where answers come from. `metrics`: chunks and their content type. `explain_…`: None for what is unknown. `ring`
    and `order_key`: the gossip's keys. `drill`: who does a drill's faults; None: they are not allowed.
    """

    state: Callable[[], NodeState]
    replicas: Callable[[], Iterator[ReplicaState]]
    metrics: Callable[[], Iterator[bytes]]
    metrics_type: str
    replica_ids: Callable[[], Iterable[ReplicaId]]
    explain_replica: Callable[[ReplicaId], Explanation | None]
    explain_member: Callable[[str], Explanation | None]
    explain_front: Callable[[str], Explanation | None] = lambda _: None
    explain_url: Callable[[str], UrlExplanation | str] = lambda _: "this node explains no URLs"
    token: str | None = None
    ring: Callable[[], RingPicture | None] = lambda: None
    key_fault: Callable[[], str | None] = lambda: None
    order_key: Callable[[KeyOrder], Said] = lambda _: Said(False, "this node is alone: it has no key ring")
    drill: "DrillActor | None" = None


class DrillActor(Protocol):
    """Who does a drill's faults; there is none where the configuration does not allow drills."""

    def standing(self) -> Sequence[DrillStanding]:
        """The faults that will be undone."""

    def order(self, order: DrillOrder) -> Said:
        """Do one."""

    def heal(self) -> Said:
        """Undo all."""

    def abort(self) -> Said:
        """Undo all, and refuse orders for a while."""

    def aborted_for_s(self) -> float:
        """For how long it still refuses them."""


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
    if path == KEYS_PATH or path.startswith(f"{KEYS_PATH}/"):
        return _keys(path, request, source)
    if path == DRILL_PATH or path.startswith(f"{DRILL_PATH}/"):
        return _drill(path, request, source)
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
        return _unauthorized()
    return routes[path]()


def _explanation(kind: str, name: str, source: AdminSource) -> AdminAnswer:
    """Why, as an object; for a name that is not there, what is wrong with it and which names it stands for."""
    error, found = f"no member {short(name)} is known here", None
    meant: tuple[str, ...] = ()
    if kind == "url":
        routed = source.explain_url(name)
        if isinstance(routed, str):
            return _json(404, {"error": routed, "meant": ()})
        return _json(200, {"node": source.state().node, "kind": kind, **asdict(routed)})
    if kind == "member":
        found = source.explain_member(name)
        if found is None and not (state := source.state()).members:
            error = f"{state.node} is a node alone: it has no [gossip], and so no members"
    elif kind == "front":
        found = source.explain_front(name)
        error = f"no front {short(name)} is in the settings"
        meant = near(name, [one.front.name for one in source.state().fronts])
    else:
        replica = find_replica(name, source.replica_ids())
        if isinstance(replica, ReplicaId):
            found = source.explain_replica(replica)
        else:
            error, meant = replica
    if found is None:
        return _json(404, {"error": error, "meant": meant})
    return _json(200, {"node": source.state().node, "kind": kind, **asdict(found)})


def _keys(path: str, request: AdminRequest, source: AdminSource) -> AdminAnswer:
    """What concerns the key ring: always with the token, and an order only from a program that means it."""
    if not _may(request.authorization, source.token):
        return _unauthorized()
    verb = path.removeprefix(KEYS_PATH).removeprefix("/")
    if not verb and request.method in ("GET", "HEAD"):
        return _json(200, ring_shape(source.ring(), source.key_fault()))
    if verb not in set(KeyVerb):
        return _text(404, f"nothing here; there are GET {KEYS_PATH} and POST {KEYS_PATH}/{'|'.join(KeyVerb)}")
    if request.method != "POST":
        return _text(405, "an order is a POST", ("Allow", "POST"))
    refusal = _refusal(request, source)
    if refusal is not None:
        return refusal
    order = read_order(KeyVerb(verb), request.body or b"")
    if isinstance(order, str):
        return _json(400, {"done": False, "what": order})
    said = source.order_key(order)
    return _json(200 if said.done else 409, asdict(said))


def _drill(path: str, request: AdminRequest, source: AdminSource) -> AdminAnswer:
    """What a drill may do to this node: nothing, unless the configuration says so."""
    if not _may(request.authorization, source.token):
        return _unauthorized()
    verb = path.removeprefix(DRILL_PATH).removeprefix("/")
    if not verb and request.method in ("GET", "HEAD"):
        return _json(200, _drill_shape(source.drill))
    if verb not in ("apply", "heal", "abort"):
        return _text(404, f"nothing here; there are GET {DRILL_PATH} and POST {DRILL_PATH}/apply|heal|abort")
    if request.method != "POST":
        return _text(405, "an order is a POST", ("Allow", "POST"))
    refusal = _refusal(request, source)
    if refusal is not None:
        return refusal
    if source.drill is None:
        return _json(409, asdict(Said(False, "drills are not allowed on this node; set [admin] drills = true")))
    if verb != "apply":
        return _json(200, asdict(source.drill.heal() if verb == "heal" else source.drill.abort()))
    order = read_drill_order(request.body or b"")
    if isinstance(order, str):
        return _json(400, {"done": False, "what": order})
    said = source.drill.order(order)
    return _json(200 if said.done else 409, asdict(said))


def _drill_shape(drill: DrillActor | None) -> dict[str, Any]:
    if drill is None:
        return {"allowed": False, "aborted_for_s": 0.0, "standing": []}
    standing = [asdict(one) for one in drill.standing()]
    return {"allowed": True, "aborted_for_s": drill.aborted_for_s(), "standing": standing}


def _refusal(request: AdminRequest, source: AdminSource) -> AdminAnswer | None:
    """Any page in a browser on this machine can make it send a request here, though not read the answer. It cannot
    give it this content type without asking first, and it always names its origin with a POST.
    """
    if request.content_type.partition(";")[0].strip().lower() != JSON:
        return _text(415, f'send "Content-Type: {JSON}": an order must not come from a form in a browser')
    if source.token is None and request.origin:
        return _text(403, "orders from web pages are refused while there is no token: set [admin] token_file")
    if request.body is None:
        return _text(413, "the body is too large for an order")
    return None


def _json(status: int, value: object) -> AdminAnswer:
    return AdminAnswer(status, JSON, (json.dumps(value).encode() + b"\n",))


def _unauthorized() -> AdminAnswer:
    advice = 'send "Authorization: Bearer" with the token of [admin] token_file'
    return _text(401, advice, ("WWW-Authenticate", 'Bearer realm="lbmesh"'))


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
        "fronts": [_front(one, state.now) for one in state.fronts],
        "forwarders": [_forwarder(forwarder, state) for forwarder in state.forwarders],
        "reload": {"ok": reload.ok, "errors": reload.errors, "age_s": _age(reload.at_s, state.now)} if reload else None,
        "gossip": dict(state.gossip),
        "certificates": [
            {"cert": str(one.cert), "names": one.names, "not_after": one.not_after_s, "fingerprint": one.fingerprint}
            for one in state.certificates
        ],
        "dns": dns_shape(state.dns) if state.dns else None,
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


def _front(one: FrontStatus, now: float) -> dict[str, Any]:
    front = one.front
    return {
        "address": front.name,
        "port": front.address.port,
        "zone": front.zone,
        "node": front.node,
        "class": front.front_class,
        "driver": KINDS[type(front.driver)],
        "holder": one.place.holder,
        "holders": one.holders,
        "rule": one.place.rule,
        "why": one.place.reason,
        "state": one.state,
        "for_s": _age(one.since_s, now),
        "epoch": one.epoch,
        "reason": one.reason,
        "guard": one.guard,
        "problem": one.problem,
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
