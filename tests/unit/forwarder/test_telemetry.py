"""What an agent is told: all at first, then what has changed, in messages of a bounded size."""

from lbmesh.control.link import TELEMETRY_ROWS_MAX, Telemetry, decode_message
from lbmesh.forwarder.engine import FAILURE_INTERVAL_S, FAILURES_QUEUED_MAX, Engine
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.telemetry import REPLICAS_PER_REPORT, TelemetryReport
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.service import Replica
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion
from lbmesh.observe.access_log import AccessLog
from lbmesh.routing.steps import LOOKS_PER_STEP, UPDATES_PER_STEP

REPLICAS = 2 * TELEMETRY_ROWS_MAX + 1


def an_engine(count: int = REPLICAS) -> Engine:
    engine = Engine(access_log=AccessLog("off"), random=lambda: 0.5, id_prefix=b"0" * 16, wall_clock=lambda: 0.0)
    replicas = tuple(
        ReplicaView(Replica(Address("10.0.0.1", port), "zone-a"), Availability.UP) for port in range(1, count + 1)
    )
    list(engine.adopt(View(ViewVersion(1, 1), "lb-a1", "zone-a", (), (ServiceView("shop", replicas),))))
    return engine


def states(engine: Engine) -> tuple[ReplicaState, ...]:
    assert engine.serving is not None
    return engine.serving.services["shop"].replicas


def serve(engine: Engine, replica: ReplicaState) -> None:
    """One request, as an exchange counts it."""
    replica.requests += 1
    if not replica.is_active:
        engine.activate(replica)


def told(report: TelemetryReport) -> list[Telemetry]:
    messages = [decode_message(line) for line in report.lines() if line]
    assert all(isinstance(message, Telemetry) for message in messages)
    return [message for message in messages if isinstance(message, Telemetry)]


def ports(messages: list[Telemetry]) -> list[int]:
    return [row.replica.address.port for message in messages for row in message.replicas]


def test_an_inventory_has_every_replica_with_requests_in_bounded_messages() -> None:
    engine = an_engine()
    for replica in states(engine):
        serve(engine, replica)
    messages = told(TelemetryReport(engine, 0))
    assert sorted(ports(messages)) == list(range(1, REPLICAS + 1))
    assert all(message.is_inventory for message in messages)
    assert max(len(message.replicas) for message in messages) == TELEMETRY_ROWS_MAX


def test_a_replica_at_rest_is_told_once_and_looked_at_no_more() -> None:
    engine = an_engine()
    report = TelemetryReport(engine, 0)
    assert ports(told(report)) == []
    serve(engine, states(engine)[4])
    list(engine.tick(1.0))
    assert ports(told(report)) == [5]
    list(engine.tick(2.0))
    assert (engine.active_replicas, ports(told(report))) == ([], [])


def test_a_replica_stays_in_sight_until_its_last_figures_are_told() -> None:
    engine = an_engine()
    report = TelemetryReport(engine, 0)
    told(report)
    replica = states(engine)[0]
    replica.in_flight = 1
    serve(engine, replica)
    told(report)
    replica.in_flight = 0
    list(engine.tick(1.0))
    (row,) = told(report)[-1].replicas
    assert row.in_flight == 0
    list(engine.tick(2.0))
    assert not replica.is_active


def test_a_replica_that_the_view_lost_is_told_no_more_and_leaves_the_sight() -> None:
    engine = an_engine()
    report = TelemetryReport(engine, 0)
    told(report)
    serve(engine, states(engine)[0])
    list(engine.adopt(View(ViewVersion(1, 2), "lb-a1", "zone-a", (), ())))
    assert ports(told(report)) == []
    list(engine.tick(1.0))
    assert engine.active_replicas == []


def test_durations_that_have_not_changed_are_not_told_again() -> None:
    engine = an_engine()
    report = TelemetryReport(engine, 0)
    engine.unrouted.of(b"GET", 404, "no_route").record(0.1)
    assert [row.count for message in told(report) for row in message.requests] == [1]
    assert [row for message in told(report) for row in message.requests] == []
    engine.unrouted.of(b"GET", 404, "no_route").record(0.1)
    assert [row.count for message in told(report) for row in message.requests] == [2]
    assert [row.count for message in told(TelemetryReport(engine, 0)) for row in message.requests] == [2]


def test_many_active_replicas_take_turns() -> None:
    engine = an_engine(3 * REPLICAS_PER_REPORT)
    report = TelemetryReport(engine, 0)
    told(report)
    for replica in states(engine):
        serve(engine, replica)
    seen: set[int] = set()
    for _ in range(3):
        found = ports(told(report))
        assert len(found) == REPLICAS_PER_REPORT
        seen.update(found)
    assert len(seen) == 3 * REPLICAS_PER_REPORT
    assert ports(told(report)) == []


