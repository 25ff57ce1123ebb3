"""Numbers of the protocol (IANA's registry "Domain Name System Parameters")."""

from enum import IntEnum

CLASS_IN = 1
OPCODE_QUERY = 0

FLAG_RESPONSE = 0x8000
FLAG_AUTHORITATIVE = 0x0400
FLAG_TRUNCATED = 0x0200
FLAG_RECURSION_DESIRED = 0x0100
FLAG_CHECKING_DISABLED = 0x0010
OPCODE_MASK = 0x7800
COPIED_FLAGS = FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED
"""RD (RFC 1035, 4.1.1) and CD (RFC 4035, 3.1.6) come back as they were; RA and AD are never ours to set."""

FLAG_DNSSEC_OK = 0x8000
"""In the flags of OPT; comes back as it was (RFC 3225, 3)."""


class Rcode(IntEnum):
    """How a query ended. BADVERS does not fit into the header: its upper bits stand in OPT (RFC 6891, 6.1.3)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Type(IntEnum):
    """Types of records and questions that mean something here."""

    A = 1
    NS = 2
    SOA = 6
    AAAA = 28
    OPT = 41
    TKEY = 249
    TSIG = 250
    IXFR = 251
    AXFR = 252
    MAILB = 253
    MAILA = 254
    ANY = 255


META_TYPES = range(128, 256)
"""Types of questions and of what signs messages, of which no zone has records (RFC 6895, 3.1)."""


class Option(IntEnum):
    """Options of EDNS."""

    CLIENT_SUBNET = 8
    EXTENDED_ERROR = 15


class ExtendedError(IntEnum):
    """RFC 8914, 4: why an answer is an error."""

    NOT_READY = 14
    NOT_AUTHORITATIVE = 20
