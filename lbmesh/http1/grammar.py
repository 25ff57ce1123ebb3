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

ORIGIN_FORM = rb"/" + PATH_CLASS + rb"*+(?:%[0-9A-Fa-f]{2}" + PATH_CLASS + rb"*+)*(?:\?" + QUERY_CLASS + rb"*+)?"
"""origin-form, RFC 9112 §3.2.1; a stray "%" in a path is refused, in a query it is the application's affair."""

HOST = rb"(?:[-._~0-9A-Za-z]++|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
"""A host name, an IPv4 address or an IPv6 literal, and a port (RFC 3986 §3.2.2; a reg-name as DNS has it)."""

REQUEST_ID = re.compile(rb"[-._~+/=:0-9A-Za-z]{1,128}\Z")
"""A client's X-Request-Id is passed on only in this form, so that it can stand in any log."""

FIELD_REPEAT = b"{1,%d}" % FIELDS_MAX


def caseless(name: bytes) -> bytes:
    """A pattern for a field name in any case, without the cost of the IGNORECASE flag."""
    return b"".join(b"[%c%c]" % (upper, lower) if upper != lower else re.escape(bytes([lower]))
                    for upper, lower in zip(name.upper(), name.lower(), strict=True))
