"""Reading a query: its header, its one question, and what EDNS says (RFC 1035, 4.1; RFC 6891).

Stricter than needed nowhere: what no client sends on purpose is FORMERR, what is no query gets no answer at all.
"""

import struct
from dataclasses import dataclass

from lbmesh.dns.constants import FLAG_RESPONSE, OPCODE_MASK, OPCODE_QUERY, Option, Rcode, Type
from lbmesh.dns.limits import ADDITIONAL_MAX, QUERY_BYTES_MAX
from lbmesh.dns.names import end_of_any_name, end_of_name
from lbmesh.dns.subnet import ClientSubnet, read_subnet

HEADER = struct.Struct("!HHHHHH")
HEADER_BYTES = HEADER.size
_TYPE_AND_CLASS = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_OPTION = struct.Struct("!HH")
_PLAIN_OPT = b"\0\0\x29"


@dataclass(slots=True)
class Query:
    """`name`: the question's, on the wire and in lower case. `question`: as it came. `udp_bytes`: what the client takes
    over UDP, None when it does not speak EDNS. `edns_version`, `dnssec_ok`, `subnet`: of its OPT.
    """

    id: int
    flags: int
    name: bytes
    type: int
    class_: int
    question: bytes
    udp_bytes: int | None = None
    edns_version: int = 0
    dnssec_ok: bool = False
    subnet: ClientSubnet | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What cannot be answered as a query. `question`: as it came, empty when it could not be read."""

    id: int
    flags: int
    rcode: Rcode
    question: bytes = b""


def read_query(message: bytes) -> Query | Refusal | None:
    """None for what must not be answered: no header, or itself an answer (two servers would answer each other for
    ever).
    """
    size = len(message)
    if size < HEADER_BYTES or size > QUERY_BYTES_MAX:
        return None
    number, flags, questions, answers, authorities, additional = HEADER.unpack_from(message)
    if flags & FLAG_RESPONSE:
        return None
    if flags & OPCODE_MASK != OPCODE_QUERY:
        return Refusal(number, flags, Rcode.NOTIMP)
    end = end_of_name(message, HEADER_BYTES) if questions == 1 else None
    if end is None or end + 4 > size:
        return Refusal(number, flags, Rcode.FORMERR)
    type_, class_ = _TYPE_AND_CLASS.unpack_from(message, end)
    # Lengths of labels are below "A", so that this changes letters only (RFC 4343, 3).
    name = message[HEADER_BYTES:end].lower()
    end += 4
    query = Query(number, flags, name, type_, class_, message[HEADER_BYTES:end])
    if not additional and not answers and not authorities and end == size:
        return query
    if additional == 1 and not answers and not authorities and _read_plain_opt(message, end, size, query):
        return query
    if additional > ADDITIONAL_MAX or not _skip(message, end, answers, authorities, additional, query):
        return Refusal(number, flags, Rcode.FORMERR, query.question)
    return query


def _read_plain_opt(message: bytes, at: int, size: int, query: Query) -> bool:
    """OPT without options, and nothing else: what most resolvers send."""
    if size != at + 11 or message[at : at + 3] != _PLAIN_OPT:
        return False
    _, udp_bytes, extended, length = _RECORD.unpack_from(message, at + 1)
    if length:
        return False
    query.udp_bytes, query.edns_version, query.dnssec_ok = udp_bytes, extended >> 16 & 0xFF, bool(extended & 0x8000)
    return True


def _skip(message: bytes, at: int, answers: int, authorities: int, additional: int, query: Query) -> bool:
    """Go over all records behind the question; False when they are not what the header says. Only IXFR (RFC 1995, 3)
    has one before the additional ones.
    """
    if answers or authorities > (1 if query.type == Type.IXFR else 0):
        return False
    for number in range(authorities + additional):
        is_root = at < len(message) and message[at] == 0
        name_end = end_of_any_name(message, at)
        if name_end is None or name_end + _RECORD.size > len(message):
            return False
        type_, udp_bytes, extended, length = _RECORD.unpack_from(message, name_end)
        start, at = name_end + _RECORD.size, name_end + _RECORD.size + length
        if at > len(message):
            return False
        if type_ == Type.OPT:
            # RFC 6891, 6.1.1: one, in the additional section, of the root.
            if query.udp_bytes is not None or not is_root or number < authorities:
                return False
            query.udp_bytes, query.edns_version = udp_bytes, extended >> 16 & 0xFF
            query.dnssec_ok = bool(extended & 0x8000)
            # What another version's options look like is not known here.
            if query.edns_version == 0 and not _read_options(message, start, at, query):
                return False
    return at == len(message)


def _read_options(message: bytes, at: int, end: int, query: Query) -> bool:
    while at < end:
        if at + _OPTION.size > end:
            return False
        code, length = _OPTION.unpack_from(message, at)
        at += _OPTION.size
        if at + length > end:
            return False
        if code == Option.CLIENT_SUBNET:
            query.subnet = read_subnet(message[at : at + length])
            if query.subnet is None:
                return False
        at += length
    return True
