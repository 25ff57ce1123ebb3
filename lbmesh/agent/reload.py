"""Reading the configuration again: taken whole, or refused whole with every reason."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from lbmesh.config.diff import Hot, NeedsRestart, diff
from lbmesh.config.load import load_settings
from lbmesh.config.settings import Settings
from lbmesh.routing.rate_limit import route_identity

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken:
    """The new settings, and what they change, a line each."""

    settings: Settings
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the old settings stand: located errors, or changes that need a restart."""

    errors: tuple[str, ...]


def read_again(config_file: Path, old: Settings) -> Taken | Refused:
    """Read the file and compare. Blocks on files, so it is for a thread."""
    new = load_settings(config_file)
    if not isinstance(new, Settings):
        return Refused(tuple(str(error) for error in new))
    match diff(old, new):
        case Hot(changes=changes):
            return Taken(sharing(old, new), changes)
        case NeedsRestart(reasons=reasons):
            return Refused(tuple(f"{config_file}: {reason}" for reason in reasons))


def sharing(old: Settings, new: Settings) -> Settings:
    """The new settings, with the old objects where both say the same: so it shows at a glance what has changed."""
    services = {service.name: service for service in old.services}
    routes = {route_identity(route): route for route in old.routes}
    shared = replace(
        new,
        services=tuple(_same(services.get(service.name), service) for service in new.services),
        routes=tuple(_same(routes.get(route_identity(route)), route) for route in new.routes),
    )
    return replace(shared, routes=old.routes) if shared.routes == old.routes else shared


def _same(old: T | None, new: T) -> T:
    return old if old is not None and old == new else new
