"""The fast lane: one regular expression a head, for what is plainly valid and needs little rewriting.

It recognises, all at once, the grammar (stricter than RFC 9112 demands), the framing and the fields that an
intermediary must touch. What needs no change goes through as the slice it came in. Measured on a nine-field
browser head: 1.9 µs for everything, where splitting and rebuilding every field takes 6.

Quantifiers over groups are greedy, not possessive: CPython before 3.11.5 mishandles a possessive group
with alternatives inside (python/cpython#106052). So each line must match in one way only, or a head that does
not match costs time exponential in its lines: the alternatives below exclude one another, most by their first byte.
"""

import re
from string import ascii_letters

from lbmesh.http1.grammar import FIELD_REPEAT, HOST, ORIGIN_FORM, TOKEN_CLASS, VALUE_CLASS, caseless
from lbmesh.http1.message import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead
from lbmesh.model.limits import HEAD_BYTES_MAX, TARGET_BYTES_MAX

_LINE_REST = TOKEN_CLASS + rb"*+:" + VALUE_CLASS + rb"*+\r\n"


def _plain_line(touched_names: tuple[bytes, ...], touched_initials: bytes) -> bytes:
    """A pattern for a field line whose name is none of `touched_names`, quick for most initials. A name that ends in
    "-" stands for all that begin with it.

    Nor one with "_" for "-": WSGI and CGI read both as the same name, so the h11 lane must see it.
    """
    names = b"|".join(
        caseless(name).replace(rb"\-", rb"[-_]") + (TOKEN_CLASS + b"*+" if name.endswith(b"-") else b"")
        for name in touched_names
    )
    touched = touched_initials.lower() + touched_initials.upper()
    untouched = bytes(byte for byte in ascii_letters.encode() if byte not in touched)
    return (
        rb"["
        + untouched
        + rb"]"
        + _LINE_REST
        + rb"|(?!["
        + untouched
        + rb"]|(?:"
        + names
        + rb"):)"
        + TOKEN_CLASS
        + _LINE_REST
    )


def _once(group: int, line: bytes) -> bytes:
    """A pattern for a line that may stand once: it fails when its capturing group is already set."""
    return b"(?(%d)(?!)|%s\r\n)" % (group, line)


_CLAIMS = (
    rb"[Xx]-[Ff]orwarded-[-A-Za-z]++|[Xx]-[Rr]eal-[Ii][Pp]|[Ff]orwarded"
    rb"|[Cc]lient-[Cc]ert(?:-[Cc]hain)?|[Xx]-[Cc]lient-[Cc]ert-(?:[Ss]ubject|[Ff]ingerprint)"
)
"""What a client says of where it comes from and who it is, in the usual cases: taken out, for anybody can write it."""

_REQUEST = re.compile(
    rb"(GET|HEAD|POST|PUT|DELETE|PATCH) ("
    + ORIGIN_FORM
    + rb") HTTP/1\.1\r\n(?:"
    + _plain_line(
        (
            b"host",
            b"connection",
            b"content-length",
            b"transfer-encoding",
            b"x-forwarded-",
            b"x-real-ip",
            b"forwarded",
            b"client-cert",
            b"client-cert-chain",
            b"x-client-cert-subject",
            b"x-client-cert-fingerprint",
            b"x-request-id",
            b"upgrade",
            b"expect",
            b"te",
            b"trailer",
            b"keep-alive",
            b"proxy-connection",
            b"proxy-authenticate",
            b"proxy-authorization",
            b"proxy-authentication-info",
        ),
        b"hctxuekpf",
    )
    + rb"|"
    + _once(3, caseless(b"host") + rb":[ ]?(" + HOST + rb")[ ]?")
    + rb"|"
    + caseless(b"connection")
    + rb":[ ]?(?:[Kk]eep-[Aa]live|(close))\r\n"
    + rb"|"
    + _once(5, caseless(b"content-length") + rb":[ ]?([0-9]{1,18})")
    + rb"|"
    + _once(6, caseless(b"transfer-encoding") + rb":[ ]?([Cc]hunked)")
    + rb"|"
    + _once(7, caseless(b"x-request-id") + rb":[ ]?([-._~+/=:0-9A-Za-z]{1,128})")
    + rb"|("
    + _CLAIMS
    + rb"):"
    + VALUE_CLASS
    + rb"*+\r\n"
    + rb")"
    + FIELD_REPEAT
    + rb"\r\n"
)

