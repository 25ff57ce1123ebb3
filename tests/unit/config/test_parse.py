"""What a file says reaches the settings; what is wrong with it is told at once, in order, without secrets."""

from pathlib import Path

import pytest

from lbmesh.config.errors import ConfigError
from lbmesh.config.parse import CONFIG_CHARS_MAX, parse_settings
from lbmesh.config.settings import GossipSettings, ListenerSettings, LogSettings, NodeSettings, Settings
from lbmesh.model.address import Address
from lbmesh.model.check import GrpcProbe, HttpProbe, ProbeMethod, ProbeTls, TcpProbe
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.provenance import ForwardedField, ProvenancePolicy, ProxyVersion
from lbmesh.model.restraint import AdaptiveConcurrency, Hedging, ServiceLimits
from lbmesh.model.route import Route, WeightedService
from lbmesh.model.service import HealthCheck, Outliers, Replica, Service
from lbmesh.model.traffic import Balance, Timeouts, TrafficPolicy
from tests.support.config_text import BASE, FILES, KEY, a_key_pair, changed, errors_of, parse, settings_of

ROUTE = '[[route]]\nservices = [{ name = "shop" }]\n'


@pytest.mark.parametrize(
    ("written", "expected"),
    [("false", ()), ("true", ("10.0.0.0/8",)), ('["::1", "0.0.0.0/0"]', ("::1/128", "0.0.0.0/0"))],
)
def test_from_whom_proxy_headers_are_taken(written: str, expected: tuple[str, ...]) -> None:
    text = changed('bind = "0.0.0.0:80"', f'bind = "0.0.0.0:80"\nproxy_protocol = {written}')
    [listener] = settings_of(f'{text}[forwarder]\ntrusted_proxies = ["10.0.0.0/8"]\n').listeners
    assert listener.policy.proxy_protocol == expected


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ("", ProxyVersion.V1),
        ('health = { interval = "3s" }', ProxyVersion.V1),
        ("health = { port = 81 }", None),
        ('health = { port = 81, proxy_protocol = "v2" }', ProxyVersion.V2),
        ("health = { proxy_protocol = false }", None),
    ],
)
def test_probes_begin_as_connections_of_clients_do(health: str, expected: ProxyVersion | None) -> None:
    text = changed('health = { interval = "2s" }', f'proxy_protocol = "v1"\n{health}')
    [service] = settings_of(text).services
    assert service.traffic.proxy_protocol is ProxyVersion.V1
    assert service.health is not None
    assert service.health.proxy_protocol is expected


