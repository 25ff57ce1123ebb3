"""A response head as this client must get it, when it differs from what every HTTP/1.1 client gets."""

import re

from lbmesh.http1.grammar import caseless

VIA = b"Via: 1.1 lbmesh\r\n"
"""RFC 9110 §7.6.3; the pseudonym is the product's, so that a node's name is not told to clients."""

VIA_1_0 = b"Via: 1.0 lbmesh\r\n"
"""The version is that of the message as it was received."""

VIA_LAST = VIA + b"\r\n"
"""With the empty line that ends the head."""

_KEEPING = re.compile(
    rb"\r\n" + caseless(b"connection") + rb":[ \t]*(?:" + caseless(b"keep-alive") + rb"|close)[ \t]*(?=\r)"
)
_FRAMING = re.compile(
    rb"\r\n(?:"
    + caseless(b"transfer-encoding")
    + b"|"
    + caseless(b"trailer")
    + b"|"
    + caseless(b"content-length")
    + rb"):[^\r]*"
)
_DATE = re.compile(rb"\n" + caseless(b"date") + b":")


def via(minor_version: int) -> bytes:
    """The Via line for a message that was received in HTTP/1.0 or 1.1."""
    return VIA if minor_version else VIA_1_0


def has_date(head: bytes) -> bool:
    """Does the head say when it was made? Else whoever passes it on must (RFC 9110 §6.6.1)."""
    return b"\nDate:" in head or _DATE.search(head) is not None


def rewrite_for_client(
    head: bytes, *, via: bytes, minor_version: int, keep_alive: bool, without_framing: bool
) -> bytes:
    """The head with Via, the right Connection field and the empty line.

    `head`: as in ResponseHead. `minor_version`: the client's; an HTTP/1.0 client is told when the connection stays.
    `without_framing`: the chunks are taken off for a client that knows none (RFC 9112 §6.1).
    """
    head = _KEEPING.sub(b"", head)
    if without_framing:
        head = _FRAMING.sub(b"", head)
    if not keep_alive:
        connection = b"Connection: close\r\n"
    elif minor_version == 0:
        connection = b"Connection: keep-alive\r\n"
    else:
        connection = b""
    return head + via + connection + b"\r\n"


def rewrite_for_tunnel(head: bytes, *, via: bytes) -> bytes:
    """The head of a successful answer to CONNECT: a tunnel has no framing (RFC 9110 §9.3.6) and no next request."""
    return _FRAMING.sub(b"", _KEEPING.sub(b"", head)) + via + b"\r\n"
