"""From a query's bytes and who sent it to the answer's bytes: the one way all queries go.

No picture was told yet: SERVFAIL. A malformed query: FORMERR; one that is not for the zone: REFUSED. Else the zone's
records, or SOA for what does not exist; truncated when it is too large for the way it goes.
"""

from collections import Counter
from dataclasses import dataclass, field

from lbmesh.dns.clients import ClientZones, Nearest
from lbmesh.dns.constants import (
    CLASS_IN,
    COPIED_FLAGS,
    FLAG_AUTHORITATIVE,
    FLAG_RESPONSE,
    FLAG_TRUNCATED,
    META_TYPES,
    OPCODE_MASK,
    ExtendedError,
    Rcode,
    Type,
)
from lbmesh.dns.edns import extended_error, opt_record
from lbmesh.dns.limits import (
    AMPLIFICATION_MAX,
    CLIENTS_KEPT_MAX,
    RATE_PREFIX_IPV4,
    RATE_PREFIX_IPV6,
    TCP_BYTES_MAX,
    TURN_S,
    TURNS,
    UDP_BYTES_MAX,
    UDP_BYTES_PLAIN_MAX,
)
from lbmesh.dns.query import HEADER, Query, Refusal, read_query
from lbmesh.dns.rate import Allowance, RateLimit
from lbmesh.dns.records import Sections, is_below
from lbmesh.dns.zone import Zone
from lbmesh.model.dns import DnsPicture
from lbmesh.model.networks import read_ip

_PLAIN_OPTS = {dnssec_ok: opt_record(dnssec_ok=dnssec_ok) for dnssec_ok in (False, True)}
_NOBODY = Nearest("", 0)

_NOT_IMPLEMENTED = frozenset({Type.TKEY, Type.MAILA, Type.MAILB})
_ANSWERED = frozenset({Type.A, Type.AAAA, Type.NS, Type.SOA, Type.ANY})
"""All other types have the same answer: no such record."""
_TRANSFERS = frozenset({Type.AXFR, Type.IXFR})


@dataclass(slots=True)
class Client:
    """What is remembered of who asks: the network that its rate is counted for, and its zone."""

    network: int | None
    nearest: Nearest


@dataclass(slots=True)
class DnsFigures:
    """Counters. `ignored`: messages that were no query. `rcodes`: answers by how they ended. `truncated`: of them,
    those that say "come over TCP". `slipped`, `dropped`: queries beyond the rate that got just that, and nothing.
    """

    udp: int = 0
    tcp: int = 0
    ignored: int = 0
    truncated: int = 0
    slipped: int = 0
    dropped: int = 0
    rcodes: Counter[Rcode] = field(default_factory=Counter)