def test_every_value_reaches_the_settings() -> None:
    text = """
        node = { name = "lb-1", zone = "z", state_dir = "/s", drain_timeout = "1m" }
        gossip = { bind = "0.0.0.0:1", advertise = "10.0.0.1:2", seeds = ["a.b:3"], key_file = "/gossip.key" }
        admin = { bind = "[::1]:4" }
        log = { access = "/a.log", level = "debug" }
        listener = [{ bind = "[::]:80" }]
        [forwarder]
        workers = 3
        head_timeout = "1ms"
        keepalive_timeout = "1.5s"
        connections_max = 7
        upstream_idle = "24h"
        body_rate_min = 0
        trusted_proxies = ["10.0.0.0/8", "2001:DB8::/32", "127.0.0.1"]
        trusted_field = "forwarded"
        forwarded = ["forwarded", "x-real-ip"]
        [[service]]
        name = "shop"
        balance = "least_request"
        retries = 0
        timeouts = { connect = "250ms", response = "2s", idle = "1m" }
        health = { path = "/healthz", interval = "2s", timeout = "2s", fall = 1, rise = 100 }
        outliers = { failure_percent = 1, ratio = 100, ejection = "1ms" }
        slow_start = "24h"
        replicas = [{ address = "[2001:DB8::0]:80", zone = "z", weight = 100 }]
        [[route]]
        hosts = ["A.example.com", "*.example.com", "*"]
        paths = ["/a/", "/"]
        services = [{ name = "shop", weight = 2 }]
        """
    shop = Service(
        "shop",
        (Replica(Address("2001:db8::", 80), "z", 100),),
        TrafficPolicy(Balance.LEAST_REQUEST, 0, Timeouts(0.25, 2.0, 60.0), 24 * 3600.0),
        HealthCheck(HttpProbe("/healthz"), 2.0, 2.0, 1, 100),
        Outliers(1, 100, 0.001),
    )
    route = Route(("a.example.com", "*.example.com", "*"), ("/a", "/"), (WeightedService("shop", 2),))
    parsed = settings_of(text)
    assert parsed.gossip == GossipSettings(
        Address("0.0.0.0", 1),
        Address("10.0.0.1", 2),
        (Address("a.b", 3),),
        Path("/gossip.key"),
        (bytes.fromhex(KEY),),
        Address("0.0.0.0", 2),
    )
    assert parsed.admin is not None
    assert parsed.admin.bind == Address("::1", 4)
    assert parsed.node == NodeSettings("lb-1", "z", Path("/s"), 60.0)
    assert parsed.listeners == (ListenerSettings(Address("::", 80)),)
    assert parsed.limits == ForwarderLimits(0.001, 1.5, 7, 86400.0, body_rate_min=0)
    assert parsed.provenance == ProvenancePolicy(
        ("10.0.0.0/8", "2001:db8::/32", "127.0.0.1/32"),
        ForwardedField.FORWARDED,
        (ForwardedField.FORWARDED, ForwardedField.X_REAL_IP),
    )
    assert parsed.log == LogSettings("/a.log", "debug")
    assert (parsed.workers, parsed.services, parsed.routes) == (3, (shop,), (route,))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("port = 8081, tls = true", HealthCheck(port=8081, tls=ProbeTls())),
        ("tls = false", HealthCheck()),
        (
            'tls = { server_name = "shop.internal", ca = "/ca.pem" }',
            HealthCheck(tls=ProbeTls("shop.internal", Path("/ca.pem"), "PEM")),
        ),
        ("tls = { verify = false }", HealthCheck(tls=ProbeTls(verify=False))),
        ('kind = "tcp"', HealthCheck(TcpProbe())),
        ('kind = "tcp", send = "PING\\r\\n", expect = "PONG"', HealthCheck(TcpProbe("PING\r\n", "PONG"))),
        ('kind = "grpc", port = 9090', HealthCheck(GrpcProbe(), port=9090)),
        (
            'kind = "grpc", grpc_service = "shop.v1.Shop", host = "shop.internal"',
            HealthCheck(GrpcProbe("shop.v1.Shop", "shop.internal")),
        ),
        (
            'kind = "http", path = "/up", method = "OPTIONS", host = "[::1]:80", headers = { A = "b c" }, body = "é"',
            HealthCheck(HttpProbe("/up", ProbeMethod.OPTIONS, "[::1]:80", (("A", "b c"),), body="é")),
        ),
        (
            "body_regex = '\\d+', headers_match = { X-A = true, X-B = \"1\" }",
            HealthCheck(HttpProbe(body_regex="\\d+", headers_match=(("X-A", None), ("X-B", "1")))),
        ),
    ],
)
def test_every_kind_of_health_check(written: str, read: HealthCheck) -> None:
    parsed = parse(changed('interval = "2s"', written), files={**FILES, "/ca.pem": "PEM"})
    assert isinstance(parsed, Settings), parsed
    assert parsed.services[0].health == read


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("204", "204"),
        ('"200"', "200"),
        ('"200-299,304"', "200-299,304"),
        ('[304, "200-299"]', "200-299,304"),
        ('["200-250", "240-299", 300]', "200-300"),
        ('" 204 , 200 "', "200,204"),
        ('"204,204"', "204"),
        ('"200-299,250"', "200-299"),
    ],
)
def test_statuses_are_ascending_ranges_apart_from_one_another(written: str, shown: str) -> None:
    health = settings_of(changed('interval = "2s"', f"status = {written}")).services[0].health
    assert health is not None
    assert isinstance(health.probe, HttpProbe)
    assert ",".join(map(str, health.probe.status)) == shown


def test_defaults() -> None:
    parsed = settings_of(
        """
        node.zone = "z"
        listener = [{ bind = "0.0.0.0:80" }]
        service = [{ name = "app", hosts = ["*"], replicas = [{ address = "10.0.0.1:80", zone = "z" }] }]
        """,
        cpu_count=4,
    )
    assert parsed == Settings(
        node=NodeSettings("lb-a1", "z", Path("/var/lib/lbmesh"), 30.0),
        listeners=(ListenerSettings(Address("0.0.0.0", 80)),),
        services=(Service("app", (Replica(Address("10.0.0.1", 80), "z"),)),),
        routes=(Route(("*",), ("/",), (WeightedService("app"),)),),
        workers=4,
    )


def test_defaults_that_follow_from_other_keys() -> None:
    parsed = settings_of(changed('interval = "2s"', 'interval = "500ms"'))
    assert parsed.gossip is not None
    assert parsed.gossip.advertise == parsed.gossip.bind
    assert parsed.admin is not None
    assert (parsed.admin.bind, parsed.admin.token) == (Address("127.0.0.1", 9900), "secret")
    assert parsed.services[0].health == HealthCheck(interval_s=0.5, timeout_s=0.5)


