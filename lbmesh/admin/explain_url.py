"""`lbmesh explain url` as text: where a request would go, and why."""

from collections.abc import Iterator
from typing import Any

from lbmesh.admin.text import plain, short

_NAME_WIDTH_MAX = 24


def url_lines(found: dict[str, Any]) -> Iterator[str]:
    """An answer of /v1/explain/url as text. Raises KeyError or TypeError when it has another shape."""
    services = found["services"]
    names = ", ".join(f"{plain(one['name'])} ({one['share']:.0%})" for one in services) or "no service"
    yield f"{plain(found['url'])} goes to {names}, as {plain(found['node'])} sees it"
    yield f"  by the route for {plain(found['route'])}"
    if found["has_rules"]:
        yield "  note: the route has rules, which may answer the request or change it"
    for one in services:
        yield from _service_lines(one)


def _service_lines(service: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"service {plain(service['name'])}: {'; '.join(map(plain, service['how']))}"
    for zone in service["zones"]:
        yield f"  {zone['share']:4.0%}  {short(plain(zone['zone']), _NAME_WIDTH_MAX)}  {plain(zone['why'])}".rstrip()
    rows = [("share", "replica", "zone", "in flight", "latency", "is")]
    for one in service["replicas"]:
        latency = "-" if one["latency_s"] is None else f"{1000 * one['latency_s']:.1f} ms"
        state = plain(one["availability"]) + (f": {plain(one['reason'])}" if one["reason"] else "")
        zone = short(plain(one["zone"]), _NAME_WIDTH_MAX)
        rows.append((f"{one['share']:.1%}", plain(one["address"]), zone, str(one["in_flight"]), latency, state))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for *cells, last in rows:
        yield "  " + "".join(f"{cell.ljust(width)}  " for cell, width in zip(cells, widths, strict=True)) + last
    if service["replicas_left_out"]:
        yield f"  and {service['replicas_left_out']} more"
