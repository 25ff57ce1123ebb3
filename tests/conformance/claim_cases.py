"""What trusted proxies, and those who speak through them, may put before a request, and what it must come to.

The peer is 10.0.0.1; 10.0.0.0/8 and 2001:db8:f::/48 are trusted. 203.0.113.0/24 are clients, 6.6.6.6 is one that lies.
"""

from typing import NamedTuple


class Claimed(NamedTuple):
    """`lines`: of the head. `client`: who it is. `told`: the lines that a replica gets, in their order."""

    name: str
    lines: tuple[bytes, ...]
    client: str
    told: tuple[bytes, ...]


PEER = "10.0.0.1"
TRUSTED = ("10.0.0.0/8", "2001:db8:f::/48")


def x(chain: bytes, *others: bytes, proto: bytes = b"http", host: bytes = b"a") -> tuple[bytes, ...]:
    """The lines of X-Forwarded-*."""
    return (b"X-Forwarded-For: " + chain, b"X-Forwarded-Proto: " + proto, b"X-Forwarded-Host: " + host, *others)


NOTHING = x(b"10.0.0.1")
XFF = b"X-Forwarded-For: "

X_FORWARDED = (
    Claimed("no claim: the peer is the client", (), PEER, NOTHING),
    Claimed("one client", (XFF + b"203.0.113.7",), "203.0.113.7", x(b"203.0.113.7, 10.0.0.1")),
    Claimed(
        "a chain of proxies", (XFF + b"203.0.113.7, 10.2.0.1",), "203.0.113.7", x(b"203.0.113.7, 10.2.0.1, 10.0.0.1")
    ),
    Claimed(
        "the client lies: what it wrote stands farther off",
        (XFF + b"6.6.6.6, 203.0.113.7",),
        "203.0.113.7",
        x(b"6.6.6.6, 203.0.113.7, 10.0.0.1"),
    ),
    Claimed(
        "the client claims to be a proxy",
        (XFF + b"10.9.9.9, 203.0.113.7",),
        "203.0.113.7",
        x(b"10.9.9.9, 203.0.113.7, 10.0.0.1"),
    ),
    Claimed(
        "all are trusted: the farthest", (XFF + b"10.0.0.9, 10.0.0.8",), "10.0.0.9", x(b"10.0.0.9, 10.0.0.8, 10.0.0.1")
    ),
    Claimed(
        "two lines are one list, in their order",
        (XFF + b"6.6.6.6", XFF + b"203.0.113.7"),
        "203.0.113.7",
        x(b"6.6.6.6, 203.0.113.7, 10.0.0.1"),
    ),
    Claimed("the name in any case", (b"x-FORWARDED-for:203.0.113.7",), "203.0.113.7", x(b"203.0.113.7, 10.0.0.1")),
    Claimed(
        "no blanks, or many", (XFF + b"\t6.6.6.6 ,203.0.113.7  ",), "203.0.113.7", x(b"6.6.6.6, 203.0.113.7, 10.0.0.1")
    ),
    Claimed("an address with a port", (XFF + b"203.0.113.7:4711",), "203.0.113.7", x(b"203.0.113.7:4711, 10.0.0.1")),
    Claimed("IPv6", (XFF + b"2001:DB8::7",), "2001:db8::7", x(b"2001:DB8::7, 10.0.0.1")),
    Claimed("IPv6 in brackets", (XFF + b"[2001:db8::7]",), "2001:db8::7", x(b"[2001:db8::7], 10.0.0.1")),
    Claimed("IPv6 with a port", (XFF + b"[2001:db8::7]:80",), "2001:db8::7", x(b"[2001:db8::7]:80, 10.0.0.1")),
    Claimed(
        "a trusted proxy on IPv6",
        (XFF + b"203.0.113.7, 2001:db8:f::1",),
        "203.0.113.7",
        x(b"203.0.113.7, 2001:db8:f::1, 10.0.0.1"),
    ),
    Claimed(
        "a trusted proxy as IPv4 within IPv6",
        (XFF + b"203.0.113.7, ::ffff:10.0.0.5",),
        "203.0.113.7",
        x(b"203.0.113.7, ::ffff:10.0.0.5, 10.0.0.1"),
    ),
    Claimed("a proxy that does not say", (XFF + b"6.6.6.6, unknown",), PEER, x(b"6.6.6.6, unknown, 10.0.0.1")),
    Claimed(
        "a proxy before it that does not say",
        (XFF + b"6.6.6.6, unknown, 10.0.0.5",),
        "10.0.0.5",
        x(b"6.6.6.6, unknown, 10.0.0.5, 10.0.0.1"),
    ),
    # What is malformed takes with it what stands before it, and hides nobody that stands after it
    Claimed("rubbish before the client", (XFF + b"<script>, 203.0.113.7",), "203.0.113.7", x(b"203.0.113.7, 10.0.0.1")),
    Claimed(
        "rubbish hides what is before it",
        (XFF + b"6.6.6.6, -, 203.0.113.7",),
        "203.0.113.7",
        x(b"203.0.113.7, 10.0.0.1"),
    ),
    Claimed("rubbish last", (XFF + b"6.6.6.6, -",), PEER, NOTHING),
    Claimed(
        "rubbish in the line before", (XFF + b"-", XFF + b"203.0.113.7"), "203.0.113.7", x(b"203.0.113.7, 10.0.0.1")
    ),
    Claimed("an empty value", (XFF,), PEER, NOTHING),
    Claimed("a comma alone", (XFF + b",",), PEER, NOTHING),
    Claimed("two commas", (XFF + b"6.6.6.6,,203.0.113.7",), "203.0.113.7", x(b"203.0.113.7, 10.0.0.1")),
    Claimed("a comma before", (XFF + b", 203.0.113.7",), "203.0.113.7", x(b"203.0.113.7, 10.0.0.1")),
    Claimed("a comma after", (XFF + b"6.6.6.6,",), PEER, NOTHING),
    Claimed("blanks for commas", (XFF + b"6.6.6.6 203.0.113.7",), PEER, NOTHING),
    Claimed("a semicolon for a comma", (XFF + b"6.6.6.6;203.0.113.7",), PEER, NOTHING),
    Claimed("quotes", (XFF + b'"6.6.6.6"',), PEER, NOTHING),
    Claimed("quotes round a comma", (XFF + b'"6.6.6.6, 203.0.113.7"',), PEER, NOTHING),
    Claimed("a name", (XFF + b"localhost",), PEER, NOTHING),
    Claimed("an octet too large", (XFF + b"6.6.6.256",), PEER, NOTHING),
    Claimed("an octal octet", (XFF + b"012.0.0.1",), PEER, NOTHING),
    Claimed("a number for an address", (XFF + b"101058054",), PEER, NOTHING),
    Claimed("hexadecimal", (XFF + b"0x06.6.6.6",), PEER, NOTHING),
    Claimed("a network", (XFF + b"6.6.6.0/24",), PEER, NOTHING),
    Claimed("a scope", (XFF + b"fe80::1%eth0",), PEER, NOTHING),
    Claimed("IPv6 and a port without brackets", (XFF + b"[::1]80",), PEER, NOTHING),
    Claimed("a port too large", (XFF + b"6.6.6.6:65536",), PEER, NOTHING),
    Claimed("a port that is none", (XFF + b"6.6.6.6:x",), PEER, NOTHING),
    Claimed("an obfuscated identifier belongs to Forwarded", (XFF + b"_hidden",), PEER, NOTHING),
    Claimed("an element of Forwarded", (XFF + b"for=6.6.6.6",), PEER, NOTHING),
    Claimed("digits of another script", (XFF + "٦.6.6.6".encode(),), PEER, NOTHING),
    Claimed("a very long claim", (XFF + b"6" * 9000,), PEER, NOTHING),
    Claimed(
        "a very long list: the nearest 32",
        (XFF + b", ".join([b"6.6.6.6"] * 1000) + b", 203.0.113.7",),
        "203.0.113.7",
        x(b", ".join([*[b"6.6.6.6"] * 31, b"203.0.113.7", b"10.0.0.1"])),
    ),
    Claimed(
        "a very long list of trusted addresses",
        (XFF + b"6.6.6.6, " + b", ".join([b"10.0.0.9"] * 1000),),
        "10.0.0.9",
        x(b", ".join([*[b"10.0.0.9"] * 32, b"10.0.0.1"])),
    ),
    # How the client asked
    Claimed("https at the edge", (b"X-Forwarded-Proto: HTTPS",), PEER, x(b"10.0.0.1", proto=b"https")),
    Claimed("a scheme that is none of ours", (b"X-Forwarded-Proto: ftp",), PEER, NOTHING),
    Claimed("two schemes", (b"X-Forwarded-Proto: https", b"X-Forwarded-Proto: http"), PEER, NOTHING),
    Claimed("a list of schemes", (b"X-Forwarded-Proto: https,http",), PEER, NOTHING),
    Claimed(
        "another host",
        (b"X-Forwarded-Host: shop.example.com:8443",),
        PEER,
        x(b"10.0.0.1", host=b"shop.example.com:8443"),
    ),
    Claimed("a malformed host", (b"X-Forwarded-Host: a/b",), PEER, NOTHING),
    Claimed("a host with a port of 65536", (b"X-Forwarded-Host: a:65536",), PEER, NOTHING),
    Claimed("an empty host", (b"X-Forwarded-Host:",), PEER, NOTHING),
    Claimed("two hosts", (b"X-Forwarded-Host: a", b"x-forwarded-host: b"), PEER, NOTHING),
    Claimed("a list of hosts", (b"X-Forwarded-Host: b, c",), PEER, NOTHING),
    Claimed("a port", (b"X-Forwarded-Port: 443",), PEER, x(b"10.0.0.1", b"X-Forwarded-Port: 443")),
    Claimed("a port of 0", (b"X-Forwarded-Port: 0",), PEER, NOTHING),
    Claimed("a port of 65536", (b"X-Forwarded-Port: 65536",), PEER, NOTHING),
    Claimed("two ports", (b"X-Forwarded-Port: 1", b"X-Forwarded-Port: 1"), PEER, NOTHING),
    Claimed("others go on as they came", (b"X-Forwarded-Prefix: /a",), PEER, x(b"10.0.0.1", b"X-Forwarded-Prefix: /a")),
    # Other names and ways
    Claimed("underscores", (b"X_Forwarded_For: 6.6.6.6", b"X-Forwarded_For: 6.6.6.6"), PEER, NOTHING),
    Claimed("underscores in others", (b"X-Forwarded-Pre_fix: /a",), PEER, NOTHING),
    Claimed("X-Real-IP is nobody's to say", (b"X-Real-IP: 6.6.6.6",), PEER, NOTHING),
    Claimed("Forwarded is not what these proxies write", (b"Forwarded: for=6.6.6.6",), PEER, NOTHING),
    Claimed(
        "a claim that Connection names was meant for us",
        (b"Connection: close, X-Forwarded-For", XFF + b"203.0.113.7"),
        "203.0.113.7",
        x(b"203.0.113.7, 10.0.0.1"),
    ),
    Claimed("a claim within another field", (b"X-A: b X-Forwarded-For: 6.6.6.6",), PEER, NOTHING),
)


