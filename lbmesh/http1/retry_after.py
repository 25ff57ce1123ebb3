"""How long a response asks to be left alone (RFC 9110 §10.2.3)."""

import re

from lbmesh.http1.grammar import caseless

_SECONDS = re.compile(rb"\n" + caseless(b"retry-after") + rb":[ \t]*([0-9]{1,9})[ \t]*\r").search


def retry_after_s(head: bytes) -> float:
    """Seconds; 0.0 when the head says nothing, or names a date: clocks of two machines are not compared."""
    found = _SECONDS(head)
    return float(found[1]) if found else 0.0
