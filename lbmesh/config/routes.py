"""[[route]]: which requests lead to which services, and the routes that services ask for themselves."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from lbmesh.config import route_values, values
from lbmesh.config.fields import read_fields
from lbmesh.config.health_values import wanted_value
from lbmesh.config.route_rules import read_maintenance, read_rules, refuse_many_pages
from lbmesh.config.table import ReadFile, Table
from lbmesh.model.route import Conditions, Route, WeightedService
from lbmesh.model.route_rules import RouteRules

WEIGHT_MAX = 100
ROUTES_PER_PATH_MAX = 64
"""Routes for one host and path, told apart by conditions: they are tried one after the other."""


@dataclass(frozen=True, slots=True)
class _Lead:
    """A route and the table that it came from."""

    route: Route
    table: Table
    title: str


def read_routes(root: Table, services: Sequence[Table], read_page: ReadFile) -> tuple[Route, ...]:
    """All routes in the file's order; those of the long form before the shorthand. `services`: their tables."""
    known = [name for table in services if isinstance(name := table.values.get("name"), str)]
    leads = [_read_route(table, known, read_page) for table in root.tables("route")]
    leads += _shorthand(services, {name for lead in leads for name in _led_to(lead.route)}, read_page)
    _refuse_ambiguity(leads)
    refuse_many_pages((lead.table, lead.route.rules) for lead in leads)
    return tuple(lead.route for lead in leads)


def _led_to(route: Route) -> Iterator[str]:
    yield from (target.name for target in route.services)
    if route.rules and route.rules.mirror:
        yield route.rules.mirror.service


def _read_hosts(table: Table) -> tuple[str, ...]:
    return table.items("hosts", values.host, ("*",), '["shop.example.com"]')


def _read_paths(table: Table, default: tuple[str, ...]) -> tuple[str, ...]:
    return table.items("paths", values.path_prefix, default, '["/"]')


def _read_route(table: Table, known: Collection[str], read_page: ReadFile) -> _Lead:
    hosts = _read_hosts(table)
    exact_paths = table.items("exact_paths", route_values.exact_path, (), '["/health"]')
    paths = _read_paths(table, () if "exact_paths" in table.values else ("/",))
    conditions = _read_conditions(table)
    targets = _read_targets(table, known)
    rules = read_rules(table, known, [target.name for target in targets], read_page)
    answers = rules is not None and (rules.respond is not None or rules.redirect is not None)
    if table.values.get("services", []) == [] and not answers:
        table.error('a route needs a service; write services = [{ name = "shop" }]', "services")
    if targets and rules is not None and rules.respond is not None:
        table.error("respond answers every request; remove one of the two", "services")
    table.close()
    number = table.keys[-1]
    assert isinstance(number, int)
    return _Lead(Route(hosts, paths, targets, exact_paths, conditions, rules), table, f"route #{number + 1}")


def _read_targets(route: Table, known: Collection[str]) -> tuple[WeightedService, ...]:
    targets: dict[str, WeightedService] = {}
    for target in route.tables("services"):
        name = target.required("name", values.name, '"shop"')
        weight = target.optional("weight", values.whole_number(1, WEIGHT_MAX), 1)
        target.close()
        if name is None:
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            advice = f'write "{near[0]}"' if near else f'write [[service]] with name = "{name}"'
            target.error(f"no such service; {advice}", "name", found=name)
        if name in targets:
            target.error("this route names it already; add the weights up and remove one", "name", found=name)
        targets.setdefault(name, WeightedService(name, weight))
    return tuple(targets.values())


def _read_conditions(route: Table) -> Conditions | None:
    methods = route.items("methods", route_values.method, (), '["GET"]')
    conditions = Conditions(
        methods=tuple(dict.fromkeys(methods)),
        headers=read_fields(route, "headers", route_values.matched_field_name, wanted_value),
        query=read_fields(route, "query", route_values.argument_name, wanted_value, has_case=True),
    )
    return None if conditions == Conditions() else conditions


def _shorthand(tables: Iterable[Table], routed: set[str], read_page: ReadFile) -> list[_Lead]:
    """The routes that services themselves ask for; a service that nothing leads to is an error."""
    leads = []
    for table in tables:
        written = table.values.get("name")
        name = written if isinstance(written, str) else ""
        if "hosts" in table.values or "paths" in table.values:
            maintenance = read_maintenance(table, read_page)
            rules = RouteRules(maintenance=maintenance) if maintenance else None
            route = Route(_read_hosts(table), _read_paths(table, ("/",)), (WeightedService(name),), rules=rules)
            leads.append(_Lead(route, table, f'service "{name}"'))
            continue
        if "maintenance" in table.values:
            table.error("without hosts and paths there is no route here; write this in the [[route]]", "maintenance")
        if name not in routed:
            table.error('no route leads here; write hosts = ["*"], or name it in a [[route]]')
    return leads


def _refuse_ambiguity(leads: Sequence[_Lead]) -> None:
    """A request has one route: two that go equally far would leave it to their order in the file."""
    owners: dict[tuple[str, str, bool], list[_Lead]] = {}
    for lead in leads:
        for host in lead.route.hosts:
            for path, is_exact in _paths_of(lead.route):
                sharing = owners.setdefault((host, path, is_exact), [])
                if not sharing or sharing[-1] is not lead:
                    sharing.append(lead)
    for (host, path, _), sharing in owners.items():
        if len(sharing) > ROUTES_PER_PATH_MAX:
            sharing[ROUTES_PER_PATH_MAX].table.error(
                f'more than {ROUTES_PER_PATH_MAX} routes for host "{host}" with path "{path}"; write fewer'
            )
            continue
        for first, second in combinations(sharing, 2):
            _refuse_same(first, second, host, path)


def _paths_of(route: Route) -> Iterator[tuple[str, bool]]:
    yield from ((path, False) for path in route.paths)
    yield from ((path, True) for path in route.exact_paths)


def _refuse_same(first: _Lead, second: _Lead, host: str, path: str) -> None:
    one, other = (lead.route.conditions or Conditions() for lead in (first, second))
    below = [key for key in ("hosts", "paths", "exact_paths") if key in second.table.values][:1]
    line = first.table.line(*[key for key in ("hosts", "paths", "exact_paths") if key in first.table.values][:1])
    if one.rank != other.rank or not one.may_meet(other):
        return
    if one == other == Conditions():
        second.table.error(
            f'host "{host}" with path "{path}" already belongs to {first.title} in line {line}; '
            "give each host and path one route",
            *below,
        )
    else:
        second.table.error(
            f'a request for host "{host}" with path "{path}" may fit {first.title} in line {line} as well, which asks '
            "for as much; ask for more here or there",
            *below,
        )
