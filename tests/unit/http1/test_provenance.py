"""What replicas are told: each field, and one way of saying it turned into the other (RFC 7239 §7.4)."""

import pytest

from lbmesh.http1.provenance import ProvenanceRules
from lbmesh.model.provenance import ForwardedField, ProvenancePolicy

X, F, REAL = ForwardedField.X_FORWARDED, ForwardedField.FORWARDED, ForwardedField.X_REAL_IP
TRUSTED = ("10.0.0.0/8",)


def told(
    policy: ProvenancePolicy, *lines: bytes, peer: str = "10.0.0.1", scheme: bytes = b"http", host: bytes = b"a:80"
) -> list[bytes]:
    head = b"\r\n".join((b"GET / HTTP/1.1", *lines, b"", b""))
    who = ProvenanceRules(policy, "lb-a1").introduce(head, len(head), peer, scheme, host)
    return (who.fields + who.editable).removesuffix(b"\r\n").split(b"\r\n")


def test_all_three() -> None:
    lines = told(ProvenancePolicy(TRUSTED, X, (X, F, REAL)), b"X-Forwarded-For: 203.0.113.7, 10.0.0.2")
    assert lines == [
        b"X-Forwarded-For: 203.0.113.7, 10.0.0.2, 10.0.0.1",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: a:80",
        b'Forwarded: for=203.0.113.7, for=10.0.0.2, for=10.0.0.1;host="a:80";proto=http;by=_lb-a1',
        b"X-Real-IP: 203.0.113.7",
    ]


def test_x_forwarded_becomes_forwarded() -> None:
    policy = ProvenancePolicy(TRUSTED, X, (F,))
    lines = told(
        policy,
        b"X-Forwarded-For: 6.6.6.6, [2001:db8::7]:80, 10.0.0.2",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: shop.example.com",
        b"X-Forwarded-Prefix: /a",
    )
    [line] = lines
    assert line.removeprefix(b"Forwarded: ").split(b", ") == [
        b"for=6.6.6.6",
        b'for="[2001:db8::7]";host="shop.example.com";proto=https',
        b"for=10.0.0.2",
        b'for=10.0.0.1;host="a:80";proto=http;by=_lb-a1',
    ]
    assert told(policy, b"X-Forwarded-For: unknown") == [
        b'Forwarded: for=unknown, for=10.0.0.1;host="a:80";proto=http;by=_lb-a1'
    ]
    assert told(policy, b"X-Forwarded-Proto: https", b"X-Forwarded-Host: b") == [
        b'Forwarded: for=10.0.0.1;host="b";proto=https;by=_lb-a1'
    ]


def test_forwarded_becomes_x_forwarded() -> None:
    policy = ProvenancePolicy(TRUSTED, F, (X,))
    lines = told(
        policy, b'Forwarded: for=_x;proto=http, for="[2001:db8::7]:80";proto=https;host="b:1", for=10.0.0.2;proto=http'
    )
    assert lines == [
        b"X-Forwarded-For: unknown, 2001:db8::7, 10.0.0.2, 10.0.0.1",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: b:1",
    ]


def test_only_what_the_client_s_own_proxy_says_of_the_scheme_counts() -> None:
    policy = ProvenancePolicy(TRUSTED, F, (X,))
    lines = told(policy, b"Forwarded: for=6.6.6.6;proto=https;host=evil, for=203.0.113.7")
    assert lines[1:] == [b"X-Forwarded-Proto: http", b"X-Forwarded-Host: a:80"]
    assert told(policy, b"Forwarded: for=203.0.113.7;proto=ws")[1] == b"X-Forwarded-Proto: http"


@pytest.mark.parametrize("peer", ["2001:db8::1", "192.0.2.1"])
def test_a_request_without_a_host(peer: str) -> None:
    node = b'"[2001:db8::1]"' if ":" in peer else peer.encode()
    lines = told(ProvenancePolicy((), X, (F,)), peer=peer, scheme=b"https", host=b"")
    assert lines == [b"Forwarded: for=%b;proto=https;by=_lb-a1" % node]


def test_nothing_is_remembered_of_one_that_another_could_be_taken_for() -> None:
    rules = ProvenanceRules(ProvenancePolicy(TRUSTED, X, (X,)), "lb-a1")
    seen = set()
    for peer in ("10.0.0.1", "10.0.0.2"):
        for scheme in (b"http", b"https"):
            for host in (b"a", b"b"):
                for client in (b"203.0.113.1", b"203.0.113.2"):
                    head = b"GET / HTTP/1.1\r\nX-Forwarded-For: %b\r\n\r\n" % client
                    introduction = rules.introduce(head, len(head), peer, scheme, host)
                    assert introduction == rules.introduce(head, len(head), peer, scheme, host)
                    assert introduction.client == client.decode()
                    seen.add(introduction.fields)
                seen.add(rules.introduce_peer(peer, scheme, host).fields)
    assert len(seen) == 2 * 2 * 2 * 3


def test_who_is_trusted() -> None:
    rules = ProvenanceRules(ProvenancePolicy(("10.0.0.0/8", "fe80::/10")), "lb-a1")
    assert [rules.trusts(host) for host in ("10.9.9.9", "11.0.0.1", "fe80::1%eth0", "::1")] == [
        True,
        False,
        True,
        False,
    ]
    assert not ProvenanceRules(ProvenancePolicy(), "lb-a1").trusts("10.0.0.1")


def test_plain_is_the_default_alone() -> None:
    assert ProvenanceRules(ProvenancePolicy(), "lb").tells_plainly
    assert ProvenanceRules(ProvenancePolicy(TRUSTED), "lb").tells_plainly
    assert not ProvenanceRules(ProvenancePolicy(forwarded=(X, REAL)), "lb").tells_plainly
