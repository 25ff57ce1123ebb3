"""Routes: which requests lead to which services, and what is done to them on the way."""

from dataclasses import dataclass

from lbmesh.model.route_rules import RouteRules


@dataclass(frozen=True, slots=True)
class WeightedService:
    """A route's target: a service's name and its share of the route's requests."""

    name: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request must be like beside its host and path; all of it must hold.

    `methods`: one of these, any when empty. `headers` and `query`: fields, and arguments of the query, with the value
    that they must have, None for any.
    """

    methods: tuple[str, ...] = ()
    headers: tuple[tuple[str, str | None], ...] = ()
    query: tuple[tuple[str, str | None], ...] = ()

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Of two routes for one path the higher goes first, as in Kubernetes' Gateway API (HTTPRouteMatch)."""
        return bool(self.methods), len(self.headers), len(self.query)

    def may_meet(self, other: "Conditions") -> bool:
        """Can one request fulfil both?"""
        if self.methods and other.methods and not set(self.methods) & set(other.methods):
            return False
        return not _contradict(_lower(self.headers), _lower(other.headers)) and not _contradict(
            dict(self.query), dict(other.query)
        )


@dataclass(frozen=True, slots=True)
class Route:
    """Requests whose host and path match go to one of `services`, chosen by weight.

    `hosts`: exact names, "*.suffix" wildcards or "*", all lower case, without port.
    `paths`: prefixes by whole segments ("/a" is not "/ab"). `exact_paths`: no more and no less than these.
    No `services` only where a rule answers every request.
    """

    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    services: tuple[WeightedService, ...]
    exact_paths: tuple[str, ...] = ()
    conditions: Conditions | None = None
    rules: RouteRules | None = None


def _lower(headers: tuple[tuple[str, str | None], ...]) -> dict[str, str | None]:
    return {name.lower(): value for name, value in headers}


def _contradict(one: dict[str, str | None], other: dict[str, str | None]) -> bool:
    return any(
        value is not None and other.get(name) is not None and other[name] != value for name, value in one.items()
    )