def test_the_shortest_check_there_is() -> None:
    parsed = settings_of(changed('interval = "2s"', 'interval = "100ms", timeout = "10ms"'))
    assert parsed.services[0].health == HealthCheck(interval_s=0.1, timeout_s=0.01)


def test_long_routes_stand_before_the_shorthand() -> None:
    text = BASE + '[[route]]\npaths = ["/a"]\nservices = [{ name = "shop" }]\n'
    assert [route.paths for route in settings_of(text).routes] == [("/a",), ("/",)]


def test_hosts_and_paths_default_to_any_only_where_the_other_is_written() -> None:
    (route,) = settings_of(changed('hosts = ["shop.example.com"]', 'paths = ["/shop"]')).routes
    assert (route.hosts, route.paths) == (("*",), ("/shop",))


def test_a_service_that_a_route_names_needs_no_hosts() -> None:
    text = changed('hosts = ["shop.example.com"]\n', "") + '[[route]]\nservices = [{ name = "shop" }]\n'
    assert [route.hosts for route in settings_of(text).routes] == [("*",)]


def test_without_ejections_and_without_slow_start() -> None:
    text = 'outliers = false\nslow_start = "0s"'
    service = settings_of(changed('health = { interval = "2s" }', text)).services[0]
    assert (service.outliers, service.traffic.slow_start_s) == (None, 0.0)


@pytest.mark.parametrize(
    ("text", "hedging", "concurrency"),
    [
        ("hedge = true", Hedging(), None),
        ("hedge = false", None, None),
        ('hedge = { after = "p95", percent = 7 }', Hedging(percent=7), None),
        ('hedge = { after = "50ms" }', Hedging(after_s=0.05), None),
        ('concurrency = "adaptive"', None, AdaptiveConcurrency()),
        ('concurrency = "fixed"', None, None),
        ("concurrency = { least = 3 }", None, AdaptiveConcurrency(least=3)),
    ],
)
def test_hedging_and_concurrency(text: str, hedging: Hedging | None, concurrency: AdaptiveConcurrency | None) -> None:
    traffic = settings_of(changed('health = { interval = "2s" }', text)).services[0].traffic
    assert (traffic.hedging, traffic.concurrency) == (hedging, concurrency)


def test_limits_that_are_left_out_have_their_defaults() -> None:
    text = 'limits = { active = 7, pending = 0, pending_timeout = "5s" }'
    limits = settings_of(changed('health = { interval = "2s" }', text)).services[0].traffic.limits
    assert limits == ServiceLimits(active=7, pending=0, pending_timeout_s=5.0)


def test_health_false_asks_for_no_probes() -> None:
    assert settings_of(changed('health = { interval = "2s" }', "health = false")).services[0].health is None


def test_several_listeners_may_ask_for_a_port_of_their_own() -> None:
    text = changed('bind = "0.0.0.0:80"', 'bind = "127.0.0.1:0"\n[[listener]]\nbind = "127.0.0.1:0"')
    assert settings_of(text).listeners == (ListenerSettings(Address("127.0.0.1", 0)),) * 2


def test_one_address_in_two_services_is_two_replicas() -> None:
    text = BASE + '[[service]]\nname="b"\npaths=["/b"]\nreplicas=[{ address="10.0.1.20:8080", zone="z" }]'
    assert len(settings_of(text).services) == 2


def test_the_base_of_the_rules_is_sound() -> None:
    assert settings_of(BASE).node.name == "lb-a1"


def test_all_errors_at_once_in_the_order_of_their_lines() -> None:
    text = changed('zone = "zone-a"\n[g', "[g").replace('"0.0.0.0:80"', "80").replace('"1s"', '"1"')
    assert [error.split(":")[0] for error in errors_of(text)] == ["1", "6", "10"]


def test_an_empty_file_lacks_a_node_a_listener_and_a_service() -> None:
    assert errors_of("") == [
        '1: listener: missing; write [[listener]] and below it bind = "0.0.0.0:80"',
        '1: node: missing; write [node] and below it zone = "zone-a"',
        "1: service: missing; write [[service]] with name, hosts and replicas",
    ]


def test_empty_arrays_are_no_way_around_a_listener_and_a_service() -> None:
    assert [error.split(";")[0] for error in errors_of('listener = []\nservice = []\nnode.zone = "z"')] == [
        "1: listener: missing",
        "2: service: missing",
    ]


