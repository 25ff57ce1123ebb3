"""`lbmesh explain`: why a node holds a replica or a member for what it is, who has a front, and why a request would go
where. The answer first, then the evidence.
"""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from os import environ
from typing import Any
from urllib.parse import quote

from lbmesh.admin.client import OTHER_SHAPE, Asked, ask, fail, other_release
from lbmesh.admin.explain_url import url_lines
from lbmesh.admin.names import near
from lbmesh.admin.text import ago, plain, short

WIDTH = 100
_NAME_WIDTH_MAX = 24
_ASKED_CHARS_MAX = 500
"""No name is so long, so that what follows makes no difference, but that it might not fit a request."""
_COLOURS = {"down": "31", "impaired": "33", "unknown": "33", "left": "33", "up": "32", "alive": "32"}


def run_explain(whom: Asked, kind: str, name: str, *, as_json: bool) -> int:
    """Print why; the exit code: 1 when the node cannot be asked, or has nobody of that name. `kind`: "replica",
    "member", "front" or "url".
    """
    name = name[:_ASKED_CHARS_MAX]
    answer = ask(whom, f"/v1/explain/{kind}/{quote(name, safe='' if kind == 'url' else '/', errors='surrogateescape')}")
    if isinstance(answer, str):
        return fail("explain", answer, as_json=as_json)
    try:
        found: dict[str, Any] = answer.json()
        if answer.status_code != 200:
            return fail("explain", found["error"], meant=_meant(whom, kind, name, found), as_json=as_json)
        lines = list(url_lines(found) if kind == "url" else explain_lines(found, colours=_has_colours()))
    except OTHER_SHAPE:
        return fail("explain", other_release(whom), as_json=as_json)
    print(answer.text.rstrip("\n") if as_json else "\n".join(lines))
    return 0


def explain_lines(found: dict[str, Any], *, colours: bool = False) -> Iterator[str]:
    """An answer of /v1/explain as text. Raises KeyError or TypeError when it has another shape."""
    state = plain(found["state"])
    head = f"{found['subject']} is {state} for {ago(found['for_s'])}: {found['reason']}"
    first, *rest = _wrapped(head, "", "  ")
    if colours and state in _COLOURS:
        first = first.replace(f" is {state} ", f" is \x1b[{_COLOURS[state]}m{state}\x1b[0m ", 1)
    yield first
    yield from rest
    yield from _wrapped(f"rule {found['rule']}, as {found['node']} sees it", "  ", "  ")
    for note in found["notes"]:
        yield from _wrapped(f"note: {note}", "  ", "        ")
    yield from _section(
        "who said what",
        [("who", "zone", "age", "counts", "said"), *map(_said, found["said"])],
    )
    yield from _section(
        "what it was before, newest first",
        [("ago", "from", "to", "rule", "reason"), *map(_transition, found["history"])],
    )


def _said(one: dict[str, Any]) -> Sequence[str]:
    why_not = "" if one["counts"] else f" (not counted: {one['why_not']})"
    return one["who"], one["zone"], ago(one["age_s"]), "yes" if one["counts"] else "no", one["what"] + why_not


def _transition(one: dict[str, Any]) -> Sequence[str]:
    return ago(one["age_s"]), one["before"], one["after"], one["rule"], one["reason"]


def _section(title: str, rows: list[Sequence[str]]) -> Iterator[str]:
    """A table whose last column is wrapped to the width; nothing when there are no rows beside the heading."""
    if len(rows) == 1:
        return
    cells = [[short(plain(cell), _NAME_WIDTH_MAX) for cell in row[:-1]] for row in rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(cells[0]))]
    yield ""
    yield f"{title}:"
    for row, text in zip(cells, (row[-1] for row in rows), strict=True):
        margin = "  " + "".join(f"{cell.ljust(width)}  " for cell, width in zip(row, widths, strict=True))
        yield from _wrapped(text, margin, " " * len(margin))


def _wrapped(text: str, first: str, further: str) -> list[str]:
    wrap = textwrap.TextWrapper(WIDTH, initial_indent=first, subsequent_indent=further, break_on_hyphens=False)
    return wrap.wrap(plain(text)) or [first.rstrip()]


def _meant(whom: Asked, kind: str, name: str, found: dict[str, Any]) -> list[str]:
    """Commands with the names that may have been meant."""
    names = list(found["meant"])
    if not names and kind != "url":
        answer = ask(whom, "/v1/state")
        state = {} if isinstance(answer, str) else answer.json()
        names = list(near(name, _names(kind, state)))
    return [whom.command("explain", kind, one) for one in names]


def _names(kind: str, state: dict[str, Any]) -> Iterator[str]:
    if kind == "member":
        yield from (one["name"] for one in state.get("members", ()))
    elif kind == "front":
        yield from (one["address"] for one in state.get("fronts", ()))
    else:
        services = state.get("services", ())
        yield from (f"{service['name']}/{one['address']}" for service in services for one in service["replicas"])


def _has_colours() -> bool:
    return sys.stdout.isatty() and not environ.get("NO_COLOR")
