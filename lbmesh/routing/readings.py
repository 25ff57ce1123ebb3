"""How else an origin may read a path than RFC 3986 has it: what attackers count on to step past a path rule.

Paths go on byte for byte, so what a replica makes of one is up to it. Some decode twice, take "%2F" for a slash before
they resolve "..", take a backslash for a slash (Windows), strip ";parameters" (servlets), end at a NUL (C), or accept
UTF-8 that is longer than it may be (CVE-2000-0884). No balancer can know which of them do. So a path with anything of
that kind in it is read in all these ways and their combinations; where one of the readings falls under a more specific
rule than the path as it stands, or under none at all, the request is refused. Envoy's
`path_with_escaped_slashes_action` refuses or decodes every escaped slash instead; here those who need one
("@scope%2Fname") keep it.
"""

import re
from urllib.parse import unquote_to_bytes

from lbmesh.routing.path import merged_slashes, resolved, without_dot_segments, without_needless_escapes

READINGS_MAX = 32
"""Distinct spellings on the way; a path with more is refused. An honest one has two, or four."""

PATH_BYTES_MAX = 4096
"""A longer path that is not plain is refused unread …"""

WORK_BYTES_MAX = 32 * 1024
"""… and so is one whose spellings have more bytes than this together: no path takes more than a few milliseconds."""

_PARAMETERS = re.compile(rb";[^/]*")
_PARAMETERS_UP_TO_BACKSLASH = re.compile(rb";[^/\\]*")
_OVERLONG = re.compile(rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|\xf0[\x80-\x8f][\x80-\xbf]{2}")


def is_plain(path: bytes) -> bool:
    """True when every origin reads it as it stands."""
    return not (b"%" in path or b";" in path or b"//" in path or b"/." in path or b"\\" in path)


def readings(path: bytes) -> frozenset[bytes] | None:
    """The paths that some origin may make of one, its own normal form among them; None when there are too many."""
    if len(path) > PATH_BYTES_MAX:
        return None
    normal = without_needless_escapes(path)
    found = {(path, False), (normal, True)}
    waiting = list(found)
    budget = WORK_BYTES_MAX
    while waiting:
        text, is_decoded = waiting.pop()
        budget -= len(text)
        others = [(other, is_decoded) for other in _other_readings(text)]
        if b"%" in text:
            others.append((unquote_to_bytes(text), True))
        for other in others:
            if other not in found:
                if len(found) >= READINGS_MAX or budget < 0:
                    return None
                found.add(other)
                waiting.append(other)
    ends = {resolved(without_needless_escapes(text)) for text, _ in found}
    # Escapes that are left are taken for letters, but only by who has decoded once.
    return frozenset(ends | {resolved(text) for text, is_decoded in found if is_decoded})


def _other_readings(text: bytes) -> list[bytes]:
    """What one step of one origin makes of it, beside decoding."""
    others = []
    if b"\\" in text:
        others.append(text.replace(b"\\", b"/"))
    if b";" in text:
        others += (_PARAMETERS.sub(b"", text), _PARAMETERS_UP_TO_BACKSLASH.sub(b"", text))
    if b"\0" in text:
        others.append(text.partition(b"\0")[0])
    if _OVERLONG.search(text):
        others.append(_OVERLONG.sub(_shortest, text))
    if b"//" in text:
        others.append(merged_slashes(text))
    if b"/." in text:
        others.append(without_dot_segments(text))
    return others


def _shortest(match: re.Match[bytes]) -> bytes:
    """The character that an overlong sequence stands for."""
    lead, *rest = match[0]
    code = lead & (0x1F if lead < 0xE0 else 0x0F if lead < 0xF0 else 0x07)
    for byte in rest:
        code = code << 6 | byte & 0x3F
    return chr(code).encode()