def test_a_service_in_which_a_replica_fails_is_told_whole() -> None:
    engine = an_engine(3 * REPLICAS_PER_REPORT)
    report = TelemetryReport(engine, 0)
    told(report)
    for replica in states(engine):
        serve(engine, replica)
    states(engine)[-1].failures += 1
    assert len(ports(told(report))) == 3 * REPLICAS_PER_REPORT


def test_a_step_looks_at_few_replicas() -> None:
    engine = an_engine(20 * LOOKS_PER_STEP)
    for replica in states(engine):
        serve(engine, replica)
        replica.note_told()
        replica.retired = True
    assert sum(1 for _ in TelemetryReport(engine, 0).lines()) >= 20
    assert sum(1 for _ in engine.tick(1.0)) >= 2 * 20 * LOOKS_PER_STEP / LOOKS_PER_STEP


class Pooled:
    """A connection in a pool."""

    def __init__(self, replica: ReplicaState, idle_since: float) -> None:
        self.idle_since = idle_since
        self._replica = replica
        replica.idle.append(self)

    def close(self) -> None:
        self._replica.idle.remove(self)


def test_idle_connections_of_a_replica_at_rest_are_looked_at_when_they_are_due() -> None:
    engine = an_engine()
    report = TelemetryReport(engine, 0)
    told(report)
    replica = states(engine)[0]
    serve(engine, replica)
    Pooled(replica, 0.5)
    Pooled(replica, 5.0)
    told(report)
    for second in range(1, 4):
        list(engine.tick(float(second)))
    assert (engine.active_replicas, len(replica.idle)) == ([], 2)
    idle_s = ForwarderLimits().upstream_idle_s
    list(engine.tick(idle_s))
    assert len(replica.idle) == 2
    list(engine.tick(idle_s + 1.0))
    assert len(replica.idle) == 1
    list(engine.tick(idle_s + 6.0))
    assert replica.idle == []
    assert not replica.is_resting


def test_who_always_has_news_keeps_nobody_from_a_turn() -> None:
    engine = an_engine(3 * REPLICAS_PER_REPORT)
    report = TelemetryReport(engine, 0)
    told(report)
    seen: set[int] = set()
    for _ in range(3):
        for replica in states(engine):
            serve(engine, replica)
        seen.update(ports(told(report)))
    assert len(seen) == 3 * REPLICAS_PER_REPORT


def test_a_step_passes_over_few_replicas_that_have_nothing_to_say() -> None:
    engine = an_engine(20 * LOOKS_PER_STEP)
    report = TelemetryReport(engine, 0)
    assert sum(1 for _ in report.lines()) >= 20
    for replica in states(engine):
        serve(engine, replica)
        replica.note_told()
        replica.retired = True
    assert sum(1 for _ in report.lines()) >= 2 * 20


def many_services(count: int) -> Engine:
    engine = an_engine(1)
    services = tuple(ServiceView(f"s{number}", ()) for number in range(count))
    list(engine.adopt(View(ViewVersion(1, 2), "lb-a1", "zone-a", (), services)))
    return engine


def test_many_services_are_told_in_bounded_messages_and_only_when_something_has_changed() -> None:
    engine = many_services(2 * TELEMETRY_ROWS_MAX + 1)
    assert engine.serving is not None
    for service in engine.serving.services.values():
        service.durations.of(b"GET", 200, "").record(0.1)
    report = TelemetryReport(engine, 0)
    messages = told(report)
    for rows in ([message.services for message in messages], [message.requests for message in messages]):
        assert sum(len(each) for each in rows) == 2 * TELEMETRY_ROWS_MAX + 1
        assert max(len(each) for each in rows) == TELEMETRY_ROWS_MAX
    assert not any(message.services or message.requests for message in told(report))
    engine.serving.services["s7"].budget.begun += 1
    assert [row.service for message in told(report) for row in message.services] == ["s7"]


def test_a_second_passes_over_few_services_in_a_step() -> None:
    engine = many_services(20 * UPDATES_PER_STEP)
    assert sum(1 for _ in engine.tick(1.0)) >= 2 * 20


def test_a_replica_that_becomes_active_within_a_second_s_work_is_looked_at_in_the_next() -> None:
    engine = an_engine(2 * LOOKS_PER_STEP)
    *most, late = states(engine)
    for replica in most:
        serve(engine, replica)
    for _ in engine.tick(1.0):
        if not late.is_active:
            serve(engine, late)
    assert late in engine.active_replicas


def test_failures_of_one_replica_are_said_seldom_and_of_many_in_bounded_number() -> None:
    engine = an_engine(FAILURES_QUEUED_MAX + 10)
    one = states(engine)[0]
    for _ in range(3):
        engine.report_failure(one, "upstream_reset")
    assert len(engine.failures) == 1
    engine.reactor.now += 2 * FAILURE_INTERVAL_S
    engine.report_failure(one, "upstream_reset")
    assert len(engine.failures) == 2
    for replica in states(engine):
        engine.report_failure(replica, "upstream_reset")
    assert len(engine.failures) == FAILURES_QUEUED_MAX
