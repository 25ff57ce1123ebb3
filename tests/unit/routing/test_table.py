"""Which route a request takes."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmesh.model.route import Route
from lbmesh.routing.path import routing_path
from lbmesh.routing.table import HOSTS_REMEMBERED_MAX, RouteTable

Entries = list[tuple[tuple[str, ...], tuple[str, ...], str]]


def table_of(entries: Entries) -> RouteTable[str]:
    table: RouteTable[str] = RouteTable()
    for hosts, paths, value in entries:
        table.add(Route(hosts, paths, ()), value)
    return table


TABLE = table_of(
    [
        (("shop.example.com",), ("/",), "shop"),
        (("shop.example.com",), ("/checkout", "/pay/"), "checkout"),
        (("shop.example.com",), ("/checkout/fast",), "fast"),
        (("*.example.com",), ("/",), "wild"),
        (("*.eu.example.com",), ("/static",), "eu static"),
        (("api.example.com", "API2.example.com"), ("/v1",), "api"),
        (("[::1]",), ("/",), "six"),
        (("*",), ("/health",), "health"),
    ]
)


@pytest.mark.parametrize(
    ("host", "target", "value"),
    [
        (b"shop.example.com", b"/", "shop"),
        (b"SHOP.Example.COM", b"/x", "shop"),
        (b"shop.example.com:8080", b"/x", "shop"),
        (b"shop.example.com:", b"/x", "shop"),
        (b"shop.example.com.", b"/x", "shop"),
        (b"shop.example.com.:80", b"/x", "shop"),
        (b"shop.example.com", b"/checkout", "checkout"),
        (b"shop.example.com", b"/checkout/", "checkout"),
        (b"shop.example.com", b"/checkout?x", "checkout"),
        (b"shop.example.com", b"/checkout/a/b", "checkout"),
        (b"shop.example.com", b"/checkouts", "shop"),
        (b"shop.example.com", b"/Checkout", "shop"),
        (b"shop.example.com", b"/pay", "checkout"),
        (b"shop.example.com", b"/pay/now", "checkout"),
        (b"shop.example.com", b"/checkout/fast", "fast"),
        (b"shop.example.com", b"/checkout/faster", "checkout"),
        (b"shop.example.com", b"//checkout", "checkout"),
        (b"shop.example.com", b"/x/../checkout/fast", "fast"),
        (b"shop.example.com", b"/%63heckout", "checkout"),
        (b"shop.example.com", b"/checkout/%2e%2e/x", "shop"),
        (b"shop.example.com", b"/checkout/..", "shop"),
        (b"shop.example.com", b"/checkout%2ffast", None),
        (b"shop.example.com", b"/other%2ffast", "shop"),
        (b"shop.example.com", b"/x?/checkout", "shop"),
        (b"shop.example.com", b"*", "shop"),
        (b"a.example.com", b"/", "wild"),
        (b"a.b.example.com", b"/", "wild"),
        (b"a.eu.example.com", b"/static/x", "eu static"),
        (b"a.eu.example.com", b"/x", "wild"),
        (b"api.example.com", b"/v1", "api"),
        (b"api2.example.com", b"/v1/x", "api"),
        (b"api.example.com", b"/v2", "wild"),
        (b"example.com", b"/", None),
        (b"example.com", b"/health", "health"),
        (b"notexample.com", b"/", None),
        (b"xshop.example.com.evil.org", b"/", None),
        (b"[::1]:80", b"/", "six"),
        (b"[::1]", b"/", "six"),
        (b"[::2]", b"/", None),
        (b"", b"/health/x", "health"),
        (b"", b"/", None),
    ],
)
def test_examples(host: bytes, target: bytes, value: str | None) -> None:
    assert TABLE.match(host, target) == value
    assert TABLE.match(host, target) == value


def reference(entries: Entries, host: str, target: str) -> str | None:
    """The rules by their words, with no look-up that is clever."""
    path = routing_path(target.encode()).decode()

    def specificity(pattern: str) -> int:
        if pattern == host:
            return 1000
        if pattern.startswith("*.") and host.endswith(pattern[1:]):
            return len(pattern)
        return 0 if pattern == "*" else -1

    def covers(prefix: str) -> bool:
        trimmed = prefix.rstrip("/")
        return path == trimmed or path.startswith(trimmed + "/") or not trimmed

    matching = [
        (specificity(pattern), len(prefix.rstrip("/")), value)
        for patterns, prefixes, value in entries
        for pattern in patterns
        for prefix in prefixes
        if specificity(pattern) >= 0 and covers(prefix)
    ]
    return max(matching)[2] if matching else None


PATTERN = st.sampled_from(("a.x", "b.a.x", "*.x", "*.a.x", "*.b.a.x", "*"))
PREFIX = st.sampled_from(("/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/b"))
HOST = st.sampled_from(("a.x", "b.a.x", "c.b.a.x", "x", "y"))
TARGET = st.sampled_from(("/", "/a", "/a/b", "/ab", "/a/b/c/d", "/b/", "/a/bc", "/b/../a//b", "/c", "/" + "a/" * 50))


@given(
    st.lists(st.tuples(PATTERN, PREFIX), max_size=8, unique_by=lambda rule: (rule[0], rule[1].rstrip("/"))),
    HOST,
    TARGET,
)
def test_the_table_keeps_the_rules(rules: list[tuple[str, str]], host: str, target: str) -> None:
    entries: Entries = [((pattern,), (prefix,), f"{pattern}{prefix}") for pattern, prefix in rules]
    assert table_of(entries).match(host.encode(), target.encode()) == reference(entries, host, target)


def test_a_rule_is_spelled_in_any_way() -> None:
    table = table_of([(("*",), ("/%61//b/./c",), "x")])
    assert table.match(b"h", b"/a/b/c") == "x"


def test_invented_hosts_do_not_fill_the_memory() -> None:
    table = table_of([(("*",), ("/",), "x")])

    def invent(start: int) -> None:
        for number in range(start, start + HOSTS_REMEMBERED_MAX):
            assert table.match(b"host-%d.example" % number, b"/") == "x"

    tracemalloc.start()
    invent(0)
    once = tracemalloc.get_traced_memory()[0]
    for turn in range(1, 4):
        invent(turn * HOSTS_REMEMBERED_MAX)
    assert tracemalloc.get_traced_memory()[0] < 1.5 * once
    tracemalloc.stop()
