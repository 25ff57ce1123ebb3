"""What a replica is told of where a request comes from, in each of the fields that may say it."""

from functools import lru_cache
from typing import NamedTuple, assert_never

from lbmesh.http1.claims import ClaimLines, Provenance, claim_lines, read_claims, trace, x_forwarded_node
from lbmesh.http1.forwarded import Hop, forwarded_node
from lbmesh.model.networks import IpAddress, NetworkSet, read_ip
from lbmesh.model.provenance import ForwardedField, ProvenancePolicy

PLAIN_FIELDS = (ForwardedField.X_FORWARDED,)
"""What is told unless an operator wants it otherwise."""

INTRODUCTIONS_REMEMBERED = 1024
REMEMBERED_HEAD_BYTES_MAX = 4096
"""Clients ask for more than one thing, and what their proxy says of them is the same to the byte then. With the three
lines of AWS's balancers, looking it up takes 1.5 µs, making it anew 13. Together 4 MiB at most.
"""


class Introduction(NamedTuple):
    """Who asks, and over http or https, as far as trusted proxies say. `fields`: the lines that tell a replica.
    `editable`: more such lines, which belong to the request's own fields, since rules of a route may edit them.
    """

    client: str
    scheme: bytes
    fields: bytes
    editable: bytes


class ProvenanceRules:
    """A ProvenancePolicy put to use. `tells_plainly`: replicas are told PLAIN_FIELDS alone."""

    __slots__ = ("_by", "_introduce", "_trusted", "policy", "tells_plainly")

    def __init__(self, policy: ProvenancePolicy, node: str) -> None:
        """`node`: this balancer's name, an obfuscated identifier by RFC 7239 §6.3 once "_" stands before it."""
        self.policy = policy
        self.tells_plainly = policy.forwarded == PLAIN_FIELDS
        self._trusted = NetworkSet(policy.trusted_proxies)
        self._by = b"_" + node.encode()
        self._introduce = lru_cache(INTRODUCTIONS_REMEMBERED)(self._introduction)

    def trusts(self, host: str) -> bool:
        """True when the word of a peer with this address is taken."""
        return bool(self._trusted) and peer_address(host) in self._trusted

    def introduce(self, data: bytes, head_bytes: int, peer: str, scheme: bytes, host: bytes) -> Introduction:
        """Who asks, by the word of a trusted peer in a head that a lane has accepted: the first `head_bytes` of `data`.

        `scheme`: of the peer's connection; `host`: the authority that it asked for.
        """
        lines = claim_lines(data, head_bytes)
        make = self._introduce if head_bytes <= REMEMBERED_HEAD_BYTES_MAX else self._introduction
        return make(lines, peer, scheme, host)

    def introduce_peer(self, peer: str, scheme: bytes, host: bytes) -> Introduction:
        """The peer itself asks, and nothing that it says of others counts."""
        return self._introduce((), peer, scheme, host)

    def _introduction(self, lines: ClaimLines, peer: str, scheme: bytes, host: bytes) -> Introduction:
        address = peer_address(peer)
        provenance = trace(read_claims(lines, self.policy.trusted_field), address, self._trusted)
        client, fields, editable = str(provenance.client), b"", b""
        for field in self.policy.forwarded:
            match field:
                case ForwardedField.X_FORWARDED:
                    fields += self._x_forwarded(provenance, address, scheme, host)
                    editable += _passed_on(provenance)
                case ForwardedField.FORWARDED:
                    fields += self._forwarded(provenance, address, scheme, host)
                case ForwardedField.X_REAL_IP:
                    editable += b"X-Real-IP: %b\r\n" % client.encode()
                case _:
                    assert_never(field)
        return Introduction(client, provenance.proto or scheme, fields, editable)

    def _x_forwarded(self, provenance: Provenance, peer: IpAddress, scheme: bytes, host: bytes) -> bytes:
        as_it_came = self.policy.trusted_field is ForwardedField.X_FORWARDED
        nodes = [hop.text if as_it_came else x_forwarded_node(hop.address) for hop in provenance.hops]
        return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (
            b", ".join((*nodes, str(peer).encode())),
            provenance.proto or scheme,
            provenance.host or host,
        )

    def _forwarded(self, provenance: Provenance, peer: IpAddress, scheme: bytes, host: bytes) -> bytes:
        """RFC 7239 §4: our element comes last. §7.4: what came as X-Forwarded-* becomes an element for each hop."""
        as_it_came = self.policy.trusted_field is ForwardedField.FORWARDED
        elements = [hop.text if as_it_came else _translated(hop, provenance) for hop in provenance.hops]
        if not elements:
            host, scheme = provenance.host or host, provenance.proto or scheme
        own = _element(forwarded_node(peer), host, scheme) + b";by=" + self._by
        return b"Forwarded: %b\r\n" % b", ".join((*elements, own))


def peer_address(host: str) -> IpAddress:
    """A peer's address as the kernel writes it, without a scope."""
    address = read_ip(host.partition("%")[0])
    assert address is not None, host
    return address


def _passed_on(provenance: Provenance) -> bytes:
    """What only trusted proxies may say, and this balancer has nothing to add to."""
    port = b"X-Forwarded-Port: %b\r\n" % provenance.port if provenance.port else b""
    return port + provenance.others


def _translated(hop: Hop, provenance: Provenance) -> bytes:
    """An element for a hop of X-Forwarded-For; the client's has how it asked."""
    if hop is not provenance.client_hop:
        return _element(forwarded_node(hop.address), None, None)
    return _element(forwarded_node(hop.address), provenance.host, provenance.proto)


def _element(node: bytes, host: bytes | None, proto: bytes | None) -> bytes:
    """A host is quoted always: of all that one is made of only letters, digits and a few marks make a token."""
    return b"for=%b%b%b" % (
        node,
        b';host="%b"' % host if host else b"",
        b";proto=%b" % proto if proto else b"",
    )
