"""[dns]: defaults, what is wrong with a section, in which line and in which words, and what a reload may change."""

import re
from pathlib import Path

import pytest

from lbmesh.config.diff import Hot, NeedsRestart, diff
from lbmesh.model.address import Address
from lbmesh.model.dns import ClientNetwork, DnsName, DnsPolicy, NameServer
from tests.support.config_text import BASE, errors_of, settings_of

FRONTS = """[[front]]
address = "203.0.113.10"
zone = "zone-a"
driver = "none"
[[front]]
address = "2001:db8::10"
zone = "zone-b"
driver = "none"
"""
ALL = ("203.0.113.10", "2001:db8::10")
LEAST = """[dns]
zone = "Mesh.Example.com."
name_servers = { "NS-A.mesh.example.com" = ["198.51.100.1"], "ns.example.net" = [] }
"""
LINE = (BASE + FRONTS).count("\n") + 1
"""Of [dns]."""


def test_defaults() -> None:
    dns = settings_of(BASE + FRONTS + LEAST).dns
    assert dns is not None
    assert dns.bind == (Address("0.0.0.0", 53),)
    assert dns.policy == DnsPolicy(
        zone="mesh.example.com",
        name_servers=(NameServer("ns-a.mesh.example.com", ("198.51.100.1",)), NameServer("ns.example.net")),
        names=(DnsName("shop", ALL),),
        mailbox="hostmaster@mesh.example.com",
        ttl_s=5.0,
        ns_ttl_s=3600.0,
        negative_ttl_s=5.0,
        clients=(),
        client_subnet=True,
        rate=200,
    )


DOCS = (Path(__file__).parents[3] / "docs" / "DNS.md").read_text()


@pytest.mark.parametrize("example", re.findall(r"^```toml\n(.*?)^```$", DOCS, flags=re.MULTILINE | re.DOTALL))
def test_an_example_of_the_manual_is_sound(example: str) -> None:
    dns = settings_of(BASE + example).dns
    assert dns is not None
    assert len(dns.policy.name_servers) == 3


def test_without_the_section_there_is_no_name_server() -> None:
    assert settings_of(BASE + FRONTS).dns is None


