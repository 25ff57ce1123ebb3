"""Caddy (Debian's package)."""

import shutil

from tests.bench.proxies.base import UPSTREAM_IDLE_MAX, Launch, Site, at, said_by

_CONFIG = """\
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
    servers {{
        timeouts {{
            read_header 10s
            idle 75s
        }}
    }}
}}
http://:{port} {{
    bind 127.0.0.1
    {log}
    reverse_proxy {origins} {{
        lb_policy random_choose 2
        health_uri /
        health_interval 2s
        health_timeout 1s
        transport http {{
            dial_timeout 1s
            response_header_timeout 15s
            keepalive 60s
            keepalive_idle_conns_per_host {idle}
        }}
    }}
}}
"""


class Caddy:
    """One scheduler thread at a time, since Go counts the cores that its affinity leaves it."""

    name = "caddy"
    title = "Caddy"
    serving = "caddy"

    def missing(self) -> str | None:
        return None if shutil.which("caddy") else "apt-get install caddy"

    def version(self) -> str:
        return said_by("caddy", "version").split()[0].removeprefix("v")

    def launch(self, site: Site) -> Launch:
        config = site.directory / "Caddyfile"
        log = f"log {{\n        output file {site.access_log} {{\n            roll_disabled\n        }}\n    }}"
        config.write_text(
            _CONFIG.format(
                port=site.port,
                log=log if site.access_log else "",
                origins=" ".join(map(at, site.origins)),
                idle=UPSTREAM_IDLE_MAX,
            )
        )
        home = {
            "HOME": str(site.directory),
            "XDG_DATA_HOME": str(site.directory),
            "XDG_CONFIG_HOME": str(site.directory),
        }
        return Launch(("caddy", "run", "--config", str(config), "--adapter", "caddyfile"), environment=home)
