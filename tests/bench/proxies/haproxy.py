"""HAProxy (Debian's package)."""

import shutil

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
    default_backend shop
backend shop
    balance random(2)
    option httpchk GET /
    default-server check inter 2s fall 3 rise 2 pool-max-conn {idle}
    {servers}
"""


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
        servers = (f"server origin{i} {at(port)}" for i, port in enumerate(site.origins))
        config.write_text(
            _CONFIG.format(
                clients=CLIENTS_MAX,
                log="log stdout format raw local0" if site.access_log else "",
                httplog="log global\n    option httplog" if site.access_log else "",
                listen=at(site.port),
                tls=f" ssl crt {site.tls.both}" if site.tls else "",
                tls12=TLS12_CIPHER,
                tls13=TLS13_CIPHER,
                idle=UPSTREAM_IDLE_MAX,
                servers="\n    ".join(servers),
            )
        )
        return Launch((_program(), "-db", "-f", str(config)), log_from_output=True)


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


def _program() -> str:
    return shutil.which("haproxy", path=_PATH) or "haproxy"
