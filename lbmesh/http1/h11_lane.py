"""The h11 lane: the one place that decides between a message and a refusal.

h11 0.16 alone accepts bare LF, obs-fold, Transfer-Encoding beside Content-Length, chunked in HTTP/1.0, HTTP/1.2, a
malformed or contradicting Host and "#" in a target (measured). So the strict rules stand in front of it, one by one
with their clause, and h11 has the last word as a second, independent reader.
"""

import re
from collections.abc import Iterator

import h11

from lbmesh.http1.fields import (
    Field,
    FieldSection,
    body_framing,
    end_to_end,
    is_claim,
    is_disguised,
    parse_fields,
    render,
    split_head,
)
from lbmesh.http1.grammar import REQUEST_ID, TOKEN_CLASS
from lbmesh.http1.max_forwards import one_hop_less
from lbmesh.http1.message import UNTIL_CLOSE, Demands, Refusal, RequestHead, ResponseHead, bad_request
from lbmesh.http1.target import read_target
from lbmesh.http1.upgrade import protocols_chosen, protocols_offered
from lbmesh.model.limits import HEAD_BYTES_MAX, TARGET_BYTES_MAX

_REQUEST_LINE = re.compile(rb"(" + TOKEN_CLASS + rb"{1,32}) ([!-~]+) HTTP/([0-9])\.([0-9])\Z")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\Z")
_REPLACED = frozenset({b"host"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"trailer"})
"""What 1xx and 204 must not carry (RFC 9110 §8.6, RFC 9112 §6.1): it is taken away, so that nobody waits for a body."""

_PROXY_CREDENTIALS = frozenset({b"proxy-authorization", b"proxy-authenticate"})
"""Taken off, but relayed with CONNECT, whose replicas are the proxies that ask for them (RFC 9110 §11.7.2)."""


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
    addressed = read_target(method, raw_target, section, minor_version)
    if isinstance(addressed, Refusal):
        return addressed
    target, host = addressed
    framing = body_framing(section, minor_version)
    if isinstance(framing, Refusal):
        return framing
    if method == b"CONNECT" and framing:
        return bad_request("CONNECT with a body (RFC 9110 section 9.3.6)")
    forwarded = _passed_on(section, method, minor_version)
    if isinstance(forwarded, Refusal):
        return forwarded
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
    protocols = protocols_offered(section, minor_version) if method != b"CONNECT" else ()
    expects_continue = b"expect" in {name.lower() for name, _ in forwarded}
    return RequestHead(
        method=method,
        target=target,
        host=host,
        minor_version=minor_version,
        body_length=framing if framing is not None else 0,
        keep_alive=_wants_keep_alive(section, minor_version) and method != b"CONNECT",
        request_id=request_id,
        head=render(
            b"%b %b HTTP/1.1" % (method, target),
            ((b"Host", host), *forwarded, *_of_next_hop(section, minor_version, protocols)),
        ),
        head_bytes=len(head),
        demands=Demands(protocols, expects_continue) if protocols or expects_continue else None,
    )


def _passed_on(section: FieldSection, method: bytes, minor_version: int) -> tuple[Field, ...] | Refusal:
    """The client's fields that go on to the replica, or why the request does not."""
    forwarded = end_to_end(
        section,
        _REPLACED if minor_version == 1 else _REPLACED | {b"expect"},
        relayed=_PROXY_CREDENTIALS if method == b"CONNECT" else frozenset(),
    )
    if isinstance(forwarded, Refusal):
        return forwarded
    forwarded = tuple(field for field in forwarded if not (is_claim(field[0].lower()) or is_disguised(field[0])))
    return _unmet_expectation(FieldSection(forwarded)) or (
        one_hop_less(forwarded) if method == b"OPTIONS" else forwarded
    )


def _of_next_hop(section: FieldSection, minor_version: int, protocols: tuple[bytes, ...]) -> Iterator[Field]:
    """The hop-by-hop fields that go on because we keep the promise they make: trailers come through to this client
    (RFC 9110 §6.5.1), and a connection that switches protocols becomes a tunnel.
    """
    names = []
    if minor_version == 1 and b"te" in section.options(b"connection") and b"trailers" in section.options(b"te"):
        names.append(b"TE")
        yield b"TE", b"trailers"
    if protocols:
        names.append(b"Upgrade")
        yield b"Upgrade", b", ".join(protocols)
    if names:
        yield b"Connection", b", ".join(names)


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
    if method == b"TRACE":
        return Refusal(405, "method_not_allowed", "TRACE is not served: it tells a script what servers alone may see")
    return method, target, int(minor)


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


def parse_response(head: bytes, *, method: bytes, offered: tuple[bytes, ...] = ()) -> ResponseHead | Refusal:
    """Decide on a response head, 1xx included, that ends with its empty line. A Refusal is a 502 to the client.

    `method`: of the request it answers. `offered`: the protocols that it asked to switch to.
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
    chosen = protocols_chosen(section, minor_version, offered) if status == 101 else ()
    if isinstance(chosen, Refusal):
        return chosen
    never_has_body = status < 200 or status == 204
    forwarded = end_to_end(
        section,
        _FRAMING if never_has_body else frozenset(),
        relayed=_PROXY_CREDENTIALS if method == b"CONNECT" else frozenset(),
    )
    if isinstance(forwarded, Refusal):
        return _bad_response(forwarded.detail)
    fault = _second_reader_response(head, method, offered)
    if fault is not None:
        return fault
    without_body = never_has_body or status == 304 or method == b"HEAD"
    body_length = 0 if without_body else UNTIL_CLOSE if framing is None else framing
    if status == 426:
        chosen = section.members(b"upgrade")
    if chosen:
        forwarded = (*forwarded, (b"Connection", b"Upgrade"), (b"Upgrade", b", ".join(chosen)))
    return ResponseHead(
        status=status,
        body_length=body_length,
        keep_alive=_wants_keep_alive(section, minor_version) and body_length != UNTIL_CLOSE,
        head=render(b"HTTP/1.1 %d %b" % (status, phrase), forwarded),
        head_bytes=len(head),
        minor_version=minor_version,
    )


def _bad_response(detail: str) -> Refusal:
    return Refusal(502, "bad_response", detail)


def _second_reader_response(head: bytes, method: bytes, offered: tuple[bytes, ...]) -> Refusal | None:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * HEAD_BYTES_MAX)
    asked = [(b"Connection", b"Upgrade"), (b"Upgrade", b", ".join(offered))] if offered else []
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"h"), *asked]))
    connection.send(h11.EndOfMessage())
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        return _bad_response(str(error))
    if not isinstance(event, h11.Response | h11.InformationalResponse):
        return _bad_response("the head does not hold one response")
    return None
