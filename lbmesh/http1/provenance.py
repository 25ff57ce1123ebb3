"""What a replica is told of where a request comes from, in each of the fields that may say it."""

from typing import assert_never

from lbmesh.http1.claims import Provenance, read_claims, trace, x_forwarded_node
from lbmesh.http1.forwarded import Hop, forwarded_node
from lbmesh.model.networks import IpAddress, NetworkSet, read_ip
from lbmesh.model.provenance import ForwardedField, ProvenancePolicy

PLAIN_FIELDS = (ForwardedField.X_FORWARDED,)
"""What is told unless an operator wants it otherwise."""


class ProvenanceRules:
    """A ProvenancePolicy put to use. `tells_plainly`: replicas are told PLAIN_FIELDS alone."""

    __slots__ = ("_by", "_trusted", "policy", "tells_plainly")

    def __init__(self, policy: ProvenancePolicy, node: str) -> None:
        """`node`: this balancer's name, an obfuscated identifier by RFC 7239 §6.3 once "_" stands before it."""
        self.policy = policy
        self.tells_plainly = policy.told == PLAIN_FIELDS
        self._trusted = NetworkSet(policy.trusted_proxies)
        self._by = b"_" + node.encode()

    def trusts(self, host: str) -> bool:
        """True when the word of a peer with this address is taken."""
        address = peer_address(host) if self._trusted else None
        return address is not None and address in self._trusted

    def provenance(self, data: bytes, head_bytes: int, peer: IpAddress) -> Provenance:
        """What a trusted peer says in a head: the first `head_bytes` of `data`."""
        return trace(read_claims(data, head_bytes, self.policy.trusted_field), peer, self._trusted)

    def fields(self, provenance: Provenance, peer: IpAddress, scheme: bytes, host: bytes) -> bytes:
        """Field lines for the replica. `scheme`: of the peer's connection; `host`: the authority that it asked for."""
        return b"".join(self._field(field, provenance, peer, scheme, host) for field in self.policy.told)

    def _field(
        self, field: ForwardedField, provenance: Provenance, peer: IpAddress, scheme: bytes, host: bytes
    ) -> bytes:
        match field:
            case ForwardedField.X_FORWARDED:
                return self._x_forwarded(provenance, peer, scheme, host)
            case ForwardedField.FORWARDED:
                return self._forwarded(provenance, peer, scheme, host)
            case ForwardedField.X_REAL_IP:
                return b"X-Real-IP: %b\r\n" % str(provenance.client).encode()
            case _:
                assert_never(field)

    def _x_forwarded(self, provenance: Provenance, peer: IpAddress, scheme: bytes, host: bytes) -> bytes:
        as_it_came = self.policy.trusted_field is ForwardedField.X_FORWARDED
        nodes = [hop.text if as_it_came else x_forwarded_node(hop.address) for hop in provenance.hops]
        return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n%b%b" % (
            b", ".join((*nodes, str(peer).encode())),
            provenance.proto or scheme,
            provenance.host or host,
            b"X-Forwarded-Port: %b\r\n" % provenance.port if provenance.port else b"",
            provenance.others,
        )

    def _forwarded(self, provenance: Provenance, peer: IpAddress, scheme: bytes, host: bytes) -> bytes:
        """RFC 7239 §4: our element comes last. §7.4: what came as X-Forwarded-* becomes an element for each hop."""
        as_it_came = self.policy.trusted_field is ForwardedField.FORWARDED
        elements = [hop.text if as_it_came else _translated(hop, provenance) for hop in provenance.hops]
        if not elements:
            host, scheme = provenance.host or host, provenance.proto or scheme
        own = _element(forwarded_node(peer), host, scheme) + b";by=" + self._by
        return b"Forwarded: %b\r\n" % b", ".join((*elements, own))


def peer_address(host: str) -> IpAddress | None:
    """A peer's address as the kernel writes it, without a scope."""
    return read_ip(host.partition("%")[0])


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
