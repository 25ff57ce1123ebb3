"""What `lbmesh lab status` prints. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def as_json(state: Mapping[str, Any]) -> str:
    """All of it."""
    return json.dumps(state, indent=1)


def as_text(state: Mapping[str, Any], now_s: float) -> str:
    """For people: a line for each host, then for each fault. `now_s`: the machine's monotonic clock."""
    rows = [("HOST", "ZONE", "ROLE", "ADDRESS", "PROGRAMS")]
    for host in state["hosts"]:
        programs = ", ".join(_program(one) for one in host["programs"])
        rows.append((host["name"], host["zone"] or "-", host["role"], host["address"] or "-", programs or "-"))
    lines = [f"lab {state['name']}", *_aligned(rows)]
    for fault in state["faults"]:
        since_s, left_s = now_s - fault["since_s"], fault["until_s"] - now_s
        lines.append(f"fault {fault['fault']}: {fault['label']}, for {since_s:.0f} s, at most {left_s:.0f} s more")
    if not state["faults"]:
        lines.append("no fault stands")
    return "\n".join(lines)


def _program(one: Mapping[str, Any]) -> str:
    if one["pid"] is None:
        return f"{one['name']} (ended with {one['status']})"
    word = "stopped, " if one["stopped"] else ""
    return f"{one['name']} ({word}pid {one['pid']})"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