def f(*elements: bytes, own: bytes = b'for=10.0.0.1;host="a";proto=http;by=_lb-a1') -> tuple[bytes, ...]:
    """The line of Forwarded."""
    return (b"Forwarded: " + b", ".join((*elements, own)),)


F = b"Forwarded: "

FORWARDED = (
    Claimed("no claim", (), PEER, f()),
    Claimed("one client", (F + b"for=203.0.113.7",), "203.0.113.7", f(b"for=203.0.113.7")),
    Claimed(
        "as it came",
        (F + b'For="[2001:db8::7]:4711";Proto=https;x=y,for=10.0.0.9;by=_edge',),
        "2001:db8::7",
        f(b'For="[2001:db8::7]:4711";Proto=https;x=y', b"for=10.0.0.9;by=_edge"),
    ),
    Claimed(
        "two lines are one list",
        (F + b"for=6.6.6.6", F + b"for=203.0.113.7"),
        "203.0.113.7",
        f(b"for=6.6.6.6", b"for=203.0.113.7"),
    ),
    Claimed("obfuscated", (F + b"for=6.6.6.6, for=_hidden",), PEER, f(b"for=6.6.6.6", b"for=_hidden")),
    Claimed("malformed", (F + b"for=6.6.6.6, for=",), PEER, f()),
    Claimed("a malformed line before", (F + b'for="', F + b"for=203.0.113.7"), "203.0.113.7", f(b"for=203.0.113.7")),
    Claimed("an open quote swallows what follows", (F + b'for="6.6.6.6, for=203.0.113.7',), PEER, f()),
    Claimed(
        "a quoted comma is none",
        (F + b'for=203.0.113.7;x=", for=6.6.6.6"',),
        "203.0.113.7",
        f(b'for=203.0.113.7;x=", for=6.6.6.6"'),
    ),
    Claimed("X-Forwarded-* is not what these proxies write", (XFF + b"6.6.6.6", b"X-Forwarded-Prefix: /a"), PEER, f()),
)
