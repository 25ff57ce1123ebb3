"""What a trusted proxy says of a request: read out of the head as it came, bounded, and nothing that is malformed."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lbmesh.http1.forwarded import UNKNOWN, Hop, parse_forwarded, read_node
from lbmesh.http1.grammar import HOST, caseless
from lbmesh.model.limits import CLAIM_BYTES_MAX, PROXIES_MAX
from lbmesh.model.networks import IpAddress, NetworkSet, read_ip
from lbmesh.model.provenance import ForwardedField

_LINES = re.compile(
    rb"\n(" + caseless(b"x-forwarded-") + rb"[-0-9A-Za-z]++|" + caseless(b"forwarded") + rb"):([^\r]*+)\r"
)
_PROTO = re.compile(rb"(?i:https?)\Z")
_HOST = re.compile(HOST + rb"\Z")
_PORT = re.compile(rb"[1-9][0-9]{0,4}\Z")
_PORT_MAX = 0xFFFF


ClaimLines = tuple[tuple[bytes, bytes], ...]


class Claims(NamedTuple):
    """What the nearest proxy passed on. `hops`: the nearest last. `proto`, `host`, `port`: how the client asked, where
    that is said once for the whole way. `others`: further X-Forwarded-\\* lines, as they came.
    """

    hops: tuple[Hop, ...] = ()
    proto: bytes | None = None
    host: bytes | None = None
    port: bytes | None = None
    others: bytes = b""


class Provenance(NamedTuple):
    """Where a request comes from. `client`: the nearest address that is no trusted proxy's. `hops`: all that came
    before the peer, the nearest last. `client_hop`: the one that says whom the client's proxy served, if there is one.
    `proto`, `host`, `port`: how the client asked, None when nobody says. `others`: as in Claims.
    """

    client: IpAddress
    hops: tuple[Hop, ...]
    client_hop: Hop | None
    proto: bytes | None
    host: bytes | None
    port: bytes | None
    others: bytes


def claim_lines(data: bytes, head_bytes: int) -> ClaimLines:
    """Name and value, as they came, of the claims in a head that a lane has accepted: `head_bytes` of `data`."""
    return tuple(_LINES.findall(data, 0, head_bytes))


def read_claims(claim_lines: ClaimLines, field: ForwardedField) -> Claims:
    """What the lines say. `field`: the one that is read. The other may have passed the proxy as a client wrote it, and
    says nothing.
    """
    lines: dict[bytes, list[bytes]] = {}
    others = b""
    for name, value in claim_lines:
        known = name.lower()
        if known in _KNOWN:
            lines.setdefault(known, []).append(value.strip(b" \t"))
        else:
            others += b"%b:%b\r\n" % (name, value)
    if field is ForwardedField.FORWARDED:
        return Claims(parse_forwarded(lines.get(b"forwarded", ())))
    proto = _single(lines, b"x-forwarded-proto", _PROTO)
    port = _single(lines, b"x-forwarded-port", _PORT)
    return Claims(
        hops=parse_x_forwarded_for(lines.get(b"x-forwarded-for", ())),
        proto=proto.lower() if proto is not None else None,
        host=_single(lines, b"x-forwarded-host", _HOST),
        port=port if port is not None and int(port) <= _PORT_MAX else None,
        others=others,
    )


_KNOWN = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded"})


def _single(lines: dict[bytes, list[bytes]], name: bytes, pattern: re.Pattern[bytes]) -> bytes | None:
    """The one value of a field; two of them, or a malformed one, say nothing."""
    values = lines.get(name, ())
    return values[0] if len(values) == 1 and pattern.match(values[0]) else None


def parse_x_forwarded_for(values: Sequence[bytes]) -> tuple[Hop, ...]:
    """The hops, the nearest last, of all the field's lines in their order; at most PROXIES_MAX.

    Read from the end: what is malformed takes with it what stands before it, for that is a client's own to write. Ports
    are seen with Azure's balancers, IPv6 with and without brackets.
    """
    hops: list[Hop] = []
    for value in reversed(values):
        for part in reversed(value.rsplit(b",", PROXIES_MAX)):
            hop = _x_forwarded_hop(part.strip(b" \t"))
            if hop is None or len(hops) == PROXIES_MAX:
                return tuple(reversed(hops))
            hops.append(hop)
    return tuple(reversed(hops))


def _x_forwarded_hop(text: bytes) -> Hop | None:
    if len(text) > CLAIM_BYTES_MAX or text.startswith(b"_"):
        return None
    address = read_ip(text.decode("latin-1"))
    return Hop(text, address) if address is not None else read_node(text)


def trace(claims: Claims, peer: IpAddress, trusted: NetworkSet) -> Provenance:
    """From the peer, which is trusted, back to the nearest address that is not; to the farthest when all are.

    A proxy that does not say whom it serves ends the way: the last address known stands for the client. How the
    client asked is what the last trusted proxy says of it.
    """
    client, client_hop = peer, None
    for hop in reversed(claims.hops):
        client_hop = hop
        if hop.address is None:
            break
        client = hop.address
        if client not in trusted:
            break
    proto, host = claims.proto, claims.host
    if client_hop is not None:
        proto, host = proto or client_hop.proto, host or client_hop.host
    proto = proto if proto in _SCHEMES else None
    return Provenance(client, claims.hops, client_hop, proto, host, claims.port, claims.others)


_SCHEMES = frozenset({b"http", b"https"})


def x_forwarded_node(address: IpAddress | None) -> bytes:
    """An address as X-Forwarded-For has it."""
    return UNKNOWN if address is None else str(address).encode()
