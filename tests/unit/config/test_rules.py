"""Each rule of the file: what breaks it, in which line it is told, and in which words."""

import pytest

from tests.support.config_text import changed, errors_of

NAME = 'write a name such as "zone-a": letters, digits, "-", "_" and ".", at most 63'
DURATION = 'write a duration such as "250ms", "2s", "1m"'
RANGE = 'write a duration from "1ms" to "24h"'
INTERVAL = 'write a duration from "100ms" to "24h"'
TIMEOUT = 'write a duration from "10ms" to "24h"'
WEIGHT = "write a whole number from 1 to 100"
PATH = 'write a path that starts with "/", without query or blanks, such as "/healthz"'
HOST = 'write a host such as "shop.example.com", "*.shop.example.com" or "*"'
AUTHORITY = 'write a host such as "shop.internal", "shop.internal:8080" or "[2001:db8::1]:8080"'
STATUS = 'write statuses from 200 to 599 such as "200-299,304" or [200, 204]'
FIELD_VALUE = "write a text of 1 to 1024 printable ASCII characters, no blank at either end"
NOT_YET = "this version does not have it; remove it"
PAIR = '{ cert = "/a.pem", key = "/a.key" }'
CIPHERS = 'write names such as "ECDHE+AESGCM:ECDHE+CHACHA20", which `openssl ciphers` takes'
ROUTE = '[[route]]\nservices = [{ name = "shop" }]\n'

