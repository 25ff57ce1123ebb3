"""Names as operators write them: what a node has under a name, and what may have been meant."""

import difflib
from collections.abc import Iterable

from lbmesh.admin.text import SHOWN_CHARS_MAX, short
from lbmesh.model.address import is_ip_literal, parse_address
from lbmesh.model.service import ReplicaId

NEAR_MAX = 5
"""Suggestions for a name that is not there."""


def find_replica(name: str, replicas: Iterable[ReplicaId]) -> ReplicaId | tuple[str, tuple[str, ...]]:
    """The replica of this name, "service/address" or an address that one service alone has. Else what is wrong, and
    the names that were meant, where the address has several.
    """
    service, separator, text = name.rpartition("/")
    try:
        address = parse_address(text)
    except ValueError as error:
        return f"{_misspelt(name, str(error))}; a replica's name is service/address, such as shop/10.0.1.20:8080", ()
    found = sorted(one for one in replicas if one.address == address and (not separator or one.service == service))
    if not found:
        return f"no replica {short(name)} is configured here", ()
    if len(found) > 1:
        return f"{len(found)} services have a replica at {address}: say which", tuple(map(str, found[:NEAR_MAX]))
    return found[0]


def _misspelt(name: str, error: str) -> str:
    """What is wrong with a name whose end is no address. `error`: what is wrong with that end."""
    _, separator, text = name.rpartition("/")
    if separator and not text:
        return f'"{short(name)}" lacks the address'
    if len(name) > SHOWN_CHARS_MAX or not (separator or ":" in text or is_ip_literal(text)):
        return f'no replica has the name "{short(name)}"'
    return error


def near(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """What may have been meant by a name that is not there, the likeliest first. Where none is like it, any few: they
    show at least what names look like.
    """
    known = sorted(set(names))
    containing = [one for one in known if name.lower() in one.lower()]
    alike = difflib.get_close_matches(name, known, n=NEAR_MAX, cutoff=0.6)
    return (*dict.fromkeys([*containing, *alike]), *(() if containing or alike else known))[:NEAR_MAX]
