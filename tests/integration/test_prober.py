"""The prober runs so many probes at a time, and answers every order in the end."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import LOG_WINDOW_S, PROBES_IN_FLIGHT_MAX
from lbmesh.agent.probes.prober import Prober
from lbmesh.control.plane import Plane
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address, parse_address
from lbmesh.model.check import ProbeTls, TcpProbe
from lbmesh.model.service import HealthCheck, ReplicaId
from tests.support.balancers import balancer
from tests.support.certificates import Authority, server_context
from tests.support.origins import Origin, OriginConnection, answering, running_origin
from tests.support.planes import replica_id, settings, shop
from tests.support.wait import wait_for

MORE = 5
ONE_SERVICE_MAX = PROBES_IN_FLIGHT_MAX // 2
PATIENT = HealthCheck(timeout_s=60.0)


def hub_of_one() -> Hub:
    return Hub(Plane(settings(shop(1)), generation=1, gossip=None, rng=random.Random(1), now=0.0))


@contextmanager
def hanging() -> Iterator[tuple[Origin, threading.Event]]:
    """An origin that answers all requests once the event is set."""
    go_on = threading.Event()

    def hold(connection: OriginConnection) -> None:
        connection.read_head()
        go_on.wait(20)
        connection.answer()

    with running_origin(hold) as origin:
        yield origin, go_on


async def carry_out(hub: Hub, *orders: ProbeOrder) -> None:
    """Until all are answered."""
    answered = hub.figures.probes.total() + len(orders)
    for order in orders:
        hub.on_probe(order)
    await until(lambda: hub.figures.probes.total() == answered, "answers")


async def until(condition: Callable[[], bool], what: str) -> None:
    await trio.to_thread.run_sync(partial(wait_for, condition, what))


def test_orders_beyond_the_bound_wait_their_turn() -> None:
    async def main() -> None:
        hub = hub_of_one()
        with hanging() as (origin, go_on):
            order = ProbeOrder(ReplicaId("other", origin.address), PATIENT)
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    Prober(hub, nursery)
                    for _ in range(ONE_SERVICE_MAX + MORE):
                        hub.on_probe(order)
                    await until(lambda: origin.connections >= ONE_SERVICE_MAX, "all probes in flight")
                    await trio.testing.wait_all_tasks_blocked()
                    assert origin.connections == ONE_SERVICE_MAX
                    assert not hub.figures.probes
                    go_on.set()
            assert hub.figures.probes["other", "success"] == ONE_SERVICE_MAX + MORE

    trio.run(main)


def test_a_service_that_hangs_blinds_nobody_to_the_others() -> None:
    async def main() -> None:
        hub = hub_of_one()
        with hanging() as (origin, go_on), running_origin(answering()) as well:
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    Prober(hub, nursery)
                    for _ in range(PROBES_IN_FLIGHT_MAX + MORE):
                        hub.on_probe(ProbeOrder(ReplicaId("hung", origin.address), PATIENT))
                    for _ in range(MORE):
                        hub.on_probe(ProbeOrder(ReplicaId("well", well.address), PATIENT))
                    await until(lambda: hub.figures.probes["well", "success"] == MORE, "answers of the other service")
                    assert not hub.figures.probes["hung", "success"]
                    go_on.set()
            assert hub.figures.probes["hung", "success"] == PROBES_IN_FLIGHT_MAX + MORE

    trio.run(main)


NO_TRUST = HealthCheck(tls=ProbeTls(ca_certificates="no certificate"), fall=1)
"""Settings never hold such a text: the probe fails before it gets anywhere."""


def test_a_probe_that_fails_itself_is_answered_and_ends_nobody() -> None:
    async def main() -> None:
        hub = hub_of_one()
        with capture_logs():
            async with trio.open_nursery() as nursery:
                Prober(hub, nursery)
                hub.on_probe(ProbeOrder(replica_id(1), NO_TRUST))
        (state,) = hub.plane.picture.replica_states()
        (word,) = state.opinions
        assert not word.up
        assert word.reason.startswith("the probe itself failed: SSLError: ")

    trio.run(main)


def test_probes_that_fail_themselves_are_logged_once_a_minute_for_each_kind_of_exception() -> None:
    no_host = ReplicaId("shop", Address("x" * 64, 80))
    orders = [ProbeOrder(replica_id(1), NO_TRUST), ProbeOrder(no_host, HealthCheck(TcpProbe()))] * MORE
    clock = trio.testing.MockClock()

    async def main() -> list[int]:
        hub, counts = hub_of_one(), []
        async with trio.open_nursery() as nursery:
            Prober(hub, nursery)
            with capture_logs() as lines:
                for wait_s in (0.0, LOG_WINDOW_S - 1, 1.0):
                    clock.jump(wait_s)
                    await carry_out(hub, *orders)
                    counts.append(len(lines))
            assert {str(line["replica"]) for line in lines} == {str(order.replica) for order in orders}
            assert all(isinstance(line["exc_info"], Exception) for line in lines)
        return counts

    assert trio.run(main, clock=clock) == [2, 2, 4]


def test_a_reload_reads_the_machines_own_authorities_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old").mkdir()
    old, new = Authority(tmp_path / "old"), Authority(tmp_path)
    trusted = tmp_path / "trusted.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    trusted.write_text(old.text)

    async def main(address: Address) -> None:
        hub = hub_of_one()
        order = ProbeOrder(ReplicaId("other", address), HealthCheck(timeout_s=60.0, tls=ProbeTls()))
        async with trio.open_nursery() as nursery:
            Prober(hub, nursery)
            await carry_out(hub, order)
            trusted.write_text(new.text)
            await carry_out(hub, order)
            assert hub.figures.probes == {("other", "failure"): 2}
            hub.do(hub.plane.reload(settings(shop(1)), (), 1.0))
            await carry_out(hub, order)
            assert hub.figures.probes["other", "success"] == 1

    with balancer(tls=server_context(new.issue("127.0.0.1"))) as running:
        trio.run(main, parse_address(running.address))