# One row for each rule: a place in the base file, what to put there, and the one error that must come of it.
# fmt: off
RULES = [
    # Names and required keys.
    ('zone = "zone-a"\n[g', "[g", '1: node.zone: missing; write zone = "zone-a"'),
    ("[node]", '[node]\nname = "a b"', f'2: node.name: found "a b"; {NAME}'),
    ('zone = "zone-a"\n[g', f'zone = "{"z" * 64}"\n[g', f'2: node.zone: found "{"z" * 64}"; {NAME}'),
    ('zone = "zone-a"\n[g', "zone = 1\n[g", f"2: node.zone: found 1; {NAME}"),
    ('name = "shop"', 'name = ""', f'9: service #1: name: found ""; {NAME}'),
    ('name = "shop"\n', "", '8: service #1: name: missing; write name = "shop"'),
    # Whose word is taken.
    ("[admin]", '[forwarder]\ntrusted_proxies = ["10.0.0.0/8", "10.0.0.1/8"]\n[admin]',
     ('18: forwarder.trusted_proxies[#2]: found "10.0.0.1/8"; the address has bits beyond /8: '
      'write "10.0.0.0/8", or "10.0.0.1" for it alone')),
    ("[admin]", "[forwarder]\ntrusted_proxies = [1]\n[admin]",
     ('18: forwarder.trusted_proxies[#1]: found 1; write a network such as "10.0.0.0/8" or "2001:db8::/32", '
      "or one address")),
    ("[admin]", '[forwarder]\ntrusted_proxies = ["lb.example.com"]\n[admin]',
     ('18: forwarder.trusted_proxies[#1]: found "lb.example.com"; write a network such as "10.0.0.0/8" or '
      '"2001:db8::/32", or one address')),
    ("[admin]", '[forwarder]\ntrusted_proxies = ["0.0.0.0/0"]\n[admin]',
     ('18: forwarder.trusted_proxies[#1]: found "0.0.0.0/0"; this trusts everybody, so that a client could say it is '
      "anybody: write the proxies' networks")),
    ("[admin]", '[forwarder]\ntrusted_field = "x-real-ip"\n[admin]',
     '18: forwarder.trusted_field: found "x-real-ip"; write "x-forwarded" or "forwarded"'),
    ("[admin]", '[forwarder]\nforwarded = ["via"]\n[admin]',
     ('18: forwarder.forwarded[#1]: found "via"; write one of "x-forwarded", "forwarded", "x-real-ip"')),
    ('bind = "0.0.0.0:80"', 'bind = "0.0.0.0:80"\nproxy_protocol = true',
     ('8: listener #1: proxy_protocol: found true; nobody is trusted; write forwarder.trusted_proxies, or '
      'proxy_protocol = ["10.0.0.0/8"] here')),
    ('bind = "0.0.0.0:80"', 'bind = "0.0.0.0:80"\nproxy_protocol = "v2"',
     '8: listener #1: proxy_protocol: found "v2"; write an array such as ["10.0.0.0/8"], or true'),
    ('bind = "0.0.0.0:80"', 'bind = "0.0.0.0:80"\nproxy_protocol = ["10.0.0.1/8"]',
     ('8: listener #1: proxy_protocol[#1]: found "10.0.0.1/8"; the address has bits beyond /8: write "10.0.0.0/8", '
      'or "10.0.0.1" for it alone')),
    ('health = { interval = "2s" }', "proxy_protocol = true",
     ('12: service "shop": proxy_protocol: found true; write "v2", or "v1" for replicas that know no other; '
      "false for none")),
    ('health = { interval = "2s" }', 'health = { proxy_protocol = "v3" }',
     ('12: service "shop": health.proxy_protocol: found "v3"; write "v2", or "v1" for replicas that know no other; '
      "false for none")),
    # Shapes.
    ('[node]\nzone = "zone-a"', "node = true", "1: node: found true; write a table: [node]"),
    ("[[service]]", "[service]", "8: service: found a table; write an array of tables: [[service]]"),
    ('timeouts = { connect = "1s" }', "timeouts = 3",
     '11: service "shop": timeouts: found 3; write a table: timeouts = { … }'),
    ('health = { interval = "2s" }', "health = true",
     '12: service "shop": health: found true; write a table: health = { … }, or false'),
    ('  { address = "10.0.1.20:8080", zone = "zone-a" },', "  7,",
     '14: service "shop": replicas[#1]: found 7; write a table: { … }'),
    ('hosts = ["shop.example.com"]', 'hosts = "shop"',
     '10: service "shop": hosts: found "shop"; write an array such as ["shop.example.com"]'),
    ('hosts = ["shop.example.com"]', "hosts = []",
     '10: service "shop": hosts: found an empty array; write an array such as ["shop.example.com"]'),
    ('hosts = ["shop.example.com"]', f"hosts = {['a'] * 257}",
     '10: service "shop": hosts: more than 256 elements; write fewer, or several tables'),
    # Unknown keys, and keys of the contract that come later.
    ("[node]", '[node]\nstatedir = "/s"', "2: node.statedir: unknown key; write state_dir"),
    ("[node]", "[nodes]\n[node]", "1: nodes: unknown key; write node"),
    ("[admin]", "[qqqq]\n[admin]",
     ("17: qqqq: unknown key; remove it, or write one of admin, dns, failover, forwarder, front, gossip, listener, "
      "log, node, route, service")),
    ("[[listener]]", '[[listener]]\n"a\\nb" = 1',
     '7: listener #1: "a\\nb": unknown key; remove it, or write one of bind, proxy_protocol, tls'),
    ('health = { interval = "2s" }', "outliers = true",
     '12: service "shop": outliers: found true; write a table: outliers = { … }, or false'),
    ('health = { interval = "2s" }', "outliers = { failure_percent = 100 }",
     '12: service "shop": outliers.failure_percent: found 100; write a whole number from 1 to 99'),
    ('health = { interval = "2s" }', "outliers = { ratio = 0 }",
     '12: service "shop": outliers.ratio: found 0; write a whole number from 1 to 100'),
    ('health = { interval = "2s" }', "outliers = { ejecton = '1s' }",
     '12: service "shop": outliers.ejecton: unknown key; write ejection'),
    ('health = { interval = "2s" }', 'slow_start = "0"',
     '12: service "shop": slow_start: found "0"; write a duration such as "250ms", "2s", "1m"; "0s" for none'),
    ('health = { interval = "2s" }', "limits = { active = 0 }",
     '12: service "shop": limits.active: found 0; write a whole number from 1 to 1000000'),
    ('health = { interval = "2s" }', "limits = { pending = -1 }",
     '12: service "shop": limits.pending: found -1; write a whole number from 0 to 1000000'),
    ('health = { interval = "2s" }', "limits = { maxconn = 9 }",
     ('12: service "shop": limits.maxconn: unknown key; remove it, or write one of active, connecting, pending, '
     "pending_timeout, replica_connections")),
    ('health = { interval = "2s" }', 'hedge = { after = "p99" }',
     ('12: service "shop": hedge.after: found "p99"; write a duration such as "250ms", "2s", "1m"; or "p95", '
     "what all but 5 % of the answers take at most")),
    ('health = { interval = "2s" }', "hedge = { percent = 60 }",
     '12: service "shop": hedge.percent: found 60; write a whole number from 1 to 50'),
    ('health = { interval = "2s" }', "hedge = 5",
     '12: service "shop": hedge: found 5; write a table: hedge = { … }, or true'),
    ('health = { interval = "2s" }', 'concurrency = "auto"',
     '12: service "shop": concurrency: found "auto"; write "adaptive" or "fixed"'),
    ('health = { interval = "2s" }', "health = { intervall = 2 }",
     '12: service "shop": health.intervall: unknown key; write interval'),
    ('timeouts = { connect = "1s" }', "timeouts = { read = 2 }",
     ('11: service "shop": timeouts.read: unknown key; remove it, or write one of '
      "connect, idle, request, response, tunnel")),
    ('zone = "zone-b" }', 'zone = "zone-b", wieght = 2 }',
     '15: service "shop": replicas[#2].wieght: unknown key; write weight'),
    ("[[service]]", "[[service]]\nretry = 2", '9: service "shop": retry: unknown key; write retries'),
    ("[gossip]", '[gossip]\nprofile = "lazy"',
     '4: gossip.profile: found "lazy"; write one of "fast", "frugal"'),
    ("[gossip]", "[gossip]\nseed = []", "4: gossip.seed: unknown key; write seeds"),
    ("[admin]", "[admin]\ntoken = 1", "18: admin.token: unknown key; write token_file"),
    ("[admin]", "[log]\nlevle = 1\n[admin]", "18: log.levle: unknown key; write level"),
    ("[admin]", "[forwarder]\nworker = 1\n[admin]", "18: forwarder.worker: unknown key; write workers"),
    ("[admin]", f"{ROUTE}path = 1\n[admin]", "19: route #1: path: unknown key; write paths"),
    ('bind = "10.0.1.10:7946"', 'bind = "10.0.1.10:7946"\nheartbeat_bind = "10.0.1.10:7946"',
     "5: gossip.heartbeat_bind: 10.0.1.10:7946 is the gossip's own address; write another port"),
    # TLS of listeners and services.
    ("[[listener]]", "[[listener]]\ntls = true", "7: listener #1: tls: found true; write a table: tls = { … }"),
    ("[[listener]]", '[[listener]]\ntls = { cert = "/site.pem" }',
     '7: listener #1: tls.key: missing; write key = "/etc/lbmesh/tls/site.key"'),
    ("[[listener]]", '[[listener]]\ntls = { cert = "/a.pem", key = "/bad.key" }',
     "7: listener #1: tls.key: /bad.key: damaged; write it again"),
    ("[[listener]]", "[[listener]]\ntls.certificates = []",
     ("7: listener #1: tls.certificates: a listener needs a certificate; write certificates = "
      '[{ cert = "/etc/lbmesh/tls/site.pem", key = "/etc/lbmesh/tls/site.key" }]')),
    ("[[listener]]", f'[[listener]]\ntls.certificates = [{PAIR}]\ntls.key = "/b.key"',
     "7: listener #1: tls.certificates: there is cert or key beside it; put that pair first in this list"),
    ("[[listener]]", f"[[listener]]\ntls.certificates = [\n{PAIR},\n{PAIR}]",
     "9: listener #1: tls.certificates[#2].cert: the one in line 8 is for a.example.com too; remove one"),
    ("[[listener]]", '[[listener]]\ntls.certificates = [{ cert = "/a.pem", key = "/a.key", name = "a" }]',
     "7: listener #1: tls.certificates[#1].name: unknown key; remove it, or write one of cert, key"),
    *[
        ("[[listener]]", f'[[listener]]\ntls = {{ cert = "/a.pem", key = "/a.key", {wrong} }}',
         f"7: listener #1: tls.{error}")
        for wrong, error in (
            ('min_version = "1.1"', 'min_version: found "1.1"; write one of "1.2", "1.3"'),
            ('unknown_name = "no"', 'unknown_name: found "no"; write one of "default", "refuse"'),
            ('client_auth = "maybe"', 'client_auth: found "maybe"; write one of "off", "optional", "require"'),
            ('client_auth = "require"',
             'client_ca: missing, and client_auth asks for it; write client_ca = "/etc/lbmesh/tls/clients.pem"'),
            ('client_ca = "/none.pem"',
             "client_ca: there is no file /none.pem; write the path of the authority's certificate, in PEM"),
            ('ciphers = "NONE"', f'ciphers: found "NONE"; this machine has no such cipher; {CIPHERS}'),
            ('ciphers = "AES128-SHA"',
             f'ciphers: found "AES128-SHA"; AES128-SHA is among them, and no AEAD (RFC 9325, 4.2); {CIPHERS}'),
            ('alpn = ["h2"]', ("alpn: unknown key; remove it, or write one of cert, certificates, ciphers, "
                               "client_auth, client_ca, key, min_version, unknown_name")),
        )
    ],
    ('health = { interval = "2s" }', "tls = 1",
     '12: service "shop": tls: found 1; write a table: tls = { … }, or true'),
    ('health = { interval = "2s" }', 'tls = { verify = false, ca = "/gossip.key" }',
     '12: service "shop": tls.ca: verify = false looks at no certificate; remove this, or write verify = true'),
    ('health = { interval = "2s" }', 'tls = { cert = "/a.pem" }',
     '12: service "shop": tls.key: missing; write key = "/etc/lbmesh/tls/site.key"'),
    ('health = { interval = "2s" }', 'tls = { server_name = "a b" }',
     ('12: service "shop": tls.server_name: found "a b"; write the name in the certificate, such as "shop.internal", '
      "or an IP address")),
    ("[[service]]", '[[service]]\nbalance = "ring_hash"',
     '9: service "shop": balance: ring_hash needs to know what to look at; write hash = { header = "X-User" }'),
    ("[[service]]", '[[service]]\nbalance = "maglev"',
     '9: service "shop": balance: found "maglev"; write "ring_hash": it is Maglev'),
    ("[[service]]", "[[service]]\nbalance = []",
     ('9: service "shop": balance: found an empty array; write one of "p2c", "least_request", '
      '"round_robin", "ring_hash"')),
    ("[[service]]", "[[service]]\nhash = { source = true }",
     '9: service "shop": hash: only ring_hash looks at it; write balance = "ring_hash", or remove it'),
    ("[[service]]", '[[service]]\nbalance = "ring_hash"\nhash = { balance_factor = 150 }',
     '10: service "shop": hash: write what of a request to look at: header, cookie, path or source'),
    ("[[service]]", '[[service]]\nbalance = "ring_hash"\nhash = { path = true, balance_factor = 100 }',
     '10: service "shop": hash.balance_factor: found 100; write a whole number from 101 to 1000'),
    ("[[service]]", '[[service]]\nbalance = "ring_hash"\nhash = { header = "X User" }',
     '10: service "shop": hash.header: found "X User"; write a header\'s name such as "X-User"'),
    ("[[service]]", '[[service]]\nbalance = "ring_hash"\nhash = { cookie = "" }',
     ('10: service "shop": hash.cookie: found ""; write a cookie\'s name such as "lbmesh": letters, digits and '
      "!#$%&'*+-.^_`|~")),
    ("[[service]]", '[[service]]\nbalance = "ring_hash"\nhash = { source = false }',
     '10: service "shop": hash: write what of a request to look at: header, cookie, path or source'),
    ("[[service]]", "[[service]]\nhedge = true\nsticky = {}",
     ('9: service "shop": hedge: requests that belong to a replica (hash, sticky) are never hedged; remove one of the '
      "two")),
    ("[[service]]", "[[service]]\nlimits = { active = 100 }\nconcurrency = { least = 101 }",
     ('10: service "shop": concurrency: least may not be above limits.active, which is 100; write a smaller '
      "number")),
    ("[[service]]", '[[service]]\nsticky = { cookie = "__Secure-lb" }',
     ('9: service "shop": sticky.cookie: browsers refuse a cookie of this name unless it is secure; write secure = '
      "true as well")),
    ("[[service]]", '[[service]]\nsticky = { cookie = "__Host-lb", secure = true, path = "/a" }',
     ('9: service "shop": sticky.cookie: browsers refuse a cookie of this name with a domain or another path; remove '
      "them, or write another name")),
    ("[[service]]", "[[service]]\nsticky = true",
     '9: service "shop": sticky: found true; write a table: sticky = { … }'),
    ("[[service]]", '[[service]]\nsticky = { path = "a" }',
     '9: service "shop": sticky.path: found "a"; write a path such as "/", without blanks and ";"'),
    ("[[service]]", '[[service]]\nsticky = { domain = "a b" }',
     '9: service "shop": sticky.domain: found "a b"; write a domain such as "example.com"'),
    ("[[service]]", '[[service]]\nsticky = { ttl = "0s" }',
     '9: service "shop": sticky.ttl: found "0s"; write a duration from "1s" to "24h"'),
    ("[[service]]", '[[service]]\nsticky = { same_site = "some" }',
     '9: service "shop": sticky.same_site: found "some"; write "strict", "lax" or "none"'),
    ("[[service]]", '[[service]]\nsticky = { same_site = "none" }',
     ('9: service "shop": sticky.same_site: browsers refuse such a cookie unless it is secure; write secure = true '
      "as well")),
    ("[[service]]", '[[service]]\nsticky = { secret = "hush" }',
     ('9: service "shop": sticky.secret: write 16 to 64 characters without blanks, the same on every node; make them '
      "with `openssl rand -hex 16`")),
    # Durations and numbers.
    ('connect = "1s"', 'connect = "1 second"',
     f'11: service "shop": timeouts.connect: found "1 second"; {DURATION}'),
    ('connect = "1s"', "connect = 1", f'11: service "shop": timeouts.connect: found 1; {DURATION}'),
    ('connect = "1s"', 'connect = "-1s"', f'11: service "shop": timeouts.connect: found "-1s"; {DURATION}'),
    ('connect = "1s"', 'connect = "0s"', f'11: service "shop": timeouts.connect: found "0s"; {RANGE}'),
    ('connect = "1s"', 'response = "25h"', f'11: service "shop": timeouts.response: found "25h"; {RANGE}'),
    ('connect = "1s"', 'idle = "0.5ms"', f'11: service "shop": timeouts.idle: found "0.5ms"; {RANGE}'),
    ("[node]", '[node]\ndrain_timeout = "0s"', f'2: node.drain_timeout: found "0s"; {RANGE}'),
    ("[node]", '[node]\nlame_duck = "25h"', f'2: node.lame_duck: found "25h"; {RANGE}; "0s" for none'),
    ('interval = "2s"', 'interval = "0s", timeout = "5s"',
     f'12: service "shop": health.interval: found "0s"; {INTERVAL}'),
    ('interval = "2s"', 'interval = "99ms"', f'12: service "shop": health.interval: found "99ms"; {INTERVAL}'),
    ('interval = "2s"', 'timeout = "9ms"', f'12: service "shop": health.timeout: found "9ms"; {TIMEOUT}'),
    ('interval = "2s"', 'interval = "2s", timeout = "2100ms"',
     '12: service "shop": health.timeout: found "2100ms"; write no more than the interval, 2s'),
    ('interval = "2s"', "fall = 0", f'12: service "shop": health.fall: found 0; {WEIGHT}'),
    ('interval = "2s"', "rise = 101", f'12: service "shop": health.rise: found 101; {WEIGHT}'),
    ('interval = "2s"', 'path = "healthz"', f'12: service "shop": health.path: found "healthz"; {PATH}'),
    # Health checks of each kind.
    ('interval = "2s"', 'kind = "https", path = "/up", send = "x"',
     '12: service "shop": health.kind: found "https"; write one of "http", "tcp", "grpc"'),
    ('interval = "2s"', 'kind = "tcp", path = "/up"',
     '12: service "shop": health.path: only a check with kind = "http" has this; write that, or remove this'),
    ('interval = "2s"', 'kind = "tcp", host = "a"',
     ('12: service "shop": health.host: only a check with kind = "http" or kind = "grpc" has this; write that, '
      'or remove this')),
    ('interval = "2s"', 'kind = "grpc", send = "x"',
     '12: service "shop": health.send: only a check with kind = "tcp" has this; write that, or remove this'),
    ('interval = "2s"', 'grpc_service = "x"',
     '12: service "shop": health.grpc_service: only a check with kind = "grpc" has this; write that, or remove this'),
    ('interval = "2s"', 'kind = "grpc", grpc_service = "a b"',
     ('12: service "shop": health.grpc_service: found "a b"; write a service\'s name such as "shop.v1.Shop", '
      'or "" for the whole server')),
    ('interval = "2s"', "port = 0",
     '12: service "shop": health.port: found 0; write a whole number from 1 to 65535'),
    ('interval = "2s"', 'method = "POST"',
     '12: service "shop": health.method: found "POST"; write one of "GET", "HEAD", "OPTIONS"'),
    ('interval = "2s"', 'host = "a b"', f'12: service "shop": health.host: found "a b"; {AUTHORITY}'),
    ('interval = "2s"', 'host = "a:70000"', f'12: service "shop": health.host: found "a:70000"; {AUTHORITY}'),
    ('interval = "2s"', 'host = "::1"', f'12: service "shop": health.host: found "::1"; {AUTHORITY}'),
    ('interval = "2s"', 'host = "[10.0.0.1]"', f'12: service "shop": health.host: found "[10.0.0.1]"; {AUTHORITY}'),
    ('interval = "2s"', 'status = "199-204"', f'12: service "shop": health.status: found "199-204"; {STATUS}'),
    ('interval = "2s"', 'status = "2xx"', f'12: service "shop": health.status: found "2xx"; {STATUS}'),
    ('interval = "2s"', "status = []", f'12: service "shop": health.status: found an empty array; {STATUS}'),
    ('interval = "2s"', "status = [[200]]", f'12: service "shop": health.status: found an array; {STATUS}'),
    ('interval = "2s"', "status = true", f'12: service "shop": health.status: found true; {STATUS}'),
    ('interval = "2s"', 'status = "204, 299-200"',
     '12: service "shop": health.status: found "204, 299-200"; 299-200 runs backwards; write "200-299"'),
    ('interval = "2s"', 'body = ""',
     '12: service "shop": health.body: found ""; write a text of 1 to 1024 characters'),
    ('interval = "2s"', 'body_regex = "(a"',
     ('12: service "shop": health.body_regex: found "(a"; not a regular expression: missing ) at position 2; '
      'correct it')),
    ('interval = "2s"', 'body = "a", body_regex = "a"',
     ('12: service "shop": health.body_regex: there is a body already; write one of body and body_regex, and remove '
      'the other')),
    ('interval = "2s"', 'method = "HEAD", body = "a"',
     '12: service "shop": health.body: an answer to HEAD has no body; write method = "GET", or remove this'),
    ('interval = "2s"', 'headers = { Host = "a" }',
     '12: service "shop": health.headers.Host: write host = "shop.internal" beside headers instead'),
    ('interval = "2s"', 'headers = { "Content-Length" = "1" }',
     '12: service "shop": health.headers.Content-Length: a probe has no use for this field; remove it'),
    ('interval = "2s"', 'headers = { "X Y" = "1" }',
     ('12: service "shop": health.headers."X Y": write a field name such as "X-Check": letters, digits and "-", '
      'at most 64')),
    ('interval = "2s"', 'headers = { Authorization = "secret\\r\\nX: y" }',
     f'12: service "shop": health.headers.Authorization: {FIELD_VALUE}'),
    ('interval = "2s"', 'headers = { X-A = "1", x-a = "2" }',
     '12: service "shop": health.headers.x-a: this field is there already, as names have no case; remove one'),
    ('interval = "2s"', 'headers = ["a"]',
     '12: service "shop": health.headers: found an array; write a table: headers = { … }'),
    ('interval = "2s"', f'headers = {{ {", ".join(f"x{n} = 1" for n in range(17))} }}',
     '12: service "shop": health.headers: more than 16 fields; write fewer'),
    ('interval = "2s"', "headers_match = { X-A = false }",
     f'12: service "shop": health.headers_match.X-A: {FIELD_VALUE}; or true for any value'),
    ('interval = "2s"', 'tls = "yes"',
     '12: service "shop": health.tls: found "yes"; write a table: tls = { … }, or true'),
    ('interval = "2s"', "tls = { verify = 1 }",
     '12: service "shop": health.tls.verify: found 1; write true or false'),
    ('interval = "2s"', 'tls = { sever_name = "a" }',
     '12: service "shop": health.tls.sever_name: unknown key; write server_name'),
    ('interval = "2s"', 'tls = { server_name = "a:80" }',
     ('12: service "shop": health.tls.server_name: found "a:80"; write the name in the certificate, such as '
      '"shop.internal", or an IP address')),
    ('interval = "2s"', 'tls = { ca = "/ca.pem" }',
     ("12: service \"shop\": health.tls.ca: there is no file /ca.pem; write the path of the authority's certificate, "
      "in PEM")),
    ('interval = "2s"', 'tls = { ca = "/gossip.key", verify = false }',
     ('12: service "shop": health.tls.ca: verify = false looks at no certificate; remove this, or write '
      'verify = true')),
    ("[[service]]", "[[service]]\nretries = -1",
     '9: service "shop": retries: found -1; write a whole number from 0 to 10'),
    ('zone = "zone-b" }', 'zone = "zone-b", weight = 0 }',
     f'15: service "shop": replicas[#2].weight: found 0; {WEIGHT}'),
    ('zone = "zone-b" }', 'zone = "zone-b", weight = 101 }',
     f'15: service "shop": replicas[#2].weight: found 101; {WEIGHT}'),
    ('zone = "zone-b" }', 'zone = "zone-b", weight = true }',
     f'15: service "shop": replicas[#2].weight: found true; {WEIGHT}'),
    ("[admin]", "[forwarder]\nworkers = 0\n[admin]",
     "18: forwarder.workers: found 0; write a whole number from 1 to 256"),
    ("[admin]", "[forwarder]\nconnections_max = 1_000_001\n[admin]",
     f"18: forwarder.connections_max: found 1000001; {WEIGHT}0000"),
    ("[admin]", '[forwarder]\nhead_timeout = "0s"\n[admin]',
     f'18: forwarder.head_timeout: found "0s"; {RANGE}'),
    ("[admin]", '[forwarder]\nkeepalive_timeout = "0s"\n[admin]',
     f'18: forwarder.keepalive_timeout: found "0s"; {RANGE}'),
    ("[admin]", '[forwarder]\noverload = "0"\n[admin]',
     '18: forwarder.overload: found "0"; write a duration such as "250ms", "2s", "1m"; "0s" for none'),
    ("[admin]", '[forwarder]\noverload = "9ms"\n[admin]',
     f'18: forwarder.overload: found "9ms"; {TIMEOUT}; "0s" for none'),
    ("[admin]", "[forwarder]\nbody_rate_min = -1\n[admin]",
     "18: forwarder.body_rate_min: found -1; write a whole number from 0 to 1000000"),
    ("[admin]", '[forwarder]\nupstream_idle = "0s"\n[admin]',
     f'18: forwarder.upstream_idle: found "0s"; {RANGE}'),
    # Addresses.
    ('"0.0.0.0:80"', '"80"',
     '7: listener #1: bind: "80" has no port: write "host:port", for example "10.0.0.1:80" or "[::1]:80"'),
    ('"0.0.0.0:80"', "80", '7: listener #1: bind: found 80; write an address such as "0.0.0.0:80"'),
    ('"0.0.0.0:80"', '"a\\n:80"',
     '7: listener #1: bind: found "a\\n:80"; write an address such as "0.0.0.0:80"'),
    ('"0.0.0.0:80"', '"localhost:80"',
     ('7: listener #1: bind: found "localhost:80"; a name will not do here: write an IP address '
      'such as "0.0.0.0:80"')),
    ('"0.0.0.0:80"', '"::1:80"',
     '7: listener #1: bind: found "::1:80"; an IPv6 address needs brackets: write "[::1]:80"'),
    ('bind = "0.0.0.0:80"', 'bind = "0.0.0.0:80"\n[[listener]]\nbind = "0.0.0.0:80"',
     "9: listener #2: bind: 0.0.0.0:80 is already bound in line 7; remove one"),
    ('[[listener]]\nbind = "0.0.0.0:80"\n', "",
     '1: listener: missing; write [[listener]] and below it bind = "0.0.0.0:80"'),
    ('bind = "0.0.0.0:80"\n', "", '6: listener #1: bind: missing; write bind = "0.0.0.0:80"'),
    ("[admin]", '[admin]\nbind = "0.0.0.0:80"',
     "18: admin.bind: 0.0.0.0:80 is a listener's address; write another"),
    ('token_file = "/admin.token"', 'bind = "10.0.0.1:99"',
     ('17: admin.token_file: missing, and bind is not loopback; write token_file = '
      '"/etc/lbmesh/admin.token"')),
    ('token_file = "/admin.token"', "drills = true",
     ("18: admin.drills: found true; true lets whoever asks here kill processes, so that they must say who they are; "
      "write token_file, too")),
    ('bind = "10.0.1.10:7946"', 'bind = "0.0.0.0:7946"',
     ('3: gossip.advertise: missing, and bind is a wildcard; write the address that others reach, '
      'such as advertise = "10.0.1.10:7946"')),
    ("[gossip]", '[gossip]\nadvertise = "[::]:1"',
     ('4: gossip.advertise: found "[::]:1"; a wildcard leads nowhere: write the address others '
      'reach, such as "10.0.1.10:7946"')),
    ("[gossip]", '[gossip]\nadvertise = "10.0.0.1:0"',
     ('4: gossip.advertise: port 0 in "10.0.0.1:0" is out of range: write a '
      'port from 1 to 65535')),
    ("[gossip]", '[gossip]\nseeds = [\n"10.0.0.1:1",\n"b"]',
     '6: gossip.seeds[#2]: "b" has no port: write "host:port", for example "10.0.0.1:80" or "[::1]:80"'),
    ('bind = "10.0.1.10:7946"\n', "", '3: gossip.bind: missing; write bind = "0.0.0.0:7946"'),
    ('address = "10.0.2.20:8080"', 'address = "10.0.1.20:8080"',
     '15: service "shop": replicas[#2].address: 10.0.1.20:8080 is in line 14 already; remove one'),
    ('address = "10.0.2.20:8080"', 'address = "app:80"',
     ('15: service "shop": replicas[#2].address: found "app:80"; a name will not do here: write an '
      'IP address such as "10.0.1.10:7946"')),
    ('address = "10.0.2.20:8080", ', "",
     '15: service "shop": replicas[#2].address: missing; write address = "10.0.1.20:8080"'),
    (', zone = "zone-b"', "", '15: service "shop": replicas[#2].zone: missing; write zone = "zone-a"'),
    # Secrets' files.
    ('"/gossip.key"', '"/none"',
     ("5: gossip.key_file: there is no file /none; make it (openssl rand -hex 32 > /none; chmod 600 /none), "
      "or write another path")),
    ('key_file = "/gossip.key"\n', "",
     '3: gossip.key_file: missing; write key_file = "/etc/lbmesh/gossip.key"'),
    ('"/gossip.key"', '""', '5: gossip.key_file: found ""; write a path such as "/etc/lbmesh/gossip.key"'),
    ('"/gossip.key"', '"a\\u0000"',
     '5: gossip.key_file: found "a\\u0000"; write a path such as "/etc/lbmesh/gossip.key"'),
    # Services and routes.
    ('  { address = "10.0.1.20:8080", zone = "zone-a" },\n  { address = "10.0.2.20:8080", zone = "zone-b" },\n',
     "",
     ('13: service "shop": replicas: a service needs a replica; write replicas = [{ address = '
      '"10.0.1.20:8080", zone = "zone-a" }]')),
    ("[admin]",
     '[[service]]\nname = "shop"\npaths = ["/x"]\nreplicas = [{address="10.0.0.1:1",zone="z"}]\n[admin]',
     '18: service "shop": name: found "shop"; line 9 has a service of this name; write another'),
    ('hosts = ["shop.example.com"]\n', "",
     '8: service "shop": no route leads here; write hosts = ["*"], or name it in a [[route]]'),
    ('"shop.example.com"', '"a", "shop.example.com:80"',
     f'10: service "shop": hosts[#2]: found "shop.example.com:80"; {HOST}, without a port'),
    ('"shop.example.com"', '"a", "*shop.example.com"',
     ('10: service "shop": hosts[#2]: found "*shop.example.com"; a wildcard stands for whole '
      'leading labels: write "*.shop.example.com" or "*"')),
    ('"shop.example.com"', '"a", "b.*"',
     ('10: service "shop": hosts[#2]: found "b.*"; a wildcard stands for whole leading labels: '
      'write "*.shop.example.com" or "*"')),
    ('"shop.example.com"', '"a", "::1"',
     '10: service "shop": hosts[#2]: found "::1"; an IPv6 address needs brackets: write "[::1]"'),
    ('"shop.example.com"', '"a", "a b"', f'10: service "shop": hosts[#2]: found "a b"; {HOST}'),
    ('"shop.example.com"', '"a", 1', f'10: service "shop": hosts[#2]: found 1; {HOST}'),
    ('hosts = ["shop.example.com"]', 'paths = [\n"/", "a"\n]',
     f'11: service "shop": paths[#2]: found "a"; {PATH}'),
    ('hosts = ["shop.example.com"]', 'paths = ["/", "/a?b"]',
     f'10: service "shop": paths[#2]: found "/a?b"; {PATH}'),
    ('hosts = ["shop.example.com"]', 'paths = ["/", "/%4"]',
     f'10: service "shop": paths[#2]: found "/%4"; {PATH}'),
    ("[admin]", '[[route]]\nservices = [{ name = "shpo" }]\n[admin]',
     '18: route #1: services[#1].name: found "shpo"; no such service; write "shop"'),
    ("[admin]", '[[route]]\nservices = [{ name = "x" }]\n[admin]',
     '18: route #1: services[#1].name: no such service; write [[service]] with name = "x"'),
    ("[admin]", '[[route]]\nservices = [{ name = "shop", weight = 101 }]\n[admin]',
     f"18: route #1: services[#1].weight: found 101; {WEIGHT}"),
    ("[admin]", '[[route]]\nservices = [{ name = "shop", x = 1 }]\n[admin]',
     "18: route #1: services[#1].x: unknown key; remove it, or write one of name, weight"),
    ("[admin]", '[[route]]\nservices = [{ name = "shop" }, { name = "shop" }]\n[admin]',
     ('18: route #1: services[#2].name: found "shop"; this route names it already; add the weights '
      'up and remove one')),
    ("[admin]", "[[route]]\n[admin]",
     '17: route #1: services: a route needs a service; write services = [{ name = "shop" }]'),
    ("[admin]", "[[route]]\nservices = []\n[admin]",
     '18: route #1: services: a route needs a service; write services = [{ name = "shop" }]'),
    ("[admin]", f'{ROUTE}hosts = ["shop.example.com"]\npaths = ["/b", "/"]\n[admin]',
     ('10: service "shop": hosts: host "shop.example.com" with path "/" already belongs to route #1 '
      'in line 19; give each host and path one route')),
    ("[admin]", f"{ROUTE}{ROUTE}[admin]",
     ('19: route #2: host "*" with path "/" already belongs to route #1 in line 17; give each host '
      'and path one route')),
    ("[admin]", f'{ROUTE}paths = ["/a"]\n{ROUTE}paths = ["/a/"]\n[admin]',
     ('22: route #2: paths: host "*" with path "/a" already belongs to route #1 in line 19; give '
      'each host and path one route')),
    ('hosts = ["shop.example.com"]', 'paths = ["/", "/a//%41"]',
     '10: service "shop": paths[#2]: found "/a//%41"; requests are compared without such spellings: write "/a/A"'),
    # The log.
    ("[admin]", '[log]\nlevel = "trace"\n[admin]',
     '18: log.level: found "trace"; write one of "debug", "info", "warning", "error"'),
    ("[admin]", '[log]\naccess = "Stdout"\n[admin]',
     ('18: log.access: found "Stdout"; write "stdout", "off" or an absolute path such as '
      '"/var/log/lbmesh/access.log"')),
]
# fmt: on


@pytest.mark.parametrize(("old", "new", "error"), RULES, ids=[rule[2] for rule in RULES])
def test_a_broken_rule_is_the_one_error(old: str, new: str, error: str) -> None:
    assert errors_of(changed(old, new)) == [error]
