"""What an agent is told: all at first, then what has changed, in messages of a bounded size."""

from lbmesh.control.link import TELEMETRY_ROWS_MAX, Telemetry, decode_message
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.telemetry import REPLICAS_PER_REPORT, TelemetryReport
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.service import Replica
from lbmesh.model.view import ReplicaView, ServiceView, View, ViewVersion
from lbmesh.observe.access_log import AccessLog
from lbmesh.routing.steps import LOOKS_PER_STEP

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
