"""The h11 lane: the one place that decides between a message and a refusal.

h11 0.16 alone accepts bare LF, obs-fold, Transfer-Encoding beside Content-Length, chunked in HTTP/1.0, HTTP/1.2, a
malformed or contradicting Host and "#" in a target (measured). So the strict rules stand in front of it, one by one
with their clause, and h11 has the last word as a second, independent reader.
"""

import re

import h11

from lbmesh.http1.fields import (
    FieldSection,
    body_framing,
    end_to_end,
    is_claim,
    is_disguised,
    parse_fields,
    render,
    split_head,
)
from lbmesh.http1.grammar import HOST, ORIGIN_FORM, REQUEST_ID, TOKEN_CLASS
from lbmesh.http1.message import UNTIL_CLOSE, Refusal, RequestHead, ResponseHead, bad_request
from lbmesh.model.limits import HEAD_BYTES_MAX, TARGET_BYTES_MAX

_REQUEST_LINE = re.compile(rb"(" + TOKEN_CLASS + rb"{1,32}) ([!-~]+) HTTP/([0-9])\.([0-9])\Z")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\Z")
_ORIGIN_FORM = re.compile(ORIGIN_FORM + rb"\Z")
_ABSOLUTE_FORM = re.compile(rb"https?://(" + HOST + rb")([/?].*)?\Z", re.IGNORECASE)
_HOST = re.compile(HOST + rb"\Z")
_REPLACED = frozenset({b"host"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"trailer"})
"""What 1xx and 204 must not carry (RFC 9110 §8.6, RFC 9112 §6.1): it is taken away, so that nobody waits for a body."""

_REFUSED_METHODS = frozenset({b"CONNECT", b"TRACE"})


def parse_request(head: bytes) -> RequestHead | Refusal:
    """Decide on a request head that ends with its empty line. `head` may be any bytes."""
    lines = split_head(head)
    if isinstance(lines, Refusal):
        return lines
    start_line, field_lines = lines
    started = _parse_request_line(start_line)
    if isinstance(started, Refusal):
        return started
    method, raw_target, minor_version = started
    section = parse_fields(field_lines)
    if isinstance(section, Refusal):
        return section
    addressed = _address(method, raw_target, section, minor_version)
    if isinstance(addressed, Refusal):
        return addressed
    target, host = addressed
    framing = body_framing(section, minor_version)
    if isinstance(framing, Refusal):
        return framing
    forwarded = end_to_end(section, _REPLACED if minor_version == 1 else _REPLACED | {b"expect"})
    if isinstance(forwarded, Refusal):
        return forwarded
    forwarded = tuple(field for field in forwarded if not (is_claim(field[0].lower()) or is_disguised(field[0])))
    unmet = _unmet_expectation(FieldSection(forwarded))
    if unmet is not None:
        return unmet
    if not framing:
        # Forbidden to clients without content (RFC 9110 section 10.1.1); waitress waits for it for ever.
        forwarded = tuple(field for field in forwarded if field[0].lower() != b"expect")
    request_ids = FieldSection(forwarded).values(b"x-request-id")
    request_id = request_ids[0] if len(request_ids) == 1 and REQUEST_ID.match(request_ids[0]) else None
    if request_id is None:
        forwarded = tuple(field for field in forwarded if field[0].lower() != b"x-request-id")
    fault = _second_reader_request(head)
    if fault is not None:
        return fault
    return RequestHead(
        method=method,
        target=target,
        host=host,
        minor_version=minor_version,
        body_length=framing if framing is not None else 0,
        keep_alive=_wants_keep_alive(section, minor_version),
        request_id=request_id,
        head=render(b"%b %b HTTP/1.1" % (method, target), ((b"Host", host), *forwarded)),
        head_bytes=len(head),
    )


def _parse_request_line(line: bytes) -> tuple[bytes, bytes, int] | Refusal:
    """Method, target and minor version (RFC 9112 §3)."""
    match = _REQUEST_LINE.match(line)
    if match is None:
        return bad_request("a malformed request line (RFC 9112 section 3)")
    method, target, major, minor = match.groups()
    if major != b"1" or minor not in b"01":
        return Refusal(505, "not_implemented", "a version other than HTTP/1.0 and HTTP/1.1 (RFC 9110 section 15.6.6)")
    if len(target) > TARGET_BYTES_MAX:
        return Refusal(414, "target_too_long", f"a request target of more than {TARGET_BYTES_MAX} bytes")
    if method in _REFUSED_METHODS:
        return Refusal(405, "method_not_allowed", f"{method.decode()} is not served here")
    return method, target, int(minor)


