"""Reading one header field, cookie or argument of the query out of a request, without taking the head apart."""

import re
from collections.abc import Callable
from urllib.parse import unquote_plus

from lbmesh.http1.grammar import caseless
from lbmesh.http1.message import RequestHead

Read = Callable[[RequestHead], bytes | None]
"""The value in a request; None when there is none."""


def header_reader(name: str) -> Read:
    """The value of a field; of several lines the list that they stand for (RFC 9110 §5.3)."""
    find = re.compile(rb"\n" + caseless(name.encode()) + rb":[ \t]*+([^\r]*)").findall

    def read(head: RequestHead) -> bytes | None:
        values: list[bytes] = find(head.head)
        return b", ".join(value.rstrip(b" \t") for value in values) if values else None

    return read


def cookie_reader(name: str) -> Read:
    """The value of a cookie (RFC 6265 §4.2.1); of several the first, which has the longest path (§5.4)."""
    search = re.compile(
        rb"\n" + caseless(b"cookie") + rb":(?:[^\r]*?;)??[ \t]*" + re.escape(name.encode()) + rb"=([^;\r]*)"
    ).search

    def read(head: RequestHead) -> bytes | None:
        found = search(head.head)
        return found[1].rstrip(b" \t") if found else None

    return read


def query_reader(name: str) -> Read:
    """The value of the first argument of this name, decoded; b"" when it has none."""
    search = re.compile(rb"[?&]" + re.escape(name.encode()) + rb"(?:=([^&]*)|(?=&)|\Z)").search

    def read(head: RequestHead) -> bytes | None:
        mark = head.target.find(b"?")
        found = search(head.target, mark) if mark >= 0 else None
        return unquote_plus((found[1] or b"").decode()).encode() if found else None

    return read
