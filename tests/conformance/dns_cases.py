"""Raw queries for the zone of `tests/support/dns_zone.py`, each with the clause that says what becomes of it."""

from dataclasses import dataclass

SHOP = b"\x04shop\x04mesh\x07example\x03com\0"
ZONE = b"\x04mesh\x07example\x03com\0"
A_IN = b"\0\x01\0\x01"
HEAD = b"\x12\x34"


def head(flags: int = 0, questions: int = 1, answers: int = 0, authorities: int = 0, additional: int = 0) -> bytes:
    """A header."""
    return HEAD + b"".join(each.to_bytes(2, "big") for each in (flags, questions, answers, authorities, additional))


def opt(options: bytes = b"", size: int = 1232, version: int = 0, flags: int = 0) -> bytes:
    """An OPT record."""
    extended = bytes((0, version)) + flags.to_bytes(2, "big")
    return b"\0\0\x29" + size.to_bytes(2, "big") + extended + len(options).to_bytes(2, "big") + options


def option(code: int, data: bytes) -> bytes:
    """An option of EDNS."""
    return code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def edns(options: bytes = b"", size: int = 1232, version: int = 0) -> bytes:
    """A query for `SHOP` that speaks EDNS."""
    return head(additional=1) + SHOP + A_IN + opt(options, size, version)


def subnet(data: bytes) -> bytes:
    """A query for `SHOP` with the option of RFC 7871."""
    return edns(option(8, data))


@dataclass(frozen=True, slots=True)
class Case:
    """`rcode`: None for no answer at all. `flags`: of the answer, without its code. `counts`: of the answer's records;
    None where another test looks at them. `has_opt`: the answer speaks EDNS.
    """

    title: str
    clause: str
    query: bytes
    rcode: int | None
    flags: int = 0x8400
    counts: tuple[int, int] | None = None
    has_opt: bool = False


ANSWER = (3, 0)
NEGATIVE = (0, 1)
NONE = (0, 0)

