"""Live traffic's part in the plane: ejections, returns, and what a View says of them."""

import json
import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from lbmesh.admin.api import state_chunks
from lbmesh.admin.status import status_lines
from lbmesh.control.inputs import Effects, ProbeResult
from lbmesh.control.link import ReplicaTelemetry, Telemetry
from lbmesh.control.plane import Plane
from lbmesh.model.health import Availability
from lbmesh.model.service import HealthCheck, ReplicaId, Service
from lbmesh.model.view import ServiceView
from tests.support.planes import replica_id, settings, shop

UP, DOWN, UNKNOWN = Availability.UP, Availability.DOWN, Availability.UNKNOWN
LETTERS = {UP: "U", DOWN: "D", UNKNOWN: "?"}
CHECK = HealthCheck(interval_s=2.0, fall=1, rise=1)


class Node:
    """A lone plane with one forwarder under load. `broken`: replicas that fail probes; `rates`: of failing requests."""

    def __init__(self, *services: Service) -> None:
        self.now = 1000.0
        self.services = services
        self.plane = Plane(settings(*services), generation=1, gossip=None, rng=random.Random(1), now=self.now)
        self.broken: set[ReplicaId] = set()
        self.rates: dict[ReplicaId, float] = {}
        self.events: list[str] = []
        self._counters: dict[ReplicaId, tuple[int, int]] = {}
        self._rng = random.Random(2)

    def start(self) -> None:
        self.take(self.plane.start(self.now))
        self.take(self.plane.forwarder_linked(0, 7, self.now))
        self.run(4)

    def take(self, effects: Effects) -> None:
        self.events += [f"{event.subject} {event.change}" for event in effects.events]
        for order in effects.probes:
            result = ProbeResult(order.replica not in self.broken, "as told")
            self.take(self.plane.probe_finished(order.replica, result, self.now))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            due = self.plane.next_deadline()
            second = float(int(self.now) + 1)
            if due <= min(second, end):
                self.now = max(self.now, due)
                self.take(self.plane.tick(self.now))
            else:
                self.now = min(second, end)
                self.take(self.plane.telemetry(self._second(), self.now))

    def _second(self) -> Telemetry:
        """A hundred requests to every replica that is up."""
        for service in self.services:
            for letter, one in zip(self.letters(service.name), service.replicas, strict=True):
                replica = ReplicaId(service.name, one.address)
                requests, errors = self._counters.get(replica, (0, 0))
                if letter == "U":
                    failed = sum(self._rng.random() < self.rates.get(replica, 0.0) for _ in range(100))
                    requests, errors = requests + 100, errors + failed
                self._counters[replica] = (requests, errors)
        rows = (
            ReplicaTelemetry(replica, requests, 0, errors, 0, 0.01, errors)
            for replica, (requests, errors) in self._counters.items()
        )
        return Telemetry(0, 7, None, 0, 0, 0, 0, (), tuple(rows))

    def view(self, service: str = "shop") -> ServiceView:
        assert self.plane.view
        return next(one for one in self.plane.view.services if one.name == service)

    def local_share(self) -> float:
        return self.view().share("zone-a")

    def cold_local_share(self) -> float:
        return next((each.cold_share for each in self.view().zones if each.zone == "zone-a"), 0.0)

    def letters(self, service: str = "shop") -> str:
        return "".join(LETTERS[one.availability] for one in self.view(service).replicas)

    def returned(self) -> Mapping[int, float]:
        """By number, for those that ever did."""
        return {number: one.returned_s for number, one in enumerate(self.view().replicas, 1) if one.returned_s}

    def status(self) -> str:
        state = self.plane.picture.state(self.now)
        text = b"".join(state_chunks(state, self.plane.picture.replica_states()))
        return "\n".join(status_lines(json.loads(text)))


def node(*services: Service) -> Node:
    made = Node(*(services or (shop(2, CHECK),)))
    made.start()
    return made


def test_a_failing_replica_is_ejected_though_its_probes_succeed_and_comes_back_slowly() -> None:
    made = node()
    made.rates = {replica_id(1): 0.3, replica_id(2): 0.01}
    made.run(10)
    assert made.letters() == "?U"
    assert made.view().replicas[0].reason.startswith("ejected: ")
    assert made.events[-1] == "shop/10.0.0.1:80 ejected"
    assert "ejected, " in made.status()
    assert " requests failed in " in made.status()
    explained = made.plane.picture.explain_replica(made.now, replica_id(1))
    assert explained
    assert (explained.state, explained.rule) == ("unknown", "ejected")
    assert any(note.startswith("without the ejection it would be up") for note in explained.notes)
    made.rates = {}
    made.run(20)
    assert made.letters() == "?U", "no probe lifts an ejection"
    made.run(16)
    assert made.letters() == "UU"
    assert made.events[-1] == "shop/10.0.0.1:80 ejection over"
    ((number, returned_s),) = made.returned().items()
    assert number == 1
    assert 1004 + 30 <= returned_s <= made.now


def test_an_ejection_is_explained_with_what_it_would_be_without() -> None:
    made = node()
    made.rates = {replica_id(1): 0.3, replica_id(2): 0.01}
    made.run(10)
    found = made.plane.picture.explain_replica(made.now, replica_id(1))
    assert found
    assert (found.state, found.rule) == ("unknown", "ejected")
    assert " requests failed in " in found.reason
    assert found.for_s < 10
    assert [(one.who, one.what) for one in found.said] == [("this node", "up: as told")]
    assert any(note.startswith("ejected ") for note in found.notes)
    assert "without the ejection it would be up (own_evidence): as told" in found.notes
    other = made.plane.picture.explain_replica(made.now, replica_id(2))
    assert other
    assert (other.state, other.rule) == ("up", "own_evidence")


