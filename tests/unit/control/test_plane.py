"""The plane of one node: inputs in, effects out, as transcripts."""

import random
from dataclasses import replace

import pytest

from lbmesh.control.inputs import Effects, ProbeResult
from lbmesh.control.link import ReplicaFailure, ReplicaTelemetry, Telemetry
from lbmesh.control.plane import Plane
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.service import HealthCheck, Service
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion
from tests.support.planes import World, replica_id, settings, shop

OK, REFUSED = ProbeResult(True, "status 200"), ProbeResult(False, "connection refused")
LETTERS = {Availability.UP: "U", Availability.DOWN: "D", Availability.UNKNOWN: "?"}


def lone_plane(*services: Service, generation: int = 1) -> Plane:
    return Plane(settings(*services), generation=generation, gossip=None, rng=random.Random(1), now=0.0)


def show(effects: Effects) -> list[str]:
    """Effects as the lines of a transcript."""
    lines = [f"probe {order.replica}" for order in effects.probes]
    if effects.view:
        services = (
            f"{service.name} {''.join(LETTERS[one.availability] for one in service.replicas)}"
            for service in effects.view.services
        )
        lines.append(f"view {effects.view.version}: {', '.join(services)}")
    return lines + [f"{event.kind} {event.subject} {event.change}: {event.reason}" for event in effects.events]


def next_probe_s(plane: Plane, now: float) -> float:
    """When the next timer is due, after what is left to do now is done."""
    while plane.next_deadline() <= now:
        assert show(plane.tick(now)) == []
    return plane.next_deadline()


def test_a_lone_node_from_start_to_a_death_and_back() -> None:
    plane = lone_plane(shop(1, HealthCheck(interval_s=2.0, fall=3, rise=2)))
    replica = replica_id(1)
    assert show(plane.start(0.0)) == ["view 1.1: shop ?"]
    now = plane.next_deadline()
    assert 0.0 <= now <= 0.5
    assert show(plane.tick(now)) == ["probe shop/10.0.0.1:80"]
    assert show(plane.probe_finished(replica, OK, now)) == [
        "view 1.2: shop U",
        "replica shop/10.0.0.1:80 unknown to up: status 200",
    ]
    transcript = []
    for result in (REFUSED, REFUSED, REFUSED, OK, OK):
        before, now = now, next_probe_s(plane, now)
        assert 1.8 <= now - before <= 2.2
        assert show(plane.tick(now)) == ["probe shop/10.0.0.1:80"]
        transcript.append(show(plane.probe_finished(replica, result, now)))
    assert transcript == [
        [],
        [],
        ["view 1.3: shop D", "replica shop/10.0.0.1:80 up to down: connection refused"],
        [],
        ["view 1.4: shop U", "replica shop/10.0.0.1:80 down to up: status 200"],
    ]


def up_plane(count: int = 1) -> Plane:
    """A plane whose replicas are all up, at time 1."""
    plane = lone_plane(shop(count))
    plane.start(0.0)
    for order in plane.tick(0.5).probes:
        plane.probe_finished(order.replica, OK, 1.0)
    return plane


def test_three_failed_connections_are_a_verdict() -> None:
    plane = up_plane()
    failure = ReplicaFailure(replica_id(1), "connect_refused")
    assert show(plane.replica_failure(failure, 1.1)) == ["probe shop/10.0.0.1:80"]
    assert show(plane.replica_failure(failure, 1.2)) == []
    assert show(plane.replica_failure(failure, 1.3)) == [
        "view 1.3: shop D",
        "replica shop/10.0.0.1:80 up to down: requests failed: connect_refused",
    ]


def test_failed_exchanges_ask_for_a_probe_and_decide_only_after_nine() -> None:
    plane = up_plane()
    failure = ReplicaFailure(replica_id(1), "upstream_reset")
    shown = [show(plane.replica_failure(failure, 1.0 + number / 10)) for number in range(1, 10)]
    assert shown[:3] == [[], [], ["probe shop/10.0.0.1:80"]]
    assert shown[3:8] == [[]] * 5
    assert shown[8][0] == "view 1.3: shop D"


def test_a_success_between_failures_lifts_the_suspicion() -> None:
    plane = up_plane()
    failure = ReplicaFailure(replica_id(1), "connect_refused")
    plane.forwarder_linked(0, 77, 1.0)
    plane.replica_failure(failure, 1.1)
    plane.replica_failure(failure, 1.2)
    traffic = ReplicaTelemetry(replica_id(1), requests=5, failures=0, responses_5xx=0, in_flight=0, ewma_s=0.01)
    plane.telemetry(Telemetry(0, 77, None, 1, 0, 1, 0, (), (traffic,)), 1.25)
    assert show(plane.replica_failure(failure, 1.3)) == []
    assert show(plane.replica_failure(failure, 1.4)) == []
    assert show(plane.replica_failure(failure, 1.5))[0] == "view 1.3: shop D"


