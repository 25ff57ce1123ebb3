"""What the answers hold: order, sizes, times to live, networks of clients, and what is remembered."""

from collections import Counter
from dataclasses import replace

import dns.edns
import dns.flags
import dns.rcode
import dns.rdatatype
import pytest

from lbmesh.dns import responder as responder_module
from lbmesh.dns.limits import ADDRESSES_PER_ANSWER_MAX, TURN_S, TURNS
from lbmesh.dns.responder import Responder
from lbmesh.model.dns import DnsName, DnsPicture, NameServer, PublishedAddress
from lbmesh.model.view import ViewVersion
from tests.support.dns_zone import POLICY, V6, A, B, C, addresses, ask, limited, picture, query, responder

SHOP = "shop.mesh.example.com"
NEAR_B = "10.0.2.9"


def turned(client: str = "192.0.2.200") -> list[list[str]]:
    """The answer of each turn."""
    asked = responder()
    return [addresses(ask(asked, query(SHOP), client=client, now=(turn + 0.5) * TURN_S)) for turn in range(TURNS)]


def test_each_address_comes_first_as_often_as_any_other() -> None:
    assert Counter(answer[0] for answer in turned()) == {A: TURNS // 3, B: TURNS // 3, C: TURNS // 3}


def test_a_client_of_a_known_network_has_its_zone_first_and_the_others_in_turn() -> None:
    answers = turned(NEAR_B)
    assert {answer[0] for answer in answers} == {B}
    assert Counter(answer[1] for answer in answers) == {A: TURNS // 2, C: TURNS // 2}


def test_the_same_time_has_the_same_order() -> None:
    assert turned() == turned()


def test_dead_addresses_are_left_out_and_when_all_are_dead_none_is() -> None:
    assert set(addresses(ask(responder(withdrawn=[A]), query(SHOP)))) == {B, C}
    assert set(addresses(ask(responder(withdrawn=[A, B, C]), query(SHOP)))) == {A, B, C}
    # A family has its own last address.
    assert addresses(ask(responder(withdrawn=[V6]), query(SHOP, "AAAA"))) == [V6]


def test_a_picture_replaces_what_was_kept() -> None:
    asked = responder()
    assert set(addresses(ask(asked, query(SHOP)))) == {A, B, C}
    asked.tell(picture(withdrawn=[B], number=2))
    assert set(addresses(ask(asked, query(SHOP)))) == {A, C}


def test_times_to_live() -> None:
    asked = responder(policy=replace(POLICY, ttl_s=7, ns_ttl_s=600, negative_ttl_s=3))
    assert ask(asked, query(SHOP)).answer[0].ttl == 7
    assert ask(asked, query("mesh.example.com", "NS")).answer[0].ttl == 600
    negative = ask(asked, query("none.mesh.example.com")).authority[0]
    # A resolver takes the smaller of the two (RFC 2308, 5).
    assert (negative.ttl, negative[0].minimum) == (3, 3)


def test_name_servers_come_with_their_addresses() -> None:
    answer = ask(responder(), query("mesh.example.com", "NS"))
    assert addresses(answer) == ["ns-a.mesh.example.com.", "ns-b.mesh.example.com.", "ns.elsewhere.example."]
    assert {str(rrset.name): rrset.to_text().split()[-1] for rrset in answer.additional if rrset.rdtype == 1} == {
        "ns-a.mesh.example.com.": "192.0.2.1",
        "ns-b.mesh.example.com.": "192.0.2.2",
    }
    assert addresses(ask(responder(), query("ns-a.mesh.example.com", "AAAA"))) == ["2001:db8::53"]


def test_soa_says_who_answers_for_the_zone() -> None:
    (record,) = ask(responder(), query("mesh.example.com", "SOA")).answer[0]
    assert str(record.mname) == "ns-a.mesh.example.com."
    assert str(record.rname) == r"host\.master.example.com."
    again = ask(responder(withdrawn=[A]), query("mesh.example.com", "SOA")).answer[0][0]
    assert record.serial == again.serial, "nodes that see other addresses must not contradict each other"


def test_a_subnet_counts_for_the_client_and_the_scope_says_for_whom_the_answer_holds() -> None:
    asked = query(SHOP, use_edns=0, options=[dns.edns.ECSOption("10.0.2.77", 32)])
    answer = ask(responder(), asked)
    assert addresses(answer)[0] == B
    (option,) = answer.options
    assert isinstance(option, dns.edns.ECSOption)
    assert (option.address, option.srclen, option.scopelen) == ("10.0.2.77", 32, 24)


def test_a_subnet_that_is_not_taken_has_no_scope() -> None:
    asked = query(SHOP, use_edns=0, options=[dns.edns.ECSOption("10.0.2.77", 24)])
    answer = ask(responder(policy=replace(POLICY, client_subnet=False)), asked, client="10.0.1.5")
    assert addresses(answer)[0] == A
    (option,) = answer.options
    assert isinstance(option, dns.edns.ECSOption)
    assert option.scopelen == 0


def test_before_any_picture_resolvers_are_sent_to_another_server() -> None:
    answer = ask(Responder(), query(SHOP, use_edns=0))
    assert answer.rcode() == dns.rcode.SERVFAIL
    (option,) = answer.options
    assert isinstance(option, dns.edns.EDEOption)
    assert option.code == dns.edns.EDECode.NOT_READY


def crowded(count: int) -> DnsPicture:
    """A name with so many IPv6 addresses."""
    published = tuple(PublishedAddress(f"2001:db8::{number:x}", "zone-a", True, "") for number in range(1, count + 1))
    names = (DnsName("shop", tuple(each.address for each in published)),)
    return DnsPicture(ViewVersion(1, 1), replace(POLICY, names=names), published)


def test_of_many_addresses_all_are_used_and_so_many_in_one_answer() -> None:
    asked = Responder()
    asked.tell(crowded(20))
    seen: set[str] = set()
    for turn in range(TURNS):
        answer = addresses(ask(asked, query(SHOP, "AAAA"), now=(turn + 0.5) * TURN_S))
        assert len(answer) == ADDRESSES_PER_ANSWER_MAX
        seen.update(answer)
    assert len(seen) == 20


def padded(payload: int) -> dns.message.QueryMessage:
    """A question for the name servers with so many bytes that its answer may be large."""
    padding = dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(300))
    return query("mesh.example.com", "NS", use_edns=0, payload=payload, options=[padding])


@pytest.mark.parametrize(("label", "payload", "fits"), [(60, 512, False), (60, 1232, True), (180, 4096, False)])
def test_what_is_too_large_for_udp_is_truncated_and_whole_over_tcp(label: int, payload: int, fits: bool) -> None:
    """Eight names of 60 bytes are between 512 and 1232, of 180 bytes beyond any datagram."""
    names = [".".join([f"{number}{'x' * 58}"] * (label // 60)) for number in range(8)]
    asked = responder(policy=replace(POLICY, name_servers=tuple(NameServer(f"{name}.example.net") for name in names)))
    short, whole = ask(asked, padded(payload)), ask(asked, padded(payload), is_udp=False)
    assert len(whole.answer[0]) == 8
    assert bool(short.flags & dns.flags.TC) is not fits
    assert len(addresses(short)) == (8 if fits else 0)
    assert short.edns == 0


def test_glue_is_left_out_before_anything_is_truncated() -> None:
    servers = tuple(
        NameServer(f"ns-{number}-{'x' * 40}.mesh.example.com", (f"192.0.2.{number}", f"2001:db8::{number}"))
        for number in range(1, 9)
    )
    asked = responder(policy=replace(POLICY, name_servers=servers))
    answer = ask(asked, query("mesh.example.com", "NS", use_edns=0), is_udp=False)
    assert len(answer.additional) == 16
    short = ask(asked, query("mesh.example.com", "NS", use_edns=0, payload=1232))
    assert short.flags & dns.flags.TC, "8 names of 45 bytes are more than ten times the query"


def test_beyond_its_rate_a_network_is_sent_to_tcp_or_gets_nothing() -> None:
    asked = responder(policy=limited(2))
    wire = query(SHOP).to_wire()
    said = [asked.respond(wire, f"192.0.2.{host}", 7.0, is_udp=True) for host in range(13)]
    assert sum(answer is not None and not answer[2] & 0x02 for answer in said) == 3
    assert asked.figures.slipped == asked.figures.dropped == 5
    assert asked.respond(wire, "192.0.2.1", 7.0, is_udp=False) is not None
    assert asked.respond(wire, "198.51.100.1", 7.0, is_udp=True) is not None


def test_clients_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder_module, "CLIENTS_KEPT_MAX", 10)
    asked = responder()
    wire = query(SHOP).to_wire()
    for host in range(100):
        asked.respond(wire, f"192.0.2.{host}", 0.0, is_udp=True)
        assert len(asked._clients) <= 10  # noqa: SLF001


def test_random_names_and_types_fill_nothing() -> None:
    asked = responder()
    for number in range(300):
        ask(asked, query(f"r{number:03}.mesh.example.com"))
        ask(asked, query(SHOP, dns.rdatatype.to_text(dns.rdatatype.from_text(f"TYPE{30000 + number}"))))
    zone = asked._zone  # noqa: SLF001
    assert zone is not None
    assert len(zone._negatives) <= 3  # noqa: SLF001
    assert sum(len(node.kept) for node in zone.nodes.values()) <= TURNS