def test_all_that_can_be_written() -> None:
    more = """bind = ["127.0.0.1:0", "[::1]:0"]
ttl = "1m"
ns_ttl = "2h"
negative_ttl = "1s"
mailbox = "a.b@example.com"
rate = 0
client_subnet = false
[dns.names]
"@" = ["203.0.113.10"]
Shop = ["2001:db8::10"]
[dns.clients]
zone-a = ["10.0.1.0/24"]
"""
    dns = settings_of(BASE + FRONTS + LEAST + more).dns
    assert dns is not None
    assert dns.bind == (Address("127.0.0.1", 0), Address("::1", 0))
    policy = dns.policy
    assert (policy.ttl_s, policy.ns_ttl_s, policy.negative_ttl_s, policy.rate) == (60.0, 7200.0, 1.0, 0)
    assert policy.names == (DnsName("@", ALL[:1]), DnsName("shop", ALL[1:]))
    assert policy.clients == (ClientNetwork("10.0.1.0/24", "zone-a"),)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (
            'zone = "Mesh',
            'zone = "-mesh',
            (
                'dns.zone: found "-mesh.Example.com."; write a name such as "mesh.example.com": '
                'labels have 1 to 63 letters, digits, "-" and "_", and begin and end without "-"'
            ),
        ),
        ('ttl = "5s"', 'ttl = "1500ms"', 'dns.ttl: found "1500ms"; write whole seconds from "1s" to "86400s"'),
        ('ttl = "5s"', 'negative_ttl = "6s"', 'dns.negative_ttl: found "6s"; write whole seconds from "1s" to "5s"'),
        (
            'ttl = "5s"',
            'mailbox = "nobody"',
            'dns.mailbox: found "nobody"; write an address of mail such as "hostmaster@example.com"',
        ),
        ('ttl = "5s"', "bind = []", 'dns.bind: found an empty array; write an array such as ["0.0.0.0:53", "[::]:53"]'),
        (
            'ttl = "5s"',
            'bind = ["0.0.0.0:53", "0.0.0.0:53"]',
            "dns.bind: an address stands here twice; write each once",
        ),
        ('ttl = "5s"', "tll = 5", "dns.tll: unknown key; write ttl"),
        ('ttl = "5s"', "rate = -1", "dns.rate: found -1; write a whole number from 0 to 1000000"),
        (
            '["198.51.100.1"]',
            "[]",
            (
                'dns.name_servers."NS-A.mesh.example.com": it is in the zone, so that only this zone '
                "knows its addresses; write them"
            ),
        ),
        (
            '"ns.example.net" = []',
            '"ns.example.net" = ["192.0.2.1"]',
            (
                'dns.name_servers."ns.example.net": it is not in mesh.example.com, whose answers cannot say its '
                "addresses; write []"
            ),
        ),
        (
            'ttl = "5s"',
            'names = { shop = ["192.0.2.9"] }',
            'dns.names.shop[#1]: found "192.0.2.9"; no [[front]] has this address; write one that is there',
        ),
        (
            'ttl = "5s"',
            'names = { "a b" = ["203.0.113.10"] }',
            (
                'dns.names."a b": a b.mesh.example.com is no name of DNS: labels have 1 to 63 letters, digits, "-" and '
                '"_", and begin and end without "-"'
            ),
        ),
        (
            'ttl = "5s"',
            'clients = { zone-a = ["10.0.0.0/8"], zone-b = ["10.0.0.0/8"] }',
            "dns.clients.zone-b: 10.0.0.0/8 is zone-a's already; a network is nearest to one zone",
        ),
    ],
)
def test_what_is_wrong_is_said_once_with_what_to_write(old: str, new: str, error: str) -> None:
    text = BASE + FRONTS + LEAST + 'ttl = "5s"\n'
    assert old in text
    (told,) = errors_of(text.replace(old, new))
    line, _, message = told.partition(": ")
    assert message == error
    assert LINE <= int(line) <= LINE + 3


def test_without_fronts_there_is_nothing_to_answer() -> None:
    (error,) = errors_of(BASE + LEAST)
    assert "there is no [[front]], and so nothing to answer" in error


def test_without_zone_and_name_servers_both_are_asked_for() -> None:
    first, second = errors_of(BASE + FRONTS + "[dns]\n")
    assert "dns.name_servers: missing" in first
    assert "dns.zone: missing" in second


@pytest.mark.parametrize(
    ("more", "changes"),
    [
        ('ttl = "9s"\n', ("dns.ttl 5s → 9s",)),
        ("[dns.names]\nshop = ['203.0.113.10']\n", ("dns.names shop 203.0.113.10, 2001:db8::10 → 203.0.113.10",)),
        ("[dns.names]\nother = ['203.0.113.10']\n", ("dns.names other added",)),
        ("[dns.clients]\nzone-a = ['10.0.0.0/8']\n", ("dns.clients 10.0.0.0/8 none → zone-a",)),
    ],
)
def test_what_is_answered_changes_by_a_reload(more: str, changes: tuple[str, ...]) -> None:
    text = BASE + FRONTS + LEAST
    assert diff(settings_of(text), settings_of(text + more)) == Hot(changes)


def test_where_it_is_answered_needs_a_restart() -> None:
    text = BASE + FRONTS + LEAST
    moved = diff(settings_of(text), settings_of(text + 'bind = "127.0.0.1:53"\n'))
    assert moved == NeedsRestart(("dns.bind 0.0.0.0:53 → 127.0.0.1:53 needs a restart",))
    assert diff(settings_of(BASE + FRONTS), settings_of(text)) == NeedsRestart(("dns added needs a restart",))
