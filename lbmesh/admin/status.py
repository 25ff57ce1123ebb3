"""`lbmesh status`: the mesh as one node sees it, asked over its admin address."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from lbmesh.admin.client import OTHER_SHAPE, Asked, ask, command_line, fail, other_release
from lbmesh.admin.dns_shapes import dns_lines
from lbmesh.admin.text import ago, plain, table

_HINTS_MAX = 3

_REFUSALS = frozenset(
    f"rejected_{reason}" for reason in ("unknown_key", "forged", "malformed", "stale_identity", "full")
)
"""Refused datagrams that may explain why a node is alone; others, such as its own come back, are in order."""


def run_status(whom: Asked, *, as_json: bool) -> int:
    """Print what the node believes. The exit code: 1 when it cannot be asked."""
    answer = ask(whom, "/v1/state")
    if isinstance(answer, str):
        return fail("status", answer, as_json=as_json)
    try:
        lines = list(status_lines(answer.json(), whom.command)) if answer.status_code == 200 else None
    except OTHER_SHAPE:
        lines = None
    if lines is None:
        return fail("status", other_release(whom), as_json=as_json)
    print(answer.text.rstrip("\n") if as_json else "\n".join(map(plain, lines)))
    return 0


def status_lines(state: dict[str, Any], command: Callable[..., str] = command_line) -> Iterator[str]:
    """The state of /v1/state as text. `command`: makes one to be typed next. Raises KeyError or TypeError when the
    state has another shape.
    """
    node = state["node"]
    ready = "ready" if node["ready"] else f"not ready: {node['reason']}"
    yield f"{node['name']} in {node['zone']}, lbmesh {node['version']}, View {node['view'] or 'none yet'}, {ready}"
    yield from _section(
        "member",
        ("zone", "state", "for", "reason"),
        ((one["name"], one["zone"], one["state"], ago(one["for_s"]), _why_so(one)) for one in state["members"]),
    )
    yield from _mesh_lines(state)
    yield from _section(
        "replica",
        ("zone", "availability", "for", "opinions", "reason"),
        (
            (
                f"{service['name']}/{one['address']}",
                one["zone"],
                _use(one),
                ago(one["for_s"]),
                _votes(one["opinions"]),
                one["reason"],
            )
            for service in state["services"]
            for one in service["replicas"]
        ),
    )
    yield from _section(
        "forwarder",
        ("process", "View", "connections", "active"),
        (
            (
                str(one["worker"]),
                str(one["pid"]),
                (one["view"] or "none yet") + _standing(one),
                _figure(one["connections"]),
                _figure(one["active_requests"]),
            )
            for one in state["forwarders"]
        ),
    )
    yield from _section(
        "front",
        ("home", "holder", "here", "for", "reason"),
        (
            (
                one["address"],
                one["node"] or one["zone"],
                ", ".join(one["holders"]) or "nobody",
                one["state"],
                ago(one["for_s"]),
                "; ".join(filter(None, (one["problem"], one["guard"], one["why"]))),
            )
            for one in state["fronts"]
        ),
    )
    yield from _section(
        "certificate",
        ("for", "expires"),
        ((one["cert"], ", ".join(one["names"]) or "-", _day(one["not_after"])) for one in state["certificates"]),
    )
    yield from dns_lines(state["dns"])
    yield from _hints(state, command)
    yield ""
    yield from _reload_lines(state["reload"])


def _why_so(member: dict[str, Any]) -> str:
    """The reason of its state, after what the heartbeat knows and membership may not have noticed yet."""
    gone = member["gone"]
    return f"gone for {ago(gone['for_s'])} ({gone['reason']}); {member['reason']}" if gone else str(member["reason"])


def _hints(state: dict[str, Any], command: Callable[..., str]) -> Iterator[str]:
    """What to type to learn more of what is down, a few of each kind."""
    members = [one["name"] for one in state["members"] if one["state"] in ("down", "impaired")]
    replicas = [
        f"{service['name']}/{one['address']}"
        for service in state["services"]
        for one in service["replicas"]
        if one["availability"] == "down"
    ]
    hints = [f"why: {command('explain', 'member', name)}" for name in members[:_HINTS_MAX]]
    hints += [f"why: {command('explain', 'replica', name)}" for name in replicas[:_HINTS_MAX]]
    fronts = [one["address"] for one in state["fronts"] if one["problem"] or not one["holders"]]
    hints += [f"why: {command('explain', 'front', name)}" for name in fronts[:_HINTS_MAX]]
    yield from ("", *hints) if hints else ()


def _mesh_lines(state: dict[str, Any]) -> Iterator[str]:
    """Why this node may be alone in its mesh, and what else is amiss there; nothing when all is well."""
    live = [one for one in state["members"] if one["state"] in ("alive", "impaired")]
    is_alone = bool(state["members"]) and len(live) <= 1
    facts = ["this node only"] if is_alone else []
    facts += [f"{one['what']}: {one['advice']}" for one in state["notices"]]
    if is_alone:
        refused = (item for item in state["gossip"].items() if item[0] in _REFUSALS)
        facts += [f"{count} datagrams refused ({name.removeprefix('rejected_')})" for name, count in refused]
    if facts:
        yield ""
    yield from (f"mesh: {fact}" for fact in facts)


def _reload_lines(reload: dict[str, Any] | None) -> Iterator[str]:
    if reload is None:
        yield "No reload since this agent started."
    elif reload["ok"]:
        yield f"The last reload, {ago(reload['age_s'])} ago, was taken."
    else:
        yield f"The last reload, {ago(reload['age_s'])} ago, was refused, and the settings before it stand:"
        yield from (f"  {error}" for error in reload["errors"])


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table; nothing when there are no rows."""
    lines = list(table([(title, *columns), *rows]))
    yield from ("", *lines) if lines else ()


def _use(replica: dict[str, Any]) -> str:
    """What this node makes of a replica, in a word or two."""
    if replica["ejected_for_s"] is not None:
        return f"ejected, {ago(replica['ejected_for_s'])} left"
    warming = f", warming {replica['warmth']:.0%}" if replica["warmth"] < 1 else ""
    return f"{replica['availability']}{warming}"


def _votes(opinions: list[dict[str, Any]]) -> str:
    if not opinions:
        return "none"
    ups = sum(one["up"] for one in opinions)
    return f"{ups} up, {len(opinions) - ups} down"


def _standing(forwarder: dict[str, Any]) -> str:
    if forwarder["silent"]:
        return " (silent)"
    return "" if forwarder["current"] else " (behind)"


def _figure(value: int | None) -> str:
    return "-" if value is None else str(value)


def _day(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d}"