_REMOVED_FROM_REQUEST = re.compile(rb"\n(?:" + _CLAIMS + rb"|" + caseless(b"connection") + rb"):[^\r]*+\r")

_new_request = RequestHead._make


def parse_request(data: bytes) -> RequestHead | None:
    """The request head at the start of `data` when it is plainly valid; None sends it to the h11 lane."""
    match = _REQUEST.match(data)
    if match is None:
        return None
    method, target, host, close, length, chunked, request_id, forwarded = match.groups()
    head_bytes = match.end()
    if host is None or head_bytes > HEAD_BYTES_MAX or len(target) > TARGET_BYTES_MAX:
        return None
    if chunked is not None:
        if length is not None:
            return None
        body_length = CHUNKED
    else:
        body_length = int(length) if length is not None else 0
    head = data[: head_bytes - 2]
    if forwarded is not None or close is not None:
        head = _REMOVED_FROM_REQUEST.sub(b"", head)
    return _new_request((method, target, host, 1, body_length, close is None, request_id, head, head_bytes, None))


_RESPONSE = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) "
    + VALUE_CLASS
    + rb"*+\r\n(?:"
    + _plain_line(
        (
            b"connection",
            b"content-length",
            b"transfer-encoding",
            b"keep-alive",
            b"upgrade",
            b"te",
            b"trailer",
            b"proxy-connection",
            b"proxy-authenticate",
            b"proxy-authorization",
            b"proxy-authentication-info",
        ),
        b"ctkup",
    )
    + rb"|"
    + caseless(b"connection")
    + rb":[ ]?(?:[Kk]eep-[Aa]live|(close))\r\n"
    + rb"|"
    + _once(3, caseless(b"content-length") + rb":[ ]?([0-9]{1,18})")
    + rb"|"
    + _once(4, caseless(b"transfer-encoding") + rb":[ ]?([Cc]hunked)")
    + rb"|("
    + caseless(b"keep-alive")
    + rb"):"
    + VALUE_CLASS
    + rb"*+\r\n"
    + rb")"
    + FIELD_REPEAT
    + rb"\r\n"
)

_REMOVED_FROM_RESPONSE = re.compile(
    rb"\n(?:" + caseless(b"keep-alive") + rb"|" + caseless(b"connection") + rb"):[^\r]*+\r"
)

_new_response = ResponseHead._make


def parse_response(data: bytes, *, to_head: bool) -> ResponseHead | None:
    """The response head at the start of `data` when it is plainly valid; None sends it to the h11 lane.

    `to_head`: the request was HEAD, so that no body follows whatever the fields say (RFC 9112 §6.3 rule 1).
    """
    match = _RESPONSE.match(data)
    if match is None:
        return None
    status_text, close, length, chunked, keep_alive_field = match.groups()
    head_bytes = match.end()
    if head_bytes > HEAD_BYTES_MAX or (chunked is not None and length is not None):
        return None
    status = int(status_text)
    keep_alive = close is None
    if to_head or status == 204 or status == 304:
        if status == 204 and (chunked is not None or length is not None):
            return None
        body_length = 0
    elif chunked is not None:
        body_length = CHUNKED
    elif length is not None:
        body_length = int(length)
    else:
        body_length = UNTIL_CLOSE
        keep_alive = False
    head = data[: head_bytes - 2]
    if keep_alive_field is not None or not keep_alive:
        head = _REMOVED_FROM_RESPONSE.sub(b"", head)
    return _new_response((status, body_length, keep_alive, head, head_bytes, 1))