class Responder:
    """Answers from the newest picture it was told."""

    def __init__(self) -> None:
        self.figures = DnsFigures()
        self.picture: DnsPicture | None = None
        self._zone: Zone | None = None
        self._client_zones = ClientZones(())
        self._trusts_subnets = False
        self._rate = RateLimit(0)
        self._clients: dict[str, Client] = {}

    def tell(self, picture: DnsPicture) -> None:
        """Answer from this picture. Raises ValueError, and answers as before, for one that cannot be answered from."""
        policy, before = picture.policy, self.picture.policy if self.picture else None
        zone = Zone(picture)
        if policy != before:
            self._client_zones = ClientZones(policy.clients)
            self._trusts_subnets = policy.client_subnet and bool(policy.clients)
            self._rate = RateLimit(policy.rate)
            self._clients.clear()
        self._zone, self.picture = zone, picture

    def respond(self, message: bytes, host: str, now: float, *, is_udp: bool) -> bytes | None:
        """The answer to a message from this address; None for no answer. `now`: monotonic seconds."""
        figures = self.figures
        if is_udp:
            figures.udp += 1
        else:
            figures.tcp += 1
        query = read_query(message)
        if query is None:
            figures.ignored += 1
            return None
        client = self._clients.get(host) or self._meet(host)
        if is_udp:
            allowance = self._rate.take(client.network, now)
            if allowance is not Allowance.ANSWER:
                return self._limited(query, allowance)
        if isinstance(query, Refusal):
            return self._refuse(query)
        limit = TCP_BYTES_MAX
        if is_udp:
            taken = UDP_BYTES_PLAIN_MAX if query.udp_bytes is None else query.udp_bytes
            limit = min(max(UDP_BYTES_PLAIN_MAX, min(taken, UDP_BYTES_MAX)), AMPLIFICATION_MAX * len(message))
        return self._answer(query, client, int(now / TURN_S) % TURNS, limit)

    def _meet(self, host: str) -> Client:
        address = read_ip(host.partition("%")[0])
        client = Client(None, _NOBODY)
        if address is not None:
            bits = RATE_PREFIX_IPV4 if address.version == 4 else RATE_PREFIX_IPV6
            network = int(address) >> (address.max_prefixlen - bits)
            # No IPv6 network in use is as small a number as an IPv4 one: 2000::/3 begins with a bit that is set.
            client = Client(network, self._client_zones.nearest(address))
        if len(self._clients) >= CLIENTS_KEPT_MAX:
            self._clients.clear()
        self._clients[host] = client
        return client

    # Answers

    def _answer(self, query: Query, client: Client, turn: int, limit: int) -> bytes:
        zone = self._zone
        if query.edns_version:
            return self._fail(query, Rcode.BADVERS)
        if zone is None:
            return self._fail(query, Rcode.SERVFAIL, ExtendedError.NOT_READY)
        if query.class_ != CLASS_IN or query.type in _TRANSFERS:
            return self._fail(query, Rcode.REFUSED)
        if (query.type in META_TYPES and query.type != Type.ANY) or query.type == Type.OPT:
            return self._fail(query, Rcode.NOTIMP if query.type in _NOT_IMPLEMENTED else Rcode.FORMERR)
        nearest, opt = client.nearest, b""
        if query.subnet is not None:
            nearest, opt = self._by_subnet(query, client)
        elif query.udp_bytes is not None:
            opt = _PLAIN_OPTS[query.dnssec_ok]
        node = zone.nodes.get(query.name)
        if node is None:
            if not is_below(query.name, zone.name):
                return self._fail(query, Rcode.REFUSED, ExtendedError.NOT_AUTHORITATIVE)
            return self._write(query, Rcode.NXDOMAIN, zone.negative(query.name), opt, limit)
        type_ = query.type if query.type in _ANSWERED else 0
        key = (type_, nearest.zone, turn)
        if key not in node.kept:
            node.kept[key] = zone.positive(query.name, node, *key)
        return self._write(query, Rcode.NOERROR, node.kept[key] or zone.negative(query.name), opt, limit)

    def _by_subnet(self, query: Query, client: Client) -> tuple[Nearest, bytes]:
        """Who counts as the client, and OPT, which tells for whom the answer holds (RFC 7871, 7.2.1)."""
        subnet = query.subnet
        assert subnet is not None
        address = subnet.ip() if self._trusts_subnets else None
        if address is None:
            return client.nearest, opt_record(dnssec_ok=query.dnssec_ok, options=subnet.option(0))
        nearest = self._client_zones.nearest(address)
        options = subnet.option(nearest.scope_bits)
        return nearest, opt_record(dnssec_ok=query.dnssec_ok, options=options)

    def _write(self, query: Query, rcode: Rcode, sections: Sections, opt: bytes, limit: int) -> bytes:
        """The message; without any record but OPT, and truncated, when it is too large (RFC 2181, 9)."""
        self.figures.rcodes[rcode] += 1
        flags = FLAG_RESPONSE | FLAG_AUTHORITATIVE | query.flags & COPIED_FLAGS | rcode
        size = HEADER.size + len(query.question) + len(sections.records) + len(opt)
        opts = 1 if opt else 0
        if size > limit:
            self.figures.truncated += 1
            return HEADER.pack(query.id, flags | FLAG_TRUNCATED, 1, 0, 0, opts) + query.question + opt
        extras, extra = sections.extras, sections.extra
        if size + len(extra) > limit:
            extras, extra = 0, b""
        head = HEADER.pack(query.id, flags, 1, sections.answers, sections.authorities, extras + opts)
        return head + query.question + sections.records + extra + opt

    # Everything else

    def _fail(self, query: Query, rcode: Rcode, why: ExtendedError | None = None) -> bytes:
        """An answer without records. The question comes back, so that the client knows which of its queries it was."""
        self.figures.rcodes[rcode] += 1
        opt = b""
        if query.udp_bytes is not None:
            opt = opt_record(rcode, dnssec_ok=query.dnssec_ok, options=extended_error(why) if why else b"")
        flags = FLAG_RESPONSE | query.flags & COPIED_FLAGS | rcode & 0xF
        return HEADER.pack(query.id, flags, 1, 0, 0, 1 if opt else 0) + query.question + opt

    def _refuse(self, refusal: Refusal) -> bytes:
        self.figures.rcodes[refusal.rcode] += 1
        flags = FLAG_RESPONSE | refusal.flags & (COPIED_FLAGS | OPCODE_MASK) | refusal.rcode
        return HEADER.pack(refusal.id, flags, 1 if refusal.question else 0, 0, 0, 0) + refusal.question

    def _limited(self, query: Query | Refusal, allowance: Allowance) -> bytes | None:
        """Beyond the rate: a word to come over TCP, no larger than the query; or nothing."""
        if allowance is Allowance.DROP or isinstance(query, Refusal):
            self.figures.dropped += 1
            return None
        self.figures.slipped += 1
        opt = b"" if query.udp_bytes is None else _PLAIN_OPTS[query.dnssec_ok]
        flags = FLAG_RESPONSE | FLAG_TRUNCATED | query.flags & COPIED_FLAGS
        return HEADER.pack(query.id, flags, 1, 0, 0, 1 if opt else 0) + query.question + opt
