"""The files of authorities in settings, wherever they stand, and settings with what they hold now. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from lbmesh.config.settings import ListenerSettings, Settings
from lbmesh.model.check import ProbeTls
from lbmesh.model.service import Service
from lbmesh.model.tls import ServiceTls

Authorities = Mapping[Path, str]
"""What each file holds: certificates in PEM."""

Trust = TypeVar("Trust", ServiceTls, ProbeTls)


def authorities(settings: Settings) -> dict[Path, str]:
    """Every file of authorities, with what was read of it."""
    return dict(_all(settings))


def _all(settings: Settings) -> Iterator[tuple[Path, str]]:
    for listener in settings.listeners:
        tls = listener.policy.tls
        if tls and tls.client_ca and tls.client_ca_certificates:
            yield tls.client_ca, tls.client_ca_certificates
    for service in settings.services:
        for trust in (service.tls, service.health.tls if service.health else None):
            if trust and trust.ca and trust.ca_certificates:
                yield trust.ca, trust.ca_certificates


def with_authorities(settings: Settings, renewed: Authorities) -> Settings:
    """The same settings, with these in the place of what came from the same files."""
    return replace(
        settings,
        listeners=tuple(_listener(each, renewed) for each in settings.listeners),
        services=tuple(_service(each, renewed) for each in settings.services),
    )


def _listener(listener: ListenerSettings, renewed: Authorities) -> ListenerSettings:
    tls = listener.policy.tls
    if tls is None or tls.client_ca is None or tls.client_ca not in renewed:
        return listener
    tls = replace(tls, client_ca_certificates=renewed[tls.client_ca])
    return replace(listener, policy=replace(listener.policy, tls=tls))


def _service(service: Service, renewed: Authorities) -> Service:
    if service.tls:
        service = replace(service, tls=_with(service.tls, renewed))
    health = service.health
    if health and health.tls:
        service = replace(service, health=replace(health, tls=_with(health.tls, renewed)))
    return service


def _with(tls: Trust, renewed: Authorities) -> Trust:
    return replace(tls, ca_certificates=renewed[tls.ca]) if tls.ca and tls.ca in renewed else tls
