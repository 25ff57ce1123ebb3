"""A zone for tests, and queries for it as dnspython writes them."""

from collections.abc import Sequence
from dataclasses import replace

import dns.edns
import dns.message

from lbmesh.dns.responder import Responder
from lbmesh.model.dns import APEX, ClientNetwork, DnsName, DnsPicture, DnsPolicy, NameServer, PublishedAddress
from lbmesh.model.view import ViewVersion

ZONE = "mesh.example.com"
A, B, C = "203.0.113.10", "203.0.113.20", "203.0.113.30"
V6 = "2001:db8::10"
ZONES = {A: "zone-a", B: "zone-b", C: "zone-c", V6: "zone-a"}
POLICY = DnsPolicy(
    zone=ZONE,
    name_servers=(
        NameServer("ns-a.mesh.example.com", ("192.0.2.1", "2001:db8::53")),
        NameServer("ns-b.mesh.example.com", ("192.0.2.2",)),
        NameServer("ns.elsewhere.example"),
    ),
    names=(
        DnsName("shop", (A, B, C, V6)),
        DnsName(APEX, (A, B, C)),
        DnsName("only.four", (A, B)),
        DnsName("_dotted.api.v1", (C,)),
    ),
    mailbox="host.master@example.com",
    clients=(ClientNetwork("10.0.1.0/24", "zone-a"), ClientNetwork("10.0.2.0/24", "zone-b")),
    rate=0,
)
CLIENT = "192.0.2.200"


def picture(*, withdrawn: Sequence[str] = (), policy: DnsPolicy = POLICY, number: int = 1) -> DnsPicture:
    """All addresses, but for those withdrawn, are published."""
    addresses = (PublishedAddress(each, zone, each not in withdrawn, "") for each, zone in ZONES.items())
    return DnsPicture(ViewVersion(1, number), policy, tuple(addresses))


def responder(*, withdrawn: Sequence[str] = (), policy: DnsPolicy = POLICY) -> Responder:
    """One that was told this picture."""
    made = Responder()
    made.tell(picture(withdrawn=withdrawn, policy=policy))
    return made


def limited(rate: int) -> DnsPolicy:
    """The policy with a limit of rate."""
    return replace(POLICY, rate=rate)


def query(name: str, kind: str = "A", **how: object) -> dns.message.QueryMessage:
    """As `dns.message.make_query` takes it."""
    return dns.message.make_query(name, kind, **how)  # type: ignore[arg-type]


def ask(
    asked: Responder, message: dns.message.Message, *, client: str = CLIENT, now: float = 0.0, is_udp: bool = True
) -> dns.message.Message:
    """The answer, read by dnspython, which checks that it belongs to the query."""
    wire = asked.respond(message.to_wire(), client, now, is_udp=is_udp)
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert message.is_response(answer)
    return answer


def addresses(answer: dns.message.Message) -> list[str]:
    """In the order in which they stand there."""
    return [str(record.to_text()) for rrset in answer.answer for record in rrset]
