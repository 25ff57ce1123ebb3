"""lbmesh itself, from the environment that runs the benchmark."""

import json
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from tests.bench.proxies.base import CLIENTS_MAX, HOST_PATTERN, Launch, Site, at

_CONFIG = """\
[node]
name = "bench"
zone = "zone-a"
state_dir = "{state}"

[forwarder]
workers = {workers}
connections_max = {clients}

[[listener]]
bind = "{listen}"
{tls}
{services}
[admin]
bind = "{admin}"

[log]
access = "{access}"
"""

_SERVICE = """\
[[service]]
name = "{name}"
hosts = {hosts}
paths = ["/"]
timeouts = {{ connect = "1s", response = "15s", idle = "60s" }}
health = {{ path = "/", interval = "{interval}s", timeout = "1s", fall = 3, rise = 2 }}
replicas = [
{replicas}
]

"""

_COMPILED = Path(__file__).parents[3] / "build" / "compiled"


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
        (site.directory / "state").mkdir(exist_ok=True)
        return Launch((str(_program()), "run", "-c", str(write_configuration(site))))


class CompiledLbmesh(Lbmesh):
    """The same, from the tree whose data path `make compiled` has compiled."""

    name = "lbmesh-compiled"
    title = "lbmesh, compiled"

    def missing(self) -> str | None:
        return None if (_COMPILED / ".ready").exists() else "make compiled"

    def launch(self, site: Site) -> Launch:
        _, *arguments = super().launch(site).argv
        return Launch((sys.executable, "-m", "lbmesh", *arguments), environment={"PYTHONPATH": str(_COMPILED)})


def write_configuration(site: Site) -> Path:
    """The file, which a running node can be told to read again."""
    config = site.directory / "lbmesh.toml"
    config.write_text(
        _CONFIG.format(
            state=site.directory / "state",
            workers=site.scale.workers if site.scale else 1,
            clients=CLIENTS_MAX,
            listen=at(site.port),
            tls=f'tls = {{ cert = "{site.tls.certificate}", key = "{site.tls.key}" }}\n' if site.tls else "",
            services="".join(_services(site)),
            admin=at(site.admin_port),
            access=site.access_log or "off",
        )
    )
    return config


def _services(site: Site) -> Iterator[str]:
    replicas = "\n".join(f'  {{ address = "{at(port)}", zone = "zone-a" }},' for port in site.origins)
    if site.scale is None:
        yield _SERVICE.format(name="shop", hosts=json.dumps(["*"]), interval=2, replicas=replicas)
        return
    for number in range(site.scale.routes):
        others = ["bench", *filter(None, [site.scale.probed_host])] if number == 0 else []
        hosts = json.dumps([HOST_PATTERN % number, *others])
        yield _SERVICE.format(name=f"s{number}", hosts=hosts, interval=site.scale.check_interval_s, replicas=replicas)


def _program() -> Path:
    return Path(sys.executable).with_name("lbmesh")
