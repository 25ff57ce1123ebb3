"""Names on the wire (RFC 1035, 3.1): labels with their lengths, an empty one at the end."""

import re

LABEL_BYTES_MAX = 63
NAME_BYTES_MAX = 255
POINTER = 0xC000
"""Begins two bytes that lead to an earlier place of the message (RFC 1035, 4.1.4)."""

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")


def to_wire(name: str) -> bytes:
    """The name, in lower case. Raises ValueError for what is no name of hosts or services."""
    labels = name.lower().split(".")
    if not all(map(_LABEL.match, labels)):
        raise ValueError('labels have 1 to 63 letters, digits, "-" and "_", and begin and end without "-"')
    wire = b"".join(bytes((len(label),)) + label.encode() for label in labels) + b"\0"
    if len(wire) > NAME_BYTES_MAX:
        raise ValueError("a name has at most 253 characters")
    return wire


def mailbox_to_wire(mailbox: str) -> bytes:
    """A mailbox as SOA has it (RFC 1035, 8): its local part is one label, which may hold dots."""
    local, _, domain = mailbox.rpartition("@")
    if not 1 <= len(local) <= LABEL_BYTES_MAX or not local.isascii() or not local.isprintable() or " " in local:
        raise ValueError("write an address of mail")
    wire = bytes((len(local),)) + local.encode() + to_wire(domain)
    if len(wire) > NAME_BYTES_MAX:
        raise ValueError("an address of mail has at most 253 characters")
    return wire


def end_of_name(message: bytes, start: int) -> int | None:
    """Where a name that is written out ends; None when there is none, or a pointer, or a label of a later kind: a
    question has nothing before it to point to.
    """
    at = start
    try:
        while length := message[at]:
            if length > LABEL_BYTES_MAX:
                return None
            at += 1 + length
    except IndexError:
        return None
    return at + 1 if at + 1 - start <= NAME_BYTES_MAX else None


def end_of_any_name(message: bytes, start: int) -> int | None:
    """The same for a name that may end with a pointer, which is not followed."""
    at = start
    while at < len(message):
        length = message[at]
        if length >= POINTER >> 8:
            return at + 2 if at + 2 <= len(message) else None
        if length > LABEL_BYTES_MAX:
            return None
        at += 1 + length
        if not length:
            return at if at - start <= NAME_BYTES_MAX else None
    return None


def parents(wire: bytes) -> list[bytes]:
    """The name itself, then each above it; the root last."""
    found, at = [], 0
    while at < len(wire):
        found.append(wire[at:])
        at += 1 + wire[at]
    return found
