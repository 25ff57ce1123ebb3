"""`lbmesh status`: the mesh as one node sees it, asked over its admin address."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import httpx

from lbmesh.model.address import Address

TIMEOUT_S = 5.0

_REFUSALS = frozenset(
    f"rejected_{reason}" for reason in ("unknown_key", "forged", "malformed", "stale_identity", "full")
)
"""Refused datagrams that may explain why a node is alone; others, such as its own come back, are in order."""


def run_status(
    admin_address: Address, as_json: bool, token: str | None, else_where: Callable[[], str] | None = None
) -> int:
    """Print what the node at `admin_address` believes. The exit code: 1 when it cannot be asked.

    `else_where` says whom to ask instead, should nobody answer there; without it, how to find out why.
    """
    url = f"http://{admin_address}/v1/state"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        response = httpx.get(url, headers=headers, timeout=TIMEOUT_S, trust_env=False)
    except httpx.TimeoutException:
        return _fail(f"no answer from {admin_address} within {TIMEOUT_S:g} s: the node hangs, or a firewall is between")
    except httpx.HTTPError as error:
        advice = else_where() if else_where else "Is lbmesh running there, and is this its [admin] bind?"
        return _fail(f"cannot ask {admin_address}: {_why(error)}. {advice}")
    match response.status_code:
        case 200:
            return _print(response, admin_address, as_json=as_json)
        case 401:
            return _fail(f"{admin_address} wants its admin token: give -c FILE of that node, or --token-file FILE")
        case status:
            return _fail(f"{admin_address} answered with status {status}: is it the admin address of an lbmesh node?")


def _why(error: BaseException) -> str:
    """The system's own words, without the number and the layers around them."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return str(error)


def _print(response: httpx.Response, admin_address: Address, *, as_json: bool) -> int:
    if as_json:
        print(response.text, end="")
        return 0
    try:
        lines = list(status_lines(response.json()))
    except (ValueError, KeyError, TypeError):
        return _fail(f"{admin_address} answered with something else than a node's state: are both of one release?")
    print(*lines, sep="\n")
    return 0


def status_lines(state: dict[str, Any]) -> Iterator[str]:
    """The state of /v1/state as text. Raises KeyError or TypeError when it has another shape."""
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
    yield ""
    yield from _reload_lines(state["reload"])


def _why_so(member: dict[str, Any]) -> str:
    """The reason of its state, after what the heartbeat knows and membership may not have noticed yet."""
    gone = member["gone"]
    return f"gone for {ago(gone['for_s'])} ({gone['reason']}); {member['reason']}" if gone else str(member["reason"])


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
    """A table, the last column as wide as it likes; nothing when there are no rows."""
    table = [(title, *columns), *rows]
    if len(table) == 1:
        return
    widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
    yield ""
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()


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


def ago(seconds: float | None) -> str:
    """A duration as people say it: "0.4s", "12s", "5m", "3h", "2d"; "-" for none."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    for unit, size, limit in (("s", 1, 120), ("m", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds / 86_400:.0f}d"


def _fail(message: str) -> int:
    print(f"lbmesh status: {message}", file=sys.stderr)
    return 1
