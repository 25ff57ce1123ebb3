"""A path as routing sees it, so that no spelling of a path steps past a rule."""

import re

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SLASHES = re.compile(rb"//+")


def routing_path(target: bytes) -> bytes:
    """The path of a target without its query, in normal form. The request itself goes on byte for byte as it came."""
    path, _, _ = target.partition(b"?")
    return normal_form(path)


def normal_form(path: bytes) -> bytes:
    """Escapes of unreserved characters decoded, empty and dot segments removed (RFC 3986 §6.2.2)."""
    return resolved(without_needless_escapes(path))


def without_needless_escapes(path: bytes) -> bytes:
    """Escapes of unreserved characters decoded, the others in upper case."""
    return _ESCAPE.sub(_decode_unreserved, path) if b"%" in path else path


def resolved(path: bytes) -> bytes:
    """Empty and dot segments removed."""
    if b"//" in path:
        path = merged_slashes(path)
    if b"/." in path:
        path = without_dot_segments(path)
    return path


def _decode_unreserved(match: re.Match[bytes]) -> bytes:
    character = int(match[1], 16)
    return bytes([character]) if character in _UNRESERVED else match[0].upper()


def merged_slashes(path: bytes) -> bytes:
    """Without empty segments."""
    return _SLASHES.sub(b"/", path)


def without_dot_segments(path: bytes) -> bytes:
    """RFC 3986 §5.2.4 for a path that starts with "/"."""
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if kept:
                kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
