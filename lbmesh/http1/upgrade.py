"""Upgrade (RFC 9110 §7.8): which protocols a client offers through us, and whether the answer keeps to them.

The field belongs to one connection, so it is never passed on but made anew for the next one. Any protocol may be asked
for: after the switch the bytes are the affair of both ends.
"""

import re

from lbmesh.http1.fields import FieldSection
from lbmesh.http1.grammar import TOKEN_CLASS
from lbmesh.http1.message import Refusal

_PROTOCOL = re.compile(TOKEN_CLASS + rb"+(?:/" + TOKEN_CLASS + rb"+)?\Z")

_OF_THIS_CONNECTION = frozenset({b"h2c", b"h2", b"http", b"tls"})
"""What would change how HTTP itself is spoken with us, not carry something else in its place. HTTP/2 by Upgrade is
obsolete (RFC 9113 §3.1); passed on blindly, it takes a client past every rule of the balancer. TLS: RFC 2817 §3.
"""


def protocols_offered(section: FieldSection, minor_version: int) -> tuple[bytes, ...]:
    """The protocols that the client would switch to and a replica may be asked for, in its order; () when none.

    Ignored in HTTP/1.0, and where Connection does not name it (RFC 9110 §7.8): then it was meant for a hop before us.
    """
    if minor_version == 0 or b"upgrade" not in section.options(b"connection"):
        return ()
    return tuple(
        protocol
        for protocol in section.members(b"upgrade")
        if _PROTOCOL.match(protocol) and protocol.lower().partition(b"/")[0] not in _OF_THIS_CONNECTION
    )


def protocols_chosen(
    section: FieldSection, minor_version: int, offered: tuple[bytes, ...]
) -> tuple[bytes, ...] | Refusal:
    """What a 101 switches to, or why nothing may be switched (RFC 9110 §15.2.2)."""
    if not offered:
        return _bad("101 for a request that asked for no upgrade (RFC 9110 section 15.2.2)")
    if minor_version == 0 or b"upgrade" not in section.options(b"connection"):
        return _bad("101 without Upgrade as an option of Connection (RFC 9110 section 7.8)")
    chosen = section.members(b"upgrade")
    allowed = {protocol.lower() for protocol in offered}
    if not chosen or not {protocol.lower() for protocol in chosen} <= allowed:
        return _bad("101 to a protocol that was not asked for (RFC 9110 section 7.8)")
    return chosen


def _bad(detail: str) -> Refusal:
    return Refusal(502, "bad_response", detail)