def test_a_host_name_that_is_no_node_name_must_be_replaced() -> None:
    assert errors_of(BASE, host_name="") == [
        '1: node.name: missing, and the host\'s name is not fit for it; write name = "lb-a1"'
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "the key file holds no key"),
        ("\n\n", "the key file holds no key"),
        (f"{KEY}\n\n{KEY[:-1]}\n", "line 3 of the key file is not 64 hex digits"),
        (f"{KEY}0", "line 1 of the key file is not 64 hex digits"),
        ("g" * 64, "line 1 of the key file is not 64 hex digits"),
    ],
)
def test_keys_that_are_not_64_hex_digits_are_told_and_never_shown(content: str, error: str) -> None:
    (shown,) = errors_of(BASE, files={**FILES, "/gossip.key": content})
    assert shown == f"5: gossip.key_file: /gossip.key: {error}; make one with `openssl rand -hex 32`"


def test_a_key_ring_keeps_its_order() -> None:
    parsed = parse(BASE, files={**FILES, "/gossip.key": f"\n{KEY}\n {'F' * 64} \r\n"})
    assert isinstance(parsed, Settings)
    assert parsed.gossip is not None
    assert parsed.gossip.keys == (bytes.fromhex(KEY), b"\xff" * 32)


@pytest.mark.parametrize("content", ["", " \n", "two words", "é"])
def test_a_token_is_one_word_and_never_shown(content: str) -> None:
    (shown,) = errors_of(BASE, files={**FILES, "/admin.token": content})
    assert shown == (
        "18: admin.token_file: /admin.token: the token file must hold one word of letters, digits and "
        "-._~+/; make one with `openssl rand -hex 32`"
    )


def test_what_the_system_says_about_a_secret_is_passed_on() -> None:
    def read_file(path: Path) -> str:
        raise PermissionError(1, f"its mode 0644 lets others read it; run chmod 0600 {path}")

    parsed = parse_settings(
        BASE,
        file="x.toml",
        host_name="lb",
        cpu_count=1,
        read_file=read_file,
        read_certificates=str,
        read_page=str,
        read_key_pair=a_key_pair,
    )
    assert not isinstance(parsed, Settings)
    assert [str(error) for error in parsed] == [
        f"x.toml:{line}: {key}: cannot read {path}: its mode 0644 lets others read it; run chmod 0600 {path}"
        for line, key, path in [
            (5, "gossip.key_file", "/gossip.key"),
            (18, "admin.token_file", "/admin.token"),
        ]
    ]


def test_settings_do_not_print_their_secrets() -> None:
    shown = repr(settings_of(BASE))
    assert "secret" not in shown
    assert repr(bytes.fromhex(KEY)) not in shown


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a = 1\nb = \n", "2: not valid TOML: Invalid value; correct this line"),
        (
            "a = 1\n\n[b\n",
            "3: not valid TOML: Expected ']' at the end of a table declaration; correct this line",
        ),
        ("a = 1\nb = [1\n\n", "2: not valid TOML: Unclosed array; correct this line"),
        ("a = 1\na = 2\n", "2: not valid TOML: this name is already written further up; remove one of the two"),
        ("[a.b]\n[a.b]\n", "2: not valid TOML: [a.b] is already written further up; put these keys there"),
        ("[node]\n[node]\n", "2: not valid TOML: [node] is already written further up; put these keys there"),
        ("a.b = 1\n[a]\n", "2: not valid TOML: [a] is already written further up; put these keys there"),
        ("[a.b]\n[a]\nb.c = 1\n", "3: not valid TOML: [a.b] is already written further up; put these keys there"),
        ("a = {}\na.b = 1\n", '2: not valid TOML: "a" is already written whole further up; put this there'),
    ],
)
def test_errors_of_syntax_have_their_line(text: str, error: str) -> None:
    assert errors_of(text) == [error]


def test_what_tomllib_chokes_on_is_an_error_too() -> None:
    assert errors_of("a = " + "[" * 10_000) == [" arrays or tables are nested too deeply; write them flat"]
    assert errors_of("a = " + "9" * 10_000)[0].startswith(" not valid TOML: ")
    assert errors_of("#" * (CONFIG_CHARS_MAX + 1)) == [f" larger than {CONFIG_CHARS_MAX} characters; write less"]


@pytest.mark.parametrize(("cpu_count", "workers"), [(0, 1), (1, 1), (1000, 256)])
def test_workers_are_one_per_core_within_bounds(cpu_count: int, workers: int) -> None:
    assert settings_of(BASE, cpu_count=cpu_count).workers == workers


def test_an_error_keeps_its_parts() -> None:
    parsed = parse(changed('connect = "1s"', 'connect = "1 second"'))
    message = 'write a duration such as "250ms", "2s", "1m"'
    assert parsed == (ConfigError("x.toml", 11, "service[shop].timeouts.connect", '"1 second"', message),)
