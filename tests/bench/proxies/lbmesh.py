"""lbmesh itself, from the environment that runs the benchmark."""

import sys
from importlib.metadata import version
from pathlib import Path

from tests.bench.proxies.base import CLIENTS_MAX, Launch, Site, at

_CONFIG = """\
[node]
name = "bench"
zone = "zone-a"
state_dir = "{state}"

[forwarder]
workers = 1
connections_max = {clients}

[[listener]]
bind = "{listen}"
{tls}
[[service]]
name = "shop"
hosts = ["*"]
paths = ["/"]
timeouts = {{ connect = "1s", response = "15s", idle = "60s" }}
health = {{ path = "/", interval = "2s", timeout = "1s", fall = 3, rise = 2 }}
replicas = [
{replicas}
]

[admin]
bind = "{admin}"

[log]
access = "{access}"
"""


class Lbmesh:
    """Defaults on: access log, metrics, passive and active health."""

    name = "lbmesh"
    title = "lbmesh"
    serving = "internal-forwarder"

    def missing(self) -> str | None:
        return None if _program().exists() else "make setup"

    def version(self) -> str:
        return f"{version('lbmesh')} on Python {sys.version.split()[0]}"

    def launch(self, site: Site) -> Launch:
        state = site.directory / "state"
        state.mkdir(exist_ok=True)
        config = site.directory / "lbmesh.toml"
        config.write_text(
            _CONFIG.format(
                state=state,
                clients=CLIENTS_MAX,
                listen=at(site.port),
                tls=f'tls = {{ cert = "{site.tls.certificate}", key = "{site.tls.key}" }}\n' if site.tls else "",
                replicas="\n".join(f'  {{ address = "{at(port)}", zone = "zone-a" }},' for port in site.origins),
                admin=at(site.admin_port),
                access=site.access_log or "off",
            )
        )
        return Launch((str(_program()), "run", "-c", str(config)))


def _program() -> Path:
    return Path(sys.executable).with_name("lbmesh")
