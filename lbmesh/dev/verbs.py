"""What one terminal may ask of the mesh in another, and the lines that carry it."""

import json
from dataclasses import dataclass
from enum import StrEnum

LINE_BYTES_MAX = 16_384
"""An order or its reply, as one line of JSON: the longest, a list of all names, is under 2 KiB."""


EVERYTHING = ""
"""In place of a name."""


class Verb(StrEnum):
    """An order to a running mesh."""

    KILL = "kill"
    CUT = "cut"
    HEAL = "heal"
    NAMES = "names"


@dataclass(frozen=True, slots=True)
class Order:
    """Do this to a zone, a balancer or a replica; heal EVERYTHING."""

    verb: Verb
    name: str = EVERYTHING


@dataclass(frozen=True, slots=True)
class Reply:
    """What was done, or why it was not, in lines for a person."""

    ok: bool
    lines: tuple[str, ...]


def encode_order(order: Order) -> bytes:
    """One line."""
    return json.dumps({"verb": order.verb, "name": order.name}).encode() + b"\n"


def decode_order(line: bytes) -> Order:
    """Raises ValueError for anything but an order of this release."""
    match json.loads(line):
        case {"verb": str(verb), "name": str(name)}:
            return Order(Verb(verb), name)
        case other:
            raise ValueError(f"not an order: {other!r}")


def encode_reply(reply: Reply) -> bytes:
    """One line."""
    return json.dumps({"ok": reply.ok, "lines": reply.lines}).encode() + b"\n"


def decode_reply(line: bytes) -> Reply:
    """Raises ValueError for anything but a reply of this release, a line cut short included."""
    match json.loads(line):
        case {"ok": bool(ok), "lines": [*lines]}:
            return Reply(ok, tuple(str(one) for one in lines))
        case other:
            raise ValueError(f"not a reply: {other!r}")
