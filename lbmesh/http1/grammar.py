"""Byte classes and patterns of RFC 9110 and 9112, written once for both lanes."""

import re

from lbmesh.model.limits import FIELDS_MAX

TOKEN_CLASS = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
"""tchar, RFC 9110 §5.6.2."""

VALUE_CLASS = rb"[\t\x20-\x7e\x80-\xff]"
"""What may stand in a field value: VCHAR, obs-text, SP and HTAB (RFC 9110 §5.5)."""

PATH_CLASS = rb"[/!$&-.0-;=@A-Z_a-z~]"
"""pchar without "%", and "/" (RFC 3986 §3.3)."""

QUERY_CLASS = rb"[!$-;=?-\[\]^_`a-z{|}~]"
"""What browsers leave unescaped in a query (WHATWG URL, query percent-encode set), without the backslash."""

ORIGIN_FORM = rb"/" + PATH_CLASS + rb"*+(?:%(?!00)[0-9A-Fa-f]{2}" + PATH_CLASS + rb"*+)*(?:\?" + QUERY_CLASS + rb"*+)?"
"""origin-form, RFC 9112 §3.2.1; a stray "%" in a path is refused, in a query it is the application's affair. An escaped
NUL in a path is refused, too (RFC 3986 §7.3): it ends the path for what is written in C, and for nothing else.
"""


def _ipv6_address() -> bytes:
    """IPv6address of RFC 3986 §3.2.2: without "::" eight groups, with it fewer on its two sides."""
    octet = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    group = rb"[0-9A-Fa-f]{1,4}"
    last_two = rb"(?:" + group + rb":" + group + rb"|" + octet + rb"(?:\." + octet + rb"){3})"

    def before_gap(groups_max: int) -> bytes:
        return rb"(?:(?:%b:){0,%d}%b)?::" % (group, groups_max - 1, group) if groups_max else b"::"

    forms = [rb"(?:%b:){6}%b" % (group, last_two)]
    forms += [rb"%b(?:%b:){%d}%b" % (before_gap(5 - after), group, after, last_two) for after in range(5, -1, -1)]
    forms += [before_gap(6) + group, before_gap(7)]
    return b"|".join(forms)


PORT = rb"(?:[0-5]?[0-9]{1,4}|6(?:[0-4][0-9]{3}|5(?:[0-4][0-9]{2}|5(?:[0-2][0-9]|3[0-5]))))"
"""A port of TCP, up to 65535 in up to five digits (RFC 3986 §3.2.3, RFC 9293 §3.1): readers of larger ones wrap them
round or fail. Nobody is to be reached at port 0, but it is one, as browsers (WHATWG URL, port state) have it, too.
"""

HOST_WITHOUT_PORT = rb"(?:[-._~0-9A-Za-z]{1,255}+|\[(?:" + _ipv6_address() + rb")\])"
"""A host name, an IPv4 address or an IPv6 literal (RFC 3986 §3.2.2).

A name as DNS has it: without escapes or sub-delimiters, up to 255 characters.
"""

HOST = HOST_WITHOUT_PORT + rb"(?::" + PORT + rb"?)?"
"""The same and a port, which may be empty (RFC 3986 §3.2.3)."""

REQUEST_ID = re.compile(rb"[-._~+/=:0-9A-Za-z]{1,128}\Z")
"""A client's X-Request-Id is passed on only in this form, so that it can stand in any log."""

FIELD_REPEAT = b"{1,%d}" % FIELDS_MAX


def caseless(name: bytes) -> bytes:
    """A pattern for a field name in any case, without the cost of the IGNORECASE flag."""
    return b"".join(
        b"[%c%c]" % (upper, lower) if upper != lower else re.escape(bytes([lower]))
        for upper, lower in zip(name.upper(), name.lower(), strict=True)
    )
