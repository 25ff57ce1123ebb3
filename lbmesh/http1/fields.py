"""Field lines, read strictly: each rule written out once, for the h11 lane."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lbmesh.http1.grammar import TOKEN_CLASS, VALUE_CLASS
from lbmesh.http1.message import CHUNKED, Refusal, bad_request
from lbmesh.model.limits import FIELDS_MAX

Field = tuple[bytes, bytes]
"""A field's name as it came and its value without surrounding white space."""

# White space is stripped afterwards: a pattern that does it too takes cubic time on a line full of blanks.
_FIELD_LINE = re.compile(rb"(" + TOKEN_CLASS + rb"+):(" + VALUE_CLASS + rb"*)\Z")
_TOKEN = re.compile(TOKEN_CLASS + rb"+\Z")
_DIGITS = re.compile(rb"[0-9]{1,18}\Z")

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"upgrade",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
    }
)
"""Fields meant for this connection only (RFC 9110 §7.6.1, §11.7). Transfer-Encoding stays: the chunked framing that
goes out is the one that came in. Trailer stays with it."""

_CLAIMS = frozenset(
    {
        b"x-real-ip",
        b"forwarded",
        b"client-cert",
        b"client-cert-chain",
        b"x-client-cert-subject",
        b"x-client-cert-fingerprint",
    }
)
_CLAIMS_BEGIN = b"x-forwarded-"

_GUARDED = HOP_BY_HOP | {b"host", b"content-length", b"transfer-encoding", b"trailer", b"x-request-id", b"expect"}
"""Fields that this balancer reads, sets or removes: no other spelling and no trailer may bring them in. Claims, too."""

_NOT_NOMINABLE = frozenset({b"host", b"content-length", b"transfer-encoding", b"trailer", b"date", b"cache-control"})
"""Fields that a Connection option must not take away: framing and routing depend on them."""


@dataclass(frozen=True, slots=True)
class FieldSection:
    """All field lines of a head in their order."""

    fields: tuple[Field, ...]

    def values(self, name: bytes) -> tuple[bytes, ...]:
        """The values of every line with this lower-case name."""
        return tuple(value for field_name, value in self.fields if field_name.lower() == name)

    def members(self, name: bytes) -> tuple[bytes, ...]:
        """The members of a comma-separated list field over all its lines (RFC 9110 §5.6.1)."""
        return tuple(
            member
            for value in self.values(name)
            for member in (part.strip(b" \t") for part in value.split(b","))
            if member
        )

    def options(self, name: bytes) -> tuple[bytes, ...]:
        """The same in lower case, for lists of words in any case."""
        return tuple(member.lower() for member in self.members(name))

    def without(self, names: Iterable[bytes]) -> tuple[Field, ...]:
        """The fields whose lower-case name is not in `names`."""
        removed = frozenset(names)
        return tuple(field for field in self.fields if field[0].lower() not in removed)


def split_head(head: bytes) -> tuple[bytes, tuple[bytes, ...]] | Refusal:
    """Start line and field lines of a head that ends with its empty line.

    Bare CR and bare LF are refused, not repaired (RFC 9112 §2.2: a recipient may).
    """
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    for line in lines:
        if b"\n" in line or b"\r" in line:
            return bad_request("a bare CR or LF in the head (RFC 9112 section 2.2)")
    return lines[0], tuple(lines[1:])


def parse_fields(lines: tuple[bytes, ...]) -> FieldSection | Refusal:
    """Every field line by the letter of RFC 9112 §5."""
    if len(lines) > FIELDS_MAX:
        return Refusal(431, "head_too_large", f"more than {FIELDS_MAX} field lines")
    fields = []
    for line in lines:
        match = _FIELD_LINE.match(line)
        if match is None:
            return bad_request(_field_fault(line))
        fields.append((match[1], match[2].strip(b" \t")))
    return FieldSection(tuple(fields))


def _field_fault(line: bytes) -> str:
    if line[:1] in b" \t":
        return "a folded field line (RFC 9112 section 5.2)"
    name, colon, _ = line.partition(b":")
    if not colon:
        return "a field line without a colon (RFC 9112 section 5)"
    if name != name.rstrip(b" \t"):
        return "white space between a field's name and its colon (RFC 9112 section 5.1)"
    if not _TOKEN.match(name):
        return "a field name that is not a token (RFC 9110 section 5.1)"
    return "a control character in a field value (RFC 9110 section 5.5)"


def body_framing(section: FieldSection, minor_version: int) -> int | Refusal | None:
    """Body length by RFC 9112 §6.3: bytes, CHUNKED, None when no field says anything, or why it is refused."""
    codings = section.values(b"transfer-encoding")
    lengths = section.values(b"content-length")
    if codings:
        if lengths:
            return bad_request("both Transfer-Encoding and Content-Length (RFC 9112 section 6.1)")
        if minor_version == 0:
            return bad_request("Transfer-Encoding in HTTP/1.0 (RFC 9112 section 6.1)")
        return _transfer_coding(b",".join(codings).lower().split(b","))
    if not lengths:
        return None
    if len(lengths) > 1 or not _DIGITS.match(lengths[0]):
        return bad_request("Content-Length is not one decimal number (RFC 9112 section 6.3)")
    return int(lengths[0])


def _transfer_coding(codings: list[bytes]) -> int | Refusal:
    """The one coding served is chunked; a body whose end is uncertain is told from one that is merely not served."""
    names = [coding.strip(b" \t") for coding in codings]
    if names == [b"chunked"]:
        return CHUNKED
    if names[-1] != b"chunked" or names.count(b"chunked") > 1 or b"" in names:
        return bad_request("Transfer-Encoding does not end in one chunked coding (RFC 9112 sections 6.1 and 6.3)")
    return Refusal(501, "not_implemented", "a transfer coding other than chunked (RFC 9112 section 6.1)")


def end_to_end(
    section: FieldSection, also_removed: frozenset[bytes], *, relayed: frozenset[bytes] = frozenset()
) -> tuple[Field, ...] | Refusal:
    """The fields that go on to the other side (RFC 9110 §7.6.1). `relayed`: hop-by-hop ones that do so, too."""
    options = section.options(b"connection")
    for option in options:
        if not _TOKEN.match(option):
            return bad_request("a Connection option that is not a token (RFC 9110 section 7.6.1)")
        if option in _NOT_NOMINABLE:
            return bad_request(f"Connection names {option.decode()}, which is not hop-by-hop")
    return section.without((HOP_BY_HOP - relayed) | also_removed | frozenset(options))


def is_claim(name: bytes) -> bool:
    """True for a field, by its lower-case name, that says where a request comes from and how it was asked. It is not
    passed on as it came, for anybody can write it; all of X-Forwarded-* is for proxies to say.
    """
    return name.startswith(_CLAIMS_BEGIN) or name in _CLAIMS


def is_disguised(name: bytes) -> bool:
    """True for a guarded name written with "_", which WSGI and CGI (RFC 3875 §4.1.18) read as "-"."""
    return b"_" in name and _is_guarded(name)


def may_be_trailer(name: bytes) -> bool:
    """False for fields about framing, routing or the connection (RFC 9110 §6.5.1)."""
    return not _is_guarded(name)


def _is_guarded(name: bytes) -> bool:
    plain = name.lower().replace(b"_", b"-")
    return plain in _GUARDED or is_claim(plain)


def render(start_line: bytes, fields: Iterable[Field]) -> bytes:
    """Start line and field lines, each with its CRLF, without the empty line."""
    return start_line + b"\r\n" + b"".join(b"%b: %b\r\n" % field for field in fields)
