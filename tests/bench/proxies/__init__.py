"""The proxies under test, and the variants of them that a run compares."""

from dataclasses import dataclass

from tests.bench.proxies.base import Certificate, Launch, Proxy, Scale, Site
from tests.bench.proxies.caddy import Caddy
from tests.bench.proxies.envoy import Envoy
from tests.bench.proxies.haproxy import HAProxy
from tests.bench.proxies.lbmesh import CompiledLbmesh, Lbmesh
from tests.bench.proxies.nginx import Nginx

__all__ = ["VARIANTS", "Certificate", "Launch", "Proxy", "Scale", "Site", "Variant"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A proxy with its access log, or without (the harshest to be compared with)."""

    proxy: Proxy
    logged: bool = True

    @property
    def name(self) -> str:
        """Its key in `--only`, in ratios and in JSON."""
        return self.proxy.name if self.logged else f"{self.proxy.name}-nolog"

    @property
    def title(self) -> str:
        """Its name in tables."""
        return self.proxy.title if self.logged else f"{self.proxy.title}, no log"


VARIANTS: tuple[Variant, ...] = (
    Variant(Lbmesh()),
    Variant(CompiledLbmesh()),
    Variant(HAProxy()),
    Variant(HAProxy(), logged=False),
    Variant(Nginx()),
    Variant(Caddy()),
    Variant(Envoy()),
    Variant(Envoy(), logged=False),
)