CASES = (
    # What is no query
    Case("nothing", "RFC 1035, 4.1.1", b"", None),
    Case("less than a header", "RFC 1035, 4.1.1", head()[:11], None),
    Case("an answer", "RFC 1035, 4.1.1: QR", head(0x8000) + SHOP + A_IN, None),
    Case("more than any query has", "RFC 6891, 6.2.5", head() + SHOP + A_IN + bytes(4200), None),
    # The header
    Case("RD comes back, RA never does", "RFC 1035, 4.1.1", head(0x0100) + SHOP + A_IN, 0, 0x8500, ANSWER),
    Case("CD comes back, AD does not", "RFC 4035, 3.1.6 and 3.2.3", head(0x0030) + SHOP + A_IN, 0, 0x8410, ANSWER),
    Case("the reserved bit does not", "RFC 1035, 4.1.1: Z", head(0x0040) + SHOP + A_IN, 0, 0x8400, ANSWER),
    Case("a query with AA, TC, RA set", "RFC 1035, 4.1.1", head(0x0680) + SHOP + A_IN, 0, 0x8400, ANSWER),
    Case("an inverse query", "RFC 3425, 3", head(0x0800) + SHOP + A_IN, 4, 0x8800, NONE),
    Case("a status query", "RFC 1035, 4.1.1: OPCODE", head(0x1000) + SHOP + A_IN, 4, 0x9000, NONE),
    Case("a notify", "RFC 1996, 3", head(0x2000) + ZONE + b"\0\x06\0\x01", 4, 0xA000, NONE),
    Case("an update", "RFC 2136, 3.1", head(0x2800) + ZONE + b"\0\x06\0\x01", 4, 0xA800, NONE),
    # The question
    Case("no question", "RFC 9619, 4", head(0, 0), 1, 0x8000, NONE),
    Case("two questions", "RFC 9619, 4", head(0, 2) + SHOP + A_IN + SHOP + A_IN, 1, 0x8000, NONE),
    Case("a question that breaks off", "RFC 1035, 4.1.2", head() + SHOP + A_IN[:3], 1, 0x8000, NONE),
    Case("a name that breaks off", "RFC 1035, 3.1", head() + SHOP[:7], 1, 0x8000, NONE),
    Case("a name that points to itself", "RFC 1035, 4.1.4", head() + b"\xc0\x0c" + A_IN, 1, 0x8000, NONE),
    Case("a name that points ahead", "RFC 1035, 4.1.4", head() + b"\xc0\x12" + A_IN + ZONE, 1, 0x8000, NONE),
    Case("a label of kind 01", "RFC 6891, 5", head() + b"\x41\x01\x20" + A_IN, 1, 0x8000, NONE),
    Case("a label of kind 10", "RFC 1035, 4.1.4", head() + b"\x81a\0" + A_IN, 1, 0x8000, NONE),
    Case(
        "a name of 256 bytes",
        "RFC 1035, 3.1",
        head() + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 2 + b"\x3e" + b"a" * 62 + b"\0" + A_IN,
        1,
        0x8000,
        NONE,
    ),
    Case(
        "a name of 255 bytes",
        "RFC 1035, 3.1",
        head() + (b"\x3f" + b"a" * 63) * 3 + b"\x2b" + b"a" * 43 + ZONE + A_IN,
        3,
        0x8400,
        NEGATIVE,
    ),
    Case("bytes behind the message", "RFC 1035, 4.1", head() + SHOP + A_IN + b"\0", 1, 0x8000, NONE),
    Case(
        "an answer in a query",
        "RFC 1035, 4.1",
        head(0, 1, 1) + SHOP + A_IN + b"\xc0\x0c" + A_IN + b"\0\0\0\0\0\0",
        1,
        0x8000,
        NONE,
    ),
    # Names
    Case(
        "upper case",
        "RFC 4343, 3",
        head() + SHOP.replace(b"shop", b"sHoP").replace(b"com", b"COM") + A_IN,
        0,
        0x8400,
        ANSWER,
    ),
    Case("the zone itself", "RFC 1034, 4.3.2", head() + ZONE + A_IN, 0, 0x8400, ANSWER),
    Case("a name that is not there", "RFC 2308, 2.1", head() + b"\x04none" + ZONE + A_IN, 3, 0x8400, NEGATIVE),
    Case("a name below one that is there", "RFC 1034, 4.3.2", head() + b"\x01a" + SHOP + A_IN, 3, 0x8400, NEGATIVE),
    Case(
        "a name between two that are there",
        "RFC 8020, 2; RFC 4592, 2.2.2",
        head() + b"\x04four" + ZONE + A_IN,
        0,
        0x8400,
        NEGATIVE,
    ),
    Case("another zone", "RFC 1035, 4.1.1: Refused", head() + b"\x07example\x03org\0" + A_IN, 5, 0x8000, NONE),
    Case("the parent", "RFC 1034, 4.2", head() + b"\x07example\x03com\0" + A_IN, 5, 0x8000, NONE),
    Case("the root", "RFC 1034, 4.2", head() + b"\0" + A_IN, 5, 0x8000, NONE),
    Case(
        "a name that ends alike within a label",
        "RFC 1034, 3.1",
        head() + b"\x05xmesh\x07example\x03com\0" + A_IN,
        5,
        0x8000,
        NONE,
    ),
    Case(
        "a label that ends with the zone's first one",
        "RFC 2181, 11",
        head() + b"\x06a\x04mesh\x07example\x03com\0" + A_IN,
        5,
        0x8000,
        NONE,
    ),
    Case("a label with a zero byte and a dot", "RFC 2181, 11", head() + b"\x03\0.a" + ZONE + A_IN, 3, 0x8400, NEGATIVE),
    # Types and classes
    Case("no such type there", "RFC 2308, 2.2", head() + SHOP + b"\0\x0f\0\x01", 0, 0x8400, NEGATIVE),
    Case("HTTPS", "RFC 9460, 9", head() + SHOP + b"\0\x41\0\x01", 0, 0x8400, NEGATIVE),
    Case("a type that is not known", "RFC 3597, 2", head() + SHOP + b"\xff\x77\0\x01", 0, 0x8400, NEGATIVE),
    Case("type 0", "RFC 6895, 3.1", head() + SHOP + b"\0\0\0\x01", 0, 0x8400, NEGATIVE),
    Case(
        "DS of the zone, which its parent has",
        "RFC 4035, 3.1.4.1",
        head() + ZONE + b"\0\x2b\0\x01",
        0,
        0x8400,
        NEGATIVE,
    ),
    Case("SOA of the zone", "RFC 1035, 3.3.13", head() + ZONE + b"\0\x06\0\x01", 0, 0x8400, (1, 0)),
    Case("SOA below the zone", "RFC 2308, 2.2", head() + SHOP + b"\0\x06\0\x01", 0, 0x8400, NEGATIVE),
    Case("NS of the zone", "RFC 1035, 3.3.11", head() + ZONE + b"\0\x02\0\x01", 0, 0x8400, (3, 0)),
    Case("ANY", "RFC 8482, 4.1", head() + SHOP + b"\0\xff\0\x01", 0, 0x8400, ANSWER),
    Case("ANY between two names", "RFC 2308, 2.2", head() + b"\x04four" + ZONE + b"\0\xff\0\x01", 0, 0x8400, NEGATIVE),
    Case("a transfer", "RFC 5936, 2.2.1", head() + ZONE + b"\0\xfc\0\x01", 5, 0x8000, NONE),
    Case(
        "a transfer of changes",
        "RFC 1995, 3",
        head(0, 1, 0, 1) + ZONE + b"\0\xfb\0\x01" + b"\xc0\x0c\0\x06\0\x01\0\0\0\0\0\x16\0\0" + bytes(20),
        5,
        0x8000,
        NONE,
    ),
    Case("a question for OPT", "RFC 6891, 6.1.1", head() + SHOP + b"\0\x29\0\x01", 1, 0x8000, NONE),
    Case("a question for TSIG", "RFC 8945, 4.2", head() + SHOP + b"\0\xfa\0\x01", 1, 0x8000, NONE),
    Case("TKEY", "RFC 2930, 4", head() + SHOP + b"\0\xf9\0\x01", 4, 0x8000, NONE),
    Case("MAILA", "RFC 1035, 3.2.3", head() + SHOP + b"\0\xfe\0\x01", 4, 0x8000, NONE),
    Case("the version, in class CH", "RFC 4892, 3", head() + b"\x07version\x04bind\0\0\x10\0\x03", 5, 0x8000, NONE),
    Case("any class", "RFC 1035, 3.2.5", head() + SHOP + b"\0\x01\0\xff", 5, 0x8000, NONE),
    # EDNS
    Case("EDNS", "RFC 6891, 6.1.1", edns(), 0, 0x8400, ANSWER, True),
    Case("a size below 512 means 512", "RFC 6891, 6.2.3", edns(size=1), 0, 0x8400, ANSWER, True),
    Case("an option that is not known", "RFC 6891, 6.1.2", edns(option(65001, b"abc")), 0, 0x8400, ANSWER, True),
    Case("a cookie, which is not made here", "RFC 7873, 5.2", edns(option(10, b"12345678")), 0, 0x8400, ANSWER, True),
    Case("padding", "RFC 7830, 3", edns(option(12, bytes(64))), 0, 0x8400, ANSWER, True),
    Case("a later version", "RFC 6891, 6.1.3", edns(version=1), 16, 0x8000, NONE, True),
    Case(
        "a later version with options of its own", "RFC 6891, 6.1.3", edns(b"\xff", version=9), 16, 0x8000, NONE, True
    ),
    Case("two of them", "RFC 6891, 6.1.1", head(additional=2) + SHOP + A_IN + opt() + opt(), 1, 0x8000, NONE),
    Case("one of a name", "RFC 6891, 6.1.2", head(additional=1) + SHOP + A_IN + b"\x01a" + opt(), 1, 0x8000, NONE),
    Case("an option that breaks off", "RFC 6891, 6.1.2", edns(b"\0\x0a\0\xff"), 1, 0x8000, NONE),
    Case("one that is announced and not there", "RFC 1035, 4.1.1", head(additional=1) + SHOP + A_IN, 1, 0x8000, NONE),
    Case("one that is there and not announced", "RFC 1035, 4.1.1", head() + SHOP + A_IN + opt(), 1, 0x8000, NONE),
    Case(
        "a signature after it",
        "RFC 8945, 5.1",
        head(additional=2) + SHOP + A_IN + opt() + b"\x01k\0\0\xfa\0\xff\0\0\0\0\0\x02ab",
        0,
        0x8400,
        ANSWER,
        True,
    ),
    Case(
        "another zone, with EDNS",
        "RFC 8914, 4.21",
        head(additional=1) + b"\x03org\0" + A_IN + opt(),
        5,
        0x8000,
        NONE,
        True,
    ),
    # Client subnet
    Case("a client's network", "RFC 7871, 7.2.1", subnet(b"\0\x01\x18\0\x0a\0\x01"), 0, 0x8400, ANSWER, True),
    Case("none, for privacy", "RFC 7871, 7.1.2", subnet(b"\0\x01\0\0"), 0, 0x8400, ANSWER, True),
    Case("bits beyond the prefix", "RFC 7871, 6", subnet(b"\0\x01\x17\0\x0a\0\x01"), 1, 0x8000, NONE),
    Case("bytes beyond the prefix", "RFC 7871, 6", subnet(b"\0\x01\x18\0\x0a\0\x01\0"), 1, 0x8000, NONE),
    Case("a scope in a query", "RFC 7871, 6", subnet(b"\0\x01\x18\x18\x0a\0\x01"), 1, 0x8000, NONE),
    Case("a family that is not known", "RFC 7871, 6", subnet(b"\0\x03\0\0"), 1, 0x8000, NONE),
    Case("a prefix that is too long", "RFC 7871, 6", subnet(b"\0\x01\x21\0\x0a\0\x01\x01\0"), 1, 0x8000, NONE),
)