def _address(
    method: bytes, raw_target: bytes, section: FieldSection, minor_version: int
) -> tuple[bytes, bytes] | Refusal:
    """The target to send on and the authority it is for (RFC 9112 §3.2)."""
    hosts = section.values(b"host")
    if len(hosts) > 1 or (not hosts and minor_version == 1):
        return bad_request("not exactly one Host field (RFC 9112 section 3.2)")
    host = hosts[0] if hosts else b""
    if host and not _HOST.match(host):
        return bad_request("Host is not a host name with an optional port (RFC 9112 section 3.2)")
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


def _is_origin_form(target: bytes) -> bool:
    """Like ORIGIN_FORM; a backslash is accepted in a query, where browsers leave it as it is."""
    path, mark, query = target.partition(b"?")
    return _ORIGIN_FORM.match(path + mark + query.replace(b"\\", b"")) is not None


def _unmet_expectation(section: FieldSection) -> Refusal | None:
    """ "Expect: 100-continue" is the only expectation there is; it goes on to the replica (RFC 9110 §10.1.1)."""
    expectations = section.options(b"expect")
    if expectations and expectations != (b"100-continue",):
        return Refusal(417, "bad_request", "an expectation other than 100-continue (RFC 9110 section 10.1.1)")
    return None


def _wants_keep_alive(section: FieldSection, minor_version: int) -> bool:
    """RFC 9112 §9.3."""
    options = section.options(b"connection")
    if b"close" in options:
        return False
    return minor_version == 1 or b"keep-alive" in options


def _second_reader_request(head: bytes) -> Refusal | None:
    """h11's own verdict on the same bytes."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * HEAD_BYTES_MAX)
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        return bad_request(str(error))
    if not isinstance(event, h11.Request):
        return bad_request("the head does not hold one request")
    return None


def parse_response(head: bytes, *, method: bytes) -> ResponseHead | Refusal:
    """Decide on a response head, 1xx included, that ends with its empty line. A Refusal is a 502 to the client.

    `method`: of the request it answers.
    """
    lines = split_head(head)
    if isinstance(lines, Refusal):
        return _bad_response(lines.detail)
    start_line, field_lines = lines
    match = _STATUS_LINE.match(start_line)
    if match is None:
        return _bad_response("a malformed status line (RFC 9112 section 4)")
    minor_version, status, phrase = int(match[1]), int(match[2]), match[3] or b""
    section = parse_fields(field_lines)
    if isinstance(section, Refusal):
        return _bad_response(section.detail)
    framing = body_framing(section, minor_version)
    if isinstance(framing, Refusal):
        return _bad_response(framing.detail)
    if status == 101:
        return _bad_response("101 for a request that asked for no upgrade (RFC 9110 section 15.2.2)")
    never_has_body = status < 200 or status == 204
    forwarded = end_to_end(section, _FRAMING if never_has_body else frozenset())
    if isinstance(forwarded, Refusal):
        return _bad_response(forwarded.detail)
    fault = _second_reader_response(head, method)
    if fault is not None:
        return fault
    without_body = never_has_body or status == 304 or method == b"HEAD"
    body_length = 0 if without_body else UNTIL_CLOSE if framing is None else framing
    return ResponseHead(
        status=status,
        body_length=body_length,
        keep_alive=_wants_keep_alive(section, minor_version) and body_length != UNTIL_CLOSE,
        head=render(b"HTTP/1.1 %d %b" % (status, phrase), forwarded),
        head_bytes=len(head),
    )


def _bad_response(detail: str) -> Refusal:
    return Refusal(502, "bad_response", detail)


def _second_reader_response(head: bytes, method: bytes) -> Refusal | None:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * HEAD_BYTES_MAX)
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"h")]))
    connection.send(h11.EndOfMessage())
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        return _bad_response(str(error))
    if not isinstance(event, h11.Response | h11.InformationalResponse):
        return _bad_response("the head does not hold one response")
    return None
