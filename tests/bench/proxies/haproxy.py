"""HAProxy (Debian's package)."""

import shutil
from collections.abc import Iterator

from tests.bench.proxies.base import (
    CLIENTS_MAX,
    TLS12_CIPHER,
    TLS13_CIPHER,
    UPSTREAM_IDLE_MAX,
    Launch,
    Site,
    at,
    said_by,
)

_CONFIG = """\
global
    nbthread 1
    maxconn {clients}
    no strict-limits
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-default-bind-ciphers {tls12}
    ssl-default-bind-ciphersuites {tls13}
    {log}
defaults
    mode http
    {httplog}
    option forwardfor
    timeout connect 1s
    timeout client 75s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 75s
frontend clients
    bind {listen} backlog 4096{tls}
    {routes}
{backends}"""

_BACKEND = """\
backend {name}
    balance random(2)
    option httpchk GET /
    default-server check inter {interval}s fall 3 rise 2 pool-max-conn {idle} pool-purge-delay 60s
    {servers}
"""


def _routes(site: Site) -> str:
    """A host's first label is the name of its backend."""
    by_host = "use_backend %[req.hdr(host),field(1,.)]\n    " if site.scale else ""
    return by_host + f"default_backend {'s0' if site.scale else 'shop'}"


def _backends(site: Site) -> Iterator[str]:
    servers = "\n    ".join(f"server origin{i} {at(port)}" for i, port in enumerate(site.origins))
    names = [f"s{number}" for number in range(site.scale.routes)] if site.scale else ["shop"]
    interval = site.scale.check_interval_s if site.scale else 2
    for name in names:
        yield _BACKEND.format(name=name, interval=interval, idle=UPSTREAM_IDLE_MAX, servers=servers)


class HAProxy:
    """Logs to standard output: it knows no files, and the CPU of a syslog daemon would go uncounted."""

    name = "haproxy"
    title = "HAProxy"
    serving = "haproxy"

    def missing(self) -> str | None:
        return None if shutil.which("haproxy", path=_PATH) else "apt-get install haproxy"

    def version(self) -> str:
        return said_by(_program(), "-v").split()[2]

    def launch(self, site: Site) -> Launch:
        config = site.directory / "haproxy.cfg"
        config.write_text(
            _CONFIG.format(
                clients=CLIENTS_MAX,
                log="log stdout format raw local0" if site.access_log else "",
                httplog="log global\n    option httplog" if site.access_log else "",
                listen=at(site.port),
                tls=f" ssl crt {site.tls.both}" if site.tls else "",
                tls12=TLS12_CIPHER,
                tls13=TLS13_CIPHER,
                routes=_routes(site),
                backends="".join(_backends(site)),
            )
        )
        return Launch((_program(), "-db", "-f", str(config)), log_from_output=True)


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


def _program() -> str:
    return shutil.which("haproxy", path=_PATH) or "haproxy"