def test_probes_of_one_replica_keep_their_distance_whatever_fails() -> None:
    plane = up_plane()
    failure = ReplicaFailure(replica_id(1), "connect_refused")
    plane.replica_failure(failure, 1.0)
    plane.probe_finished(replica_id(1), OK, 1.01)
    assert show(plane.replica_failure(failure, 1.02)) == []
    assert plane.next_deadline() == 1.25
    assert show(plane.tick(1.25)) == ["probe shop/10.0.0.1:80"]


def test_a_service_that_is_not_checked_is_up_and_stays_so() -> None:
    plane = lone_plane(shop(2, None))
    assert show(plane.start(0.0)) == ["view 1.1: shop UU"]
    for number in range(5):
        assert show(plane.replica_failure(ReplicaFailure(replica_id(1), "connect_refused"), number / 10)) == []
    assert plane.next_deadline() == float("inf")
    assert [state.reason for state in plane.picture.replica_states()] == [
        "not checked: the service has no health check"
    ] * 2


def test_a_view_is_made_only_when_requests_need_it() -> None:
    plane = up_plane()
    same = ProbeResult(True, "status 204")
    assert show(plane.probe_finished(replica_id(1), same, 1.1)) == []
    assert [line.split(":")[0] for line in show(plane.reload(plane.settings, (), 1.2))] == ["reload config taken"]
    slower = replace(plane.settings, limits=ForwarderLimits(head_timeout_s=3.0))
    assert show(plane.reload(slower, ("forwarder.head_timeout 10s → 3s",), 1.3)) == [
        "view 1.3: shop U",
        "reload config taken: forwarder.head_timeout 10s → 3s",
    ]


def test_a_reload_keeps_what_is_known_and_probes_what_is_new() -> None:
    plane = up_plane(1)
    lines = show(plane.reload(settings(shop(2)), ("service shop: replica 10.0.0.2:80 added",), 1.1))
    assert lines[0] == "view 1.3: shop U?"
    due = next_probe_s(plane, 1.1)
    assert due <= 1.6
    assert show(plane.tick(due)) == ["probe shop/10.0.0.2:80"]
    assert show(plane.reload(settings(shop(2, name="other")), (), due))[0] == "view 1.4: other ??"


def test_a_refused_reload_changes_nothing_but_is_remembered() -> None:
    plane = up_plane()
    assert show(plane.reload_refused(("lbmesh.toml:3: bad",), 2.0)) == ["reload config refused: lbmesh.toml:3: bad"]
    outcome = plane.picture.state(3.0).reload
    assert outcome
    assert (outcome.ok, outcome.errors, outcome.at_s) == (False, ("lbmesh.toml:3: bad",), 2.0)


def old_view(*availabilities: Availability) -> View:
    replicas = tuple(
        ReplicaView(one, availability, "status 200")
        for one, availability in zip(shop(len(availabilities)).replicas, availabilities, strict=True)
    )
    return View(ViewVersion(1, 9), "lb-a", "zone-a", (), (ServiceView("shop", replicas),))


def test_a_new_agent_starts_from_what_the_old_one_knew() -> None:
    plane = lone_plane(shop(3), generation=2)
    plane.inherit(old_view(Availability.UP, Availability.DOWN, Availability.UNKNOWN), 0.0)
    effects = plane.start(0.1)
    assert show(effects)[0] == "view 2.1: shop UD?"
    assert effects.view
    assert effects.view.version > ViewVersion(1, 9)
    reasons = [state.reason for state in plane.picture.replica_states()]
    assert reasons[:2] == ["inherited from View 1.9: status 200"] * 2


def test_what_was_inherited_is_forgotten_when_nothing_confirms_it() -> None:
    plane = lone_plane(shop(1, HealthCheck(interval_s=2.0)), generation=2)
    plane.inherit(old_view(Availability.DOWN), 0.0)
    plane.start(0.0)
    plane.tick(0.5)
    assert show(plane.tick(6.0))[0] == "view 2.2: shop ?"


def test_readiness_says_why() -> None:
    plane = lone_plane(shop(1))
    assert plane.picture.readiness().reason == "starting: no View yet"
    plane.start(0.0)
    plane.forwarder_linked(0, 77, 0.0)
    assert plane.picture.readiness().reason == "no forwarder serves a View yet"
    plane.forwarder_viewed(0, ViewVersion(1, 1), 0.1)
    assert plane.picture.readiness().ready
    plane.forwarder_unlinked(0, 76, 0.2)
    assert plane.picture.readiness().ready, "the end of an older process's link means nothing"
    plane.leave(0.3)
    assert plane.picture.readiness().reason == "leaving: this node drains"


def figures(worker: int = 0, pid: int = 77) -> Telemetry:
    return Telemetry(worker, pid, ViewVersion(1, 1), 1, 0, 1, 0, (), ())


def ready_plane() -> Plane:
    """A node whose forwarder serves, and has sent figures at time 1."""
    plane = lone_plane(shop(1, None))
    plane.start(0.0)
    plane.forwarder_linked(0, 77, 0.0)
    plane.forwarder_viewed(0, ViewVersion(1, 1), 0.1)
    plane.telemetry(figures(), 1.0)
    assert plane.next_deadline() == 4.0
    return plane


