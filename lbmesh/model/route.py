"""Routes: which requests lead to which services, and what is done to them on the way."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WeightedService:
    """A route's target: a service's name and its share of the route's requests."""

    name: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Route:
    """Requests whose host and path match go to one of `services`, chosen by weight.

    `hosts`: exact names, "*.suffix" wildcards or "*", all lower case, without port.
    `paths`: prefixes by whole segments ("/a" is not "/ab").
    """

    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    services: tuple[WeightedService, ...]
