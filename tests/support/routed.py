"""Views made of configuration text, so that a test says rules as an operator does."""

from lbmesh.config.parse import parse_settings
from lbmesh.config.settings import Settings
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion
from tests.support.config_text import a_key_pair, reader


def routed_view(
    routes: str,
    services: dict[str, Address],
    *,
    number: int = 1,
    service_keys: str = "",
    pages: dict[str, str] | None = None,
    workers: int = 1,
) -> View:
    """A View whose `routes` are [[route]] tables, and whose services have one replica each. `service_keys`: what every
    service has beside. `pages`: files by their path.
    """
    # A service that no route names would be an error: the last route names all, for a host that nobody asks for.
    named = ", ".join(f'{{ name = "{name}" }}' for name in services)
    tables = "".join(
        f'[[service]]\nname = "{name}"\n{service_keys}\nreplicas = [{{ address = "{address}", zone = "zone-a" }}]\n'
        for name, address in services.items()
    )
    text = (
        f'[node]\nname = "lb-test"\nzone = "zone-a"\n[[listener]]\nbind = "127.0.0.1:0"\n{tables}{routes}\n'
        f'[[route]]\nhosts = ["every.invalid"]\nservices = [{named}]\n'
    )
    settings = parse_settings(
        text,
        file="x.toml",
        host_name="lb-test",
        cpu_count=1,
        read_file=reader({}),
        read_certificates=reader({}),
        read_page=reader(pages or {}),
        read_key_pair=a_key_pair,
    )
    assert isinstance(settings, Settings), [str(error) for error in settings]
    return View(
        version=ViewVersion(1, number),
        node="lb-test",
        zone="zone-a",
        routes=settings.routes,
        services=tuple(
            ServiceView(
                service.name,
                tuple(ReplicaView(replica, Availability.UP) for replica in service.replicas),
                service.traffic,
            )
            for service in settings.services
        ),
        workers=workers,
    )
