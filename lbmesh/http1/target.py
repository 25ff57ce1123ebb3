"""The request target in its four forms, and the authority that a request is for (RFC 9112 §3.2)."""

import re

from lbmesh.http1.fields import FieldSection
from lbmesh.http1.grammar import HOST, HOST_WITHOUT_PORT, ORIGIN_FORM, PORT
from lbmesh.http1.message import Refusal, bad_request

_ORIGIN_FORM = re.compile(ORIGIN_FORM + rb"\Z")
_ABSOLUTE_FORM = re.compile(rb"https?://(" + HOST + rb")([/?].*)?\Z", re.IGNORECASE)
_AUTHORITY_FORM = re.compile(HOST_WITHOUT_PORT + rb":(" + PORT + rb")\Z")
_HOST = re.compile(HOST + rb"\Z")


def read_target(
    method: bytes, raw_target: bytes, section: FieldSection, minor_version: int
) -> tuple[bytes, bytes] | Refusal:
    """The target to send on and the authority it is for."""
    hosts = section.values(b"host")
    if len(hosts) > 1 or (not hosts and minor_version == 1):
        return bad_request("not exactly one Host field (RFC 9112 section 3.2)")
    host = hosts[0] if hosts else b""
    if host and not _HOST.match(host):
        return bad_request("Host is not a host name with an optional port up to 65535 (RFC 9112 section 3.2)")
    if method == b"CONNECT":
        return _authority_form(raw_target, host)
    absolute = _ABSOLUTE_FORM.match(raw_target)
    if absolute:
        authority, rest = absolute[1], absolute[2] or b"/"
        if host and host.lower() != authority.lower():
            return bad_request("Host contradicts the absolute request target (RFC 9112 section 3.2.2)")
        host, raw_target = authority, rest if rest.startswith(b"/") else b"/" + rest
        if method == b"OPTIONS" and not absolute[2]:
            raw_target = b"*"
    elif not host and minor_version == 1:
        return bad_request("an empty Host field for a target without an authority")
    if raw_target == b"*":
        if method != b"OPTIONS":
            return bad_request('the target "*" with a method other than OPTIONS (RFC 9112 section 3.2.4)')
    elif not _is_origin_form(raw_target):
        return bad_request("a malformed request target (RFC 9112 section 3.2)")
    return raw_target, host


def _authority_form(raw_target: bytes, host: bytes) -> tuple[bytes, bytes] | Refusal:
    """Of CONNECT alone: the tunnel's destination, with the port that has no default there (RFC 9110 §9.3.6)."""
    match = _AUTHORITY_FORM.match(raw_target)
    if match is None or not int(match[1]):
        return bad_request("CONNECT without a host and port to connect to (RFC 9112 section 3.2.3)")
    if host and host.lower() != raw_target.lower():
        return bad_request("Host contradicts the target of CONNECT (RFC 9112 section 3.2)")
    return raw_target, raw_target


def _is_origin_form(target: bytes) -> bool:
    """Like ORIGIN_FORM; a backslash is accepted in a query, where browsers leave it as it is."""
    path, mark, query = target.partition(b"?")
    return _ORIGIN_FORM.match(path + mark + query.replace(b"\\", b"")) is not None
