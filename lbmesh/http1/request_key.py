"""What of a request head may stand for who sent it: a header's value, a cookie's, the path. One search each."""

import re
from collections.abc import Callable

from lbmesh.http1.grammar import caseless
from lbmesh.http1.message import RequestHead

KeyOf = Callable[[RequestHead], bytes | None]


def header_key(name: str) -> KeyOf:
    """The first such field's value without white space around it; None when it is absent or empty."""
    find = re.compile(rb"\n" + caseless(name.encode()) + rb":[ \t]*([^\r]*)").search

    def key_of(head: RequestHead) -> bytes | None:
        found = find(head.head)
        return found[1].rstrip(b" \t") or None if found else None

    return key_of


def cookie_key(name: str) -> KeyOf:
    """The first such cookie's value (RFC 6265 §4.2.1), quotes included; None when it is absent or empty."""
    find = re.compile(
        rb"\n" + caseless(b"cookie") + rb":(?:[^\r]*?[; \t])?" + re.escape(name.encode()) + rb"=([^;\r]*)"
    ).search

    def key_of(head: RequestHead) -> bytes | None:
        found = find(head.head)
        return found[1].rstrip(b" \t") or None if found else None

    return key_of


def path_key(head: RequestHead) -> bytes | None:
    """The path as it came, without its query."""
    return head.target.partition(b"?")[0] or None
