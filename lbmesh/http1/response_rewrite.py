"""A response head as this client must get it, when it differs from what every HTTP/1.1 client gets."""

import re

from lbmesh.http1.grammar import caseless

VIA = b"Via: 1.1 lbmesh\r\n"
"""RFC 9110 §7.6.3; the pseudonym is the product's, so that a node's name is not told to clients."""

VIA_LAST = VIA + b"\r\n"
"""With the empty line that ends the head."""

_CONNECTION = re.compile(rb"\r\n" + caseless(b"connection") + rb":[^\r]*")
_FRAMING = re.compile(rb"\r\n(?:" + caseless(b"transfer-encoding") + b"|" + caseless(b"trailer") + rb"):[^\r]*")


def rewrite_for_client(head: bytes, *, minor_version: int, keep_alive: bool, without_framing: bool) -> bytes:
    """The head with Via, the right Connection field and the empty line.

    `head`: as in ResponseHead. `minor_version`: the client's; an HTTP/1.0 client is told when the connection stays.
    `without_framing`: the chunks are taken off for a client that knows none (RFC 9112 §6.1).
    """
    head = _CONNECTION.sub(b"", head)
    if without_framing:
        head = _FRAMING.sub(b"", head)
    if not keep_alive:
        connection = b"Connection: close\r\n"
    elif minor_version == 0:
        connection = b"Connection: keep-alive\r\n"
    else:
        connection = b""
    return head + VIA + connection + b"\r\n"
