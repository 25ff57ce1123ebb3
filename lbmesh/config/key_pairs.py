"""The certificates in settings, wherever they stand, and settings with others in their place. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lbmesh.config.settings import ListenerSettings, Settings
from lbmesh.model.service import Service
from lbmesh.model.tls import KeyPair

PairFiles = tuple[Path, Path]
"""Where a pair comes from: the file of its certificate and that of its key."""

Pairs = Mapping[PairFiles, KeyPair]


def key_pairs(settings: Settings) -> dict[PairFiles, KeyPair]:
    """Every pair, once for each two files."""
    return {(pair.cert, pair.key): pair for pair in _all(settings)}


def _all(settings: Settings) -> Iterator[KeyPair]:
    for listener in settings.listeners:
        yield from listener.policy.tls.key_pairs if listener.policy.tls else ()
    for service in settings.services:
        for tls in (service.tls, service.health.tls if service.health else None):
            if tls and tls.key_pair:
                yield tls.key_pair


def with_key_pairs(settings: Settings, renewed: Pairs) -> Settings:
    """The same settings, with these in the place of the ones that came from the same files."""
    return replace(
        settings,
        listeners=tuple(_listener(each, renewed) for each in settings.listeners),
        services=tuple(_service(each, renewed) for each in settings.services),
    )


def _listener(listener: ListenerSettings, renewed: Pairs) -> ListenerSettings:
    tls = listener.policy.tls
    if tls is None:
        return listener
    pairs = tuple(_newest(pair, renewed) for pair in tls.key_pairs)
    return replace(listener, policy=replace(listener.policy, tls=replace(tls, key_pairs=pairs)))


def _service(service: Service, renewed: Pairs) -> Service:
    if service.tls and service.tls.key_pair:
        service = replace(service, tls=replace(service.tls, key_pair=_newest(service.tls.key_pair, renewed)))
    health = service.health
    if health and health.tls and health.tls.key_pair:
        tls = replace(health.tls, key_pair=_newest(health.tls.key_pair, renewed))
        service = replace(service, health=replace(health, tls=tls))
    return service


def _newest(pair: KeyPair, renewed: Pairs) -> KeyPair:
    return renewed.get((pair.cert, pair.key), pair)