def test_a_frozen_forwarder_does_not_make_a_node_ready() -> None:
    plane = ready_plane()
    assert show(plane.tick(3.9)) == []
    assert plane.picture.readiness().ready
    assert show(plane.tick(4.0)) == ["forwarder 0 silent: process 77"]
    assert plane.picture.readiness().reason == "no forwarder has said anything for 3 s: they hang"
    plane.forwarder_linked(1, 78, 4.5)
    plane.forwarder_viewed(1, ViewVersion(1, 1), 4.6)
    assert plane.picture.readiness().ready, "one that serves is enough"
    assert show(plane.telemetry(figures(), 5.0)) == ["forwarder 0 heard again: process 77"]
    assert not any(one.silent for one in plane.picture.state(5.0).forwarders)


def test_an_agent_that_stood_still_gives_its_forwarders_time_to_be_heard() -> None:
    plane = ready_plane()
    assert show(plane.tick(30.0)) == []
    assert plane.picture.readiness().ready
    assert show(plane.tick(plane.next_deadline())) == ["forwarder 0 silent: process 77"]
    assert not plane.picture.readiness().ready


def test_probes_of_many_replicas_are_spread_over_time() -> None:
    world = World()
    world.add("lb-a", "zone-a", shop(30, HealthCheck(interval_s=2.0)), meshed=False)
    world.run(0.1)
    assert 0 < len(world.probes["lb-a"]) < 20
    world.run(19.9)
    assert 270 <= len(world.probes["lb-a"]) <= 340
    assert world.availability("lb-a") == "U" * 30


def test_a_change_that_touches_everything_is_worked_off_in_slices() -> None:
    plane = lone_plane(
        Service(
            "shop",
            tuple(replace(shop(1).replicas[0], address=Address("10.0.0.1", port)) for port in range(1, 301)),
        )
    )
    plane.start(0.0)
    steps = 0
    while plane.next_deadline() < 0.0:
        plane.tick(0.0)
        steps += 1
    assert steps == 4


@pytest.mark.parametrize("first", ["result", "tick"])
def test_a_node_that_stood_still_trusts_what_it_knew_and_looks_again(first: str) -> None:
    plane = up_plane(3)
    due = next_probe_s(plane, 1.0)
    (order,) = plane.tick(due).probes
    late = due + 60.0
    probed = set()
    for step in ("result", "tick") if first == "result" else ("tick", "result"):
        failed = step == "result"
        effects = plane.probe_finished(order.replica, REFUSED, late) if failed else plane.tick(late)
        assert (effects.view, effects.events) == (None, ())
        probed |= {one.replica for one in effects.probes}
    while plane.next_deadline() < late + 0.6:
        probed |= {one.replica for one in plane.tick(max(late, plane.next_deadline())).probes}
    assert probed == {replica_id(1), replica_id(2), replica_id(3)}


@pytest.mark.parametrize("first", ["memory_kept", "forwarder_linked", "leave", "reload_refused"])
def test_it_does_so_whatever_is_the_first_it_hears_of(first: str) -> None:
    plane = up_plane(3)
    late = next_probe_s(plane, 1.0) + 60.0
    match first:
        case "memory_kept":
            effects = plane.memory_kept(None, late)
        case "forwarder_linked":
            effects = plane.forwarder_linked(0, 4711, late)
        case "leave":
            effects = plane.leave(late)
        case _:
            effects = plane.reload_refused(("line 1",), late)
    assert effects.view is None
    assert {state.reason for state in plane.picture.replica_states()} == {"status 200"}


def test_a_late_deadline_is_no_pause() -> None:
    plane = up_plane()
    due = next_probe_s(plane, 1.0)
    plane.tick(due + 0.9)
    for number in range(3):
        effects = plane.probe_finished(replica_id(1), REFUSED, due + 1 + number)
        if number < 2:
            plane.tick(due + 3.3 + number)
    assert effects.view


def test_a_reload_looks_at_no_service_that_is_the_same() -> None:
    kept, changed = shop(2, name="kept"), shop(1, name="changed")
    plane = lone_plane(kept, changed)
    plane.start(0.0)
    while plane.next_deadline() <= 0.0:
        plane.tick(0.0)
    assert plane.view is not None
    before = {service.name: service for service in plane.view.services}
    effects = plane.reload(settings(kept, shop(2, name="changed")), ("more replicas",), 0.0)
    assert effects.view is not None
    after = {service.name: service for service in effects.view.services}
    assert after["kept"] is before["kept"]
    assert len(after["changed"].replicas) == 2
    gone = plane.reload(settings(kept), ("a service less",), 0.0)
    assert gone.view is not None
    assert [service.name for service in gone.view.services] == ["kept"]
    assert {replica.service for replica in plane.picture.replica_ids()} == {"kept"}


def test_a_plane_that_cannot_check_so_often_says_so() -> None:
    assert lone_plane(shop(3)).picture.state(0.0).notices == ()
    often = lone_plane(shop(250, HealthCheck(interval_s=0.1, timeout_s=0.1)))
    (notice,) = often.picture.state(0.0).notices
    assert "2,500 probes a second" in notice.reason