def test_equally_bad_replicas_all_stay() -> None:
    made = node()
    made.rates = {replica_id(1): 1.0, replica_id(2): 1.0}
    made.run(120)
    assert made.letters() == "UU"


def test_an_ejection_yields_when_the_other_dies() -> None:
    made = node()
    made.rates = {replica_id(1): 0.5}
    made.run(10)
    assert made.letters() == "?U"
    made.broken = {replica_id(2)}
    made.run(3)
    assert made.letters() == "UD"
    assert "ejected" not in made.status()


def test_what_came_to_an_end_around_a_death_is_not_held_against_the_replica() -> None:
    made = node()
    made.run(3)
    made.broken = {replica_id(1)}
    made.run(5)
    made.broken = set()
    made.rates = {replica_id(1): 0.9}
    made.run(10)
    assert made.letters() == "UU"
    made.run(15)
    assert made.letters() == "?U"


def test_a_service_without_checks_is_watched_too() -> None:
    made = node(shop(2, None))
    made.rates = {replica_id(1): 0.5}
    made.run(10)
    assert made.letters() == "?U"
    made.rates = {}
    made.run(40)
    assert made.letters() == "UU"
    assert 1 in made.returned()


def test_the_end_of_an_ejection_needs_no_other_input() -> None:
    made = node(shop(2, None))
    made.rates = {replica_id(1): 0.5}
    made.run(10)
    assert made.letters() == "?U"
    while (due := made.plane.next_deadline()) < float("inf"):
        made.take(made.plane.tick(due))
    assert made.letters() == "UU"


def test_outliers_false_and_a_reload_to_it() -> None:
    made = node(replace(shop(2, CHECK), outliers=None))
    made.rates = {replica_id(1): 0.9}
    made.run(20)
    assert made.letters() == "UU"
    made = node()
    made.rates = {replica_id(1): 0.9}
    made.run(10)
    assert made.letters() == "?U"
    made.take(made.plane.reload(settings(replace(shop(2, CHECK), outliers=None)), (), made.now))
    assert made.letters() == "UU"


def test_a_replica_that_was_down_returns_and_those_of_a_start_do_not() -> None:
    made = node()
    assert made.letters() == "UU"
    assert made.returned() == {}
    made.broken = {replica_id(2)}
    made.run(5)
    assert made.letters() == "UD"
    made.broken = set()
    made.run(5)
    assert made.letters() == "UU"
    assert list(made.returned()) == [2]
    assert ", warming " in made.status()
    explained = made.plane.picture.explain_replica(made.now, replica_id(2))
    assert explained
    assert any(note.startswith("warming up: ") for note in explained.notes)
    assert "up, warming" not in made.status().split("10.0.0.2")[0]
    made.run(20)
    assert "warming" not in made.status()
    explained = made.plane.picture.explain_replica(made.now, replica_id(2))
    assert explained
    assert not any(note.startswith("warming up: ") for note in explained.notes)


def test_one_that_is_down_from_the_start_returns_when_it_comes() -> None:
    made = Node(shop(2, CHECK))
    made.broken = {replica_id(1)}
    made.start()
    made.broken = set()
    made.run(5)
    assert list(made.returned()) == [1]


def test_a_replica_that_a_reload_brings_warms_up_and_its_elders_do_not() -> None:
    made = node()
    three = shop(3, CHECK)
    made.services = (three,)
    made.take(made.plane.reload(settings(three), (), made.now))
    made.run(5)
    assert made.letters() == "UUU"
    assert list(made.returned()) == [3]


def test_a_new_service_needs_no_warming() -> None:
    made = node()
    other = shop(2, None, "other")
    made.take(made.plane.reload(settings(shop(2, CHECK), other), (), made.now))
    assert [one.returned_s for one in made.view("other").replicas] == [None, None]


def test_another_weight_is_no_return_and_keeps_one() -> None:
    made = node()
    made.broken = {replica_id(2)}
    made.run(5)
    made.broken = set()
    made.run(5)
    before = made.returned()
    service = shop(2, CHECK)
    heavier = replace(service, replicas=tuple(replace(one, weight=7) for one in service.replicas))
    made.take(made.plane.reload(settings(heavier), (), made.now))
    assert made.returned() == before
    assert [one.replica.weight for one in made.view().replicas] == [7, 7]


def test_the_next_agent_goes_on_warming_unless_the_clock_began_anew() -> None:
    made = node()
    made.broken = {replica_id(2)}
    made.run(5)
    made.broken = set()
    made.run(5)
    view = made.plane.view
    assert view
    for now, expected in ((made.now + 1, made.returned()), (5.0, {}), (made.now + 500, {})):
        successor = Node(shop(2, CHECK))
        successor.now = now
        successor.plane.inherit(view, now)
        successor.take(successor.plane.start(now))
        assert successor.letters() == "UU"
        assert successor.returned() == expected


def test_the_local_share_starts_from_what_it_was() -> None:
    """Of a replica here and two elsewhere, the one here comes back: what is elsewhere keeps the traffic at first."""
    made = node(shop(3, CHECK))
    assert made.local_share() == pytest.approx(1 / 3)
    made.broken = {replica_id(1)}
    made.run(5)
    assert made.local_share() == 0.0
    made.broken = set()
    made.run(5)
    assert made.cold_local_share() == 0.0
    assert made.local_share() == pytest.approx(1 / 3)


def test_where_all_return_there_is_no_cold_share() -> None:
    made = node(shop(3, CHECK))
    made.broken = {replica_id(number) for number in (1, 2, 3)}
    made.run(5)
    assert made.letters() == "DDD"
    made.broken = set()
    made.run(5)
    assert made.letters() == "UUU"
    assert made.cold_local_share() == made.local_share() > 0
