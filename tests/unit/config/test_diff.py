"""Which changes are hot and which need a restart, each in the words that the log shows."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from lbmesh.config.diff import Hot, NeedsRestart, diff
from lbmesh.config.settings import Settings
from lbmesh.gossip.identity import key_id
from tests.support.config_text import BASE, FILES, changed, parse, settings_of

OTHER = '[[service]]\nname = "next"\npaths = ["/next"]\nreplicas = [{ address = "10.0.1.30:80", zone = "z" }]\n'
ROUTE = '[[route]]\npaths = ["/a"]\nservices = [{ name = "shop", weight = 95 }, { name = "next", weight = 5 }]\n'

HOT = [
    ('zone = "zone-b" }', 'zone = "zone-b", weight = 2 }', ["service shop: replica 10.0.2.20:8080: weight 1 → 2"]),
    ('zone = "zone-b" }', 'zone = "zone-c" }', ["service shop: replica 10.0.2.20:8080: zone zone-b → zone-c"]),
    ("10.0.2.20:8080", "[::1]:80",
     ["service shop: replica 10.0.2.20:8080 removed", "service shop: replica [::1]:80 added"]),
    ('connect = "1s"', 'connect = "250ms"', ["service shop: timeouts.connect 1s → 0.25s"]),
    ('connect = "1s"', 'response = "1h", idle = "23h"',
     ["service shop: timeouts.response 15s → 3600s", "service shop: timeouts.idle 60s → 82800s"]),
    ('interval = "2s"', 'interval = "3s", path = "/h", fall = 4',
     ["service shop: health.path / → /h", "service shop: health.interval 2s → 3s", "service shop: health.fall 3 → 4"]),
    ('health = { interval = "2s" }', "health = false", ["service shop: health check removed"]),
    ('interval = "2s"', 'kind = "tcp", expect = "+PONG", port = 81',
     ["service shop: health.kind http → tcp", "service shop: health.port none → 81"]),
    ('interval = "2s"', 'status = "200-299,304", body = "ok", headers_match = { X-A = "1", X-B = true }',
     ["service shop: health.status 200-399 → 200-299, 304", "service shop: health.body none → ok",
      "service shop: health.headers_match none → X-A: 1, X-B"]),
    ('interval = "2s"', 'headers = { Authorization = "Bearer secret" }',
     ["service shop: health.headers: another value"]),
    ('interval = "2s"', "tls = true", ["service shop: health.tls added"]),
    ('name = "shop"', 'name = "shop"\nslow_start = "0s"\noutliers = { ratio = 3, ejection = "1m" }',
     ["service shop: slow_start 10s → 0s", "service shop: outliers.ratio 2 → 3",
      "service shop: outliers.ejection 30s → 60s"]),
    ('name = "shop"', 'name = "shop"\nproxy_protocol = "v2"',
     ["service shop: proxy_protocol none → v2", "service shop: health.proxy_protocol none → v2"]),
    ('name = "shop"', 'name = "shop"\noutliers = false', ["service shop: outlier ejection removed"]),
    ('name = "shop"', 'name = "shop"\nlimits = { active = 5, pending_timeout = "2s" }',
     ["service shop: limits.active 4096 → 5", "service shop: limits.pending_timeout 1s → 2s"]),
    ('name = "shop"', 'name = "shop"\nhedge = true\nconcurrency = "adaptive"',
     ["service shop: hedge added", "service shop: adaptive concurrency added"]),
    ('name = "shop"', 'name = "shop"\nbalance = "round_robin"\nretries = 3',
     ["service shop: balance p2c → round_robin", "service shop: retries 2 → 3"]),
    ('name = "shop"', 'name = "shop"\nbalance = "ring_hash"\nhash = { header = "X-User" }',
     ["service shop: balance p2c → ring_hash", "service shop: hash added"]),
    ('name = "shop"', 'name = "shop"\nsticky = { ttl = "1h" }', ["service shop: sticky added"]),
    ('hosts = ["shop.example.com"]', 'hosts = ["a"]', ["route shop.example.com/ removed", "route a/ added"]),
    ("[admin]", f"{OTHER}[admin]", ["service next added", "route */next added"]),
    ("[admin]",
     ('[[route]]\npaths = ["/a"]\nservices = [{ name = "shop" }]\n'
      'methods = ["GET"]\nheaders = { X-B = true, X-A = "1" }\nquery = { q = "2" }\n[admin]'),
     ["route */a (GET, q=2, X-A: 1, X-B) added"]),
    ("[admin]", '[[route]]\nexact_paths = ["/a"]\nservices = [{ name = "shop" }]\n[admin]',
     ["route */a (exact) added"]),
    ('name = "shop"', 'name = "shop"\nmaintenance = true', ["route shop.example.com/: maintenance added"]),
    ('connect = "1s"', 'connect = "1s", request = "1m"', ["service shop: timeouts.request none → 60s"]),
    ("[admin]", '[forwarder]\nhead_timeout = "1s"\nconnections_max = 5\n[admin]',
     ["forwarder.head_timeout 10s → 1s", "forwarder.connections_max 20000 → 5"]),
    ('bind = "0.0.0.0:80"', 'bind = "0.0.0.0:80"\nproxy_protocol = ["10.0.0.0/8"]',
     ["listener 0.0.0.0:80: proxy_protocol none → 10.0.0.0/8"]),
    ("[admin]", '[forwarder]\ntrusted_proxies = ["10.0.0.0/8", "::1"]\nforwarded = ["forwarded", "x-real-ip"]\n[admin]',
     ["forwarder.trusted_proxies none → 10.0.0.0/8, ::1/128",
      "forwarder.forwarded x-forwarded → forwarded, x-real-ip"]),
]  # fmt: skip

FIXED = [
    ("[node]", '[node]\nname = "b"\nstate_dir = "/s"\ndrain_timeout = "1m"\nlame_duck = "0s"',
     ["node.name lb-a1 → b", "node.state_dir /var/lib/lbmesh → /s", "node.drain_timeout 30s → 60s",
      "node.lame_duck 1s → 0s"]),
    ('zone = "zone-a"\n[g', 'zone = "zone-b"\n[g', ["node.zone zone-a → zone-b"]),
    ('"0.0.0.0:80"', '"0.0.0.0:81"', ["listener bind 0.0.0.0:80 → 0.0.0.0:81"]),
    ("[admin]", '[[listener]]\nbind = "[::]:80"\n[admin]', ["listener [::]:80 added"]),
    ("[admin]", "[forwarder]\nworkers = 3\n[admin]", ["forwarder.workers 2 → 3"]),
    ("[admin]", '[log]\naccess = "off"\nlevel = "debug"\n[admin]',
     ["log.access stdout → off", "log.level info → debug"]),
    ("10.0.1.10:7946", "10.0.1.11:7946",
     ["gossip.bind 10.0.1.10:7946 → 10.0.1.11:7946", "gossip.advertise 10.0.1.10:7946 → 10.0.1.11:7946",
      "gossip.heartbeat_bind 10.0.1.10:7947 → 10.0.1.11:7947"]),
    ("[gossip]", '[gossip]\nseeds = ["a:1", "b:2"]', ["gossip.seeds none → a:1, b:2"]),
    ("/gossip.key", "/other.key", ["gossip.key_file /gossip.key → /other.key"]),
    ('[gossip]\nbind = "10.0.1.10:7946"\nkey_file = "/gossip.key"\n', "", ["gossip removed"]),
    ("[admin]", '[admin]\nbind = "[::1]:99"', ["admin.bind 127.0.0.1:9900 → [::1]:99"]),
    ('token_file = "/admin.token"', "",
     ["admin.token_file /admin.token → none", "admin: another token"]),
    ("[admin]", "[admin]\ndrills = true", ["admin.drills False → True"]),
    ('[admin]\ntoken_file = "/admin.token"\n', "", ["admin removed"]),
]  # fmt: skip


def compare(old: str, new: str) -> Hot | NeedsRestart:
    files = {**FILES, "/other.key": FILES["/gossip.key"]}
    after = parse(changed(old, new), files=files)
    assert isinstance(after, Settings), after
    return diff(settings_of(BASE), after)


@pytest.mark.parametrize(("old", "new", "changes"), HOT)
def test_hot_changes(old: str, new: str, changes: list[str]) -> None:
    assert compare(old, new) == Hot(tuple(changes))


@pytest.mark.parametrize(("old", "new", "changes"), FIXED)
def test_changes_that_need_a_restart(old: str, new: str, changes: list[str]) -> None:
    assert compare(old, new) == NeedsRestart(tuple(f"{change} needs a restart" for change in changes))


def test_one_change_that_needs_a_restart_refuses_the_hot_ones_with_it() -> None:
    text = changed('connect = "1s"', 'connect = "2s"').replace("0.0.0.0:80", "0.0.0.0:81")
    assert diff(settings_of(BASE), settings_of(text)) == NeedsRestart(
        ("listener bind 0.0.0.0:80 → 0.0.0.0:81 needs a restart",)
    )


def test_a_removed_listener_needs_a_restart() -> None:
    two = settings_of(BASE + '[[listener]]\nbind = "[::]:80"\n')
    assert diff(two, settings_of(BASE)) == NeedsRestart(("listener [::]:80 removed needs a restart",))


def test_other_weights_of_a_route() -> None:
    old, new = BASE + OTHER + ROUTE, BASE + OTHER + ROUTE.replace("95", "90").replace("5 }]", "10 }]")
    assert diff(settings_of(old), settings_of(new)) == Hot(
        ("route */a: next 5, shop 95 → next 10, shop 90",),
    )


def test_other_rules_of_a_route() -> None:
    def ruled(rules: str) -> Settings:
        return settings_of(BASE + OTHER + ROUTE + rules)

    old = ruled('max_body = "1MiB"\nretries = 1\nrewrite = { prefix = "/x" }\n')
    new = ruled('max_body = "2MiB"\nallow = ["10.0.0.0/8"]\nrewrite = { prefix = "/x" }\n')
    assert diff(old, new) == Hot(
        ("route */a: allow added", "route */a: max_body changed", "route */a: retries removed"),
    )


@pytest.mark.parametrize(
    "reordered",
    [
        lambda settings: replace(settings, services=settings.services[::-1]),
        lambda settings: replace(settings, routes=settings.routes[::-1]),
        lambda settings: replace(
            settings,
            services=tuple(replace(each, replicas=each.replicas[::-1]) for each in settings.services),
        ),
        lambda settings: replace(
            settings, routes=tuple(replace(each, services=each.services[::-1]) for each in settings.routes)
        ),
    ],
)
def test_another_order_is_no_change(reordered: Callable[[Settings], Settings]) -> None:
    settings = settings_of(BASE + OTHER + ROUTE)
    assert reordered(settings) != settings
    assert diff(settings, reordered(settings)) == Hot(())


def test_a_check_of_one_kind_is_compared_key_by_key_and_its_tls_too() -> None:
    def grpc(service: str, tls: str, authority: str) -> Settings:
        check = f'health = {{ kind = "grpc", grpc_service = "{service}", tls = {{ {tls}ca = "/ca.pem" }} }}'
        parsed = parse(changed('health = { interval = "2s" }', check), files={**FILES, "/ca.pem": authority})
        assert isinstance(parsed, Settings), parsed
        return parsed

    old = grpc("", "", "one")
    assert diff(old, grpc("shop", 'server_name = "a", ', "one")) == Hot(
        ('service shop: health.grpc_service "" → shop', "service shop: health.tls.server_name none → a")
    )
    assert diff(old, grpc("", "", "two")) == Hot(("service shop: health.tls.ca: another value",))


def test_another_token_in_the_same_file_needs_a_restart_and_is_not_shown() -> None:
    after = parse(BASE, files={**FILES, "/admin.token": "hush"})
    assert isinstance(after, Settings)
    assert diff(settings_of(BASE), after) == NeedsRestart(("admin: another token needs a restart",))


def test_a_changed_key_file_is_hot_and_shows_ids_alone() -> None:
    before = settings_of(BASE)
    assert before.gossip is not None
    (old,) = before.gossip.keys
    new = bytes.fromhex("ab" * 32)
    after = parse(BASE, files={**FILES, "/gossip.key": f"{new.hex()}\n"})
    assert isinstance(after, Settings)
    old_id, new_id = key_id(old).hex(), key_id(new).hex()
    assert diff(before, after) == Hot(
        (
            f"gossip: key {new_id} added to the key file",
            f"gossip: key {old_id} removed from the key file",
            f"gossip: first key {old_id} → {new_id}",
        )
    )


def test_what_a_rotation_wrote_into_the_key_file_is_no_change() -> None:
    before = settings_of(BASE)
    assert before.gossip is not None
    (old,), new = before.gossip.keys, bytes.fromhex("ab" * 32)
    rotated = replace(before, gossip=replace(before.gossip, keys=(new, old), keys_in_file=(new, old)))
    after = parse(BASE, files={**FILES, "/gossip.key": f"{new.hex()}\n{old.hex()}\n"})
    assert isinstance(after, Settings)
    assert diff(rotated, after) == Hot(())


def test_changes_within_hash_and_sticky_are_told_apart_and_the_secret_never() -> None:
    before = 'balance = "ring_hash"\nhash = { header = "X-User" }\nsticky = { secret = "0123456789abcdef" }'
    after = (
        before.replace("header", "cookie")
        .replace("0123456789abcdef", "fedcba9876543210")
        .replace("sticky = {", 'sticky = { ttl = "1h",')
    )
    old, new = (settings_of(changed('name = "shop"', f'name = "shop"\n{text}')) for text in (before, after))
    assert diff(old, new) == Hot(
        (
            "service shop: hash.header X-User → none",
            "service shop: hash.cookie none → X-User",
            "service shop: sticky.ttl none → 3600s",
            "service shop: sticky.secret: another value",
        )
    )
