"""The drills' load against replicas that fail and lie: whatever they do is found, counted as what it is, and named."""

import signal
import socket
from itertools import product
from pathlib import Path

import pytest

from lbmesh_chaos.load.behaviour import Behaviour
from lbmesh_chaos.load.collect import collect
from lbmesh_chaos.model.flow import Body, Flow, Kind, Method
from lbmesh_chaos.model.tally import (
    CLIENT_DIED,
    CUT_SHORT,
    NO_ROOM,
    REFUSED,
    RESET,
    SILENT,
    FlowFates,
    Tally,
    Verdict,
)
from tests.support.drill_load import load, replica, tally_of
from tests.support.origins import refused_address
from tests.support.wait import wait_for

ENGINES = [(Kind.KEPT, Kind.FRESH), (Kind.MESH_SYNC,), (Kind.MESH_ASYNC,)]
"""Each set in a process of its own."""


def _flows(kinds: tuple[Kind, ...], methods: tuple[Method, ...] = tuple(Method), rate: float = 20.0) -> list[Flow]:
    return [Flow(f"{kind}-{method}", "a", kind, method, rate=rate) for kind, method in product(kinds, methods)]


def _by_method(tally: Tally, method: Method) -> list[FlowFates]:
    return [one for one in tally.fates if one.flow.method is method]


def _verdicts(fates: list[FlowFates]) -> set[Verdict]:
    """Of what can be judged: beside other tests a client may be starved now and then, and says so."""
    return {Verdict(value) for one in fates for value in one.verdicts} - {Verdict.VOID}


def _reasons(fates: list[FlowFates]) -> set[str]:
    return {why for one in fates for at, why in one.reasons.items() if one.verdicts[at] != Verdict.VOID}


@pytest.mark.parametrize("kinds", ENGINES)
def test_what_goes_well_is_counted_as_well(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    flows = _flows(kinds) + [
        Flow(f"{kind}-{method}-stream", "a", kind, method, Body.STREAM, 5.0)
        for kind, method in product(kinds, (Method.GET, Method.POST))
    ]
    with replica(tmp_path) as origin:
        tally = tally_of(tmp_path, [origin.address], [origin], flows)
    assert _reasons(list(tally.fates)) == set()
    assert all(set(one.executions) == {1} and set(one.attempts) == {1} for one in tally.fates)
    assert [tally.duplicated.count, tally.mixed_up.count, tally.damaged.count, tally.strays.count] == [0] * 4
    assert all(latency > 0 for one in tally.fates for latency in one.latencies_s if latency == latency)


@pytest.mark.parametrize("kinds", ENGINES)
def test_a_replica_that_carries_out_twice_is_found(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    with replica(tmp_path, behaviour=Behaviour(doubled=0.2)) as origin:
        tally = tally_of(tmp_path, [origin.address], [origin], _flows(kinds))
    twice = {method: sum(one.executions.count(2) for one in _by_method(tally, method)) for method in Method}
    assert min(twice.values()) > 0
    assert tally.duplicated.count == twice[Method.POST]
    assert tally.replayed.count == twice[Method.GET] + twice[Method.KEYED_POST]
    assert tally.duplicated.first[0].what == "carried out 2 times: r1, r1"


@pytest.mark.parametrize("kinds", ENGINES)
def test_a_replica_that_mixes_bodies_up_is_found_and_the_owner_named(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    with replica(tmp_path, behaviour=Behaviour(swapped=0.2)) as origin:
        tally = tally_of(tmp_path, [origin.address], [origin], _flows(kinds))
    assert tally.mixed_up.count > 0
    assert tally.mixed_up.count == sum(len(one.reasons) for one in tally.fates)
    assert tally.mixed_up.first[0].what.startswith(f"the answer has what belongs to {kinds[0]}"[:36])
    assert _verdicts(list(tally.fates)) == {Verdict.OK, Verdict.LOST}


def test_a_replica_that_only_pretends_is_found(tmp_path: Path) -> None:
    with replica(tmp_path, behaviour=Behaviour(dropped=0.2)) as origin:
        tally = tally_of(tmp_path, [origin.address], [origin], _flows((Kind.KEPT,)))
    assert tally.unexecuted.count == sum(one.executions.count(0) for one in tally.fates) > 0
    assert _reasons(list(tally.fates)) == set()


@pytest.mark.parametrize("kinds", ENGINES)
def test_an_answer_cut_short_is_lost_though_carried_out(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    with replica(tmp_path, behaviour=Behaviour(truncated=1.0)) as origin:
        tally = tally_of(tmp_path, [origin.address], [origin], _flows(kinds, (Method.GET, Method.POST)))
    assert _reasons(list(tally.fates)) == {CUT_SHORT}
    assert _verdicts(list(tally.fates)) == {Verdict.LOST}
    assert all(0 not in one.executions for one in tally.fates)


@pytest.mark.parametrize("kinds", ENGINES)
def test_an_error_is_lost_and_not_carried_out(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    with replica(tmp_path, behaviour=Behaviour(errors=1.0, error_status=500)) as origin:
        tally = tally_of(tmp_path, [origin.address], [origin], _flows(kinds))
    assert _reasons(list(tally.fates)) == {"500"}
    assert _verdicts(list(tally.fates)) == {Verdict.LOST}
    assert all(set(one.executions) == {0} for one in tally.fates)


@pytest.mark.parametrize("kinds", ENGINES)
def test_a_reset_loses_a_get_and_leaves_a_post_unknown(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    with replica(tmp_path, behaviour=Behaviour(resets=1.0)) as origin:
        tally = tally_of(tmp_path, [origin.address], [origin], _flows(kinds))
    assert _reasons(list(tally.fates)) == {RESET}
    assert _verdicts(_by_method(tally, Method.GET)) == {Verdict.LOST}
    assert _verdicts(_by_method(tally, Method.POST)) == {Verdict.UNKNOWN}
    assert all(0 not in one.executions for one in tally.fates)


@pytest.mark.parametrize("kinds", ENGINES)
def test_where_nobody_listens_nothing_was_sent(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    tally = tally_of(tmp_path, [str(refused_address())], [], _flows(kinds))
    assert _reasons(list(tally.fates)) == {REFUSED}
    assert _verdicts(list(tally.fates)) == {Verdict.LOST}


def test_a_plain_client_goes_on_to_the_next_address_when_one_refuses(tmp_path: Path) -> None:
    with replica(tmp_path) as origin:
        addresses = [str(refused_address()), origin.address]
        tally = tally_of(tmp_path, addresses, [origin], _flows((Kind.KEPT, Kind.FRESH)))
    assert _reasons(list(tally.fates)) == set()


@pytest.mark.parametrize("kinds", ENGINES)
def test_the_load_goes_on_while_the_service_hangs(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    """A closed loop would have asked as often as it has room, and called that all there was to lose."""
    flows = _flows(kinds, (Method.GET,), rate=30.0)
    with replica(tmp_path) as origin:
        with load(tmp_path, [origin.address], flows, seconds=2.0, deadline_s=0.5) as running:
            running.until(0.5)
            origin.process.send_signal(signal.SIGSTOP)
            running.end()
        origin.process.send_signal(signal.SIGCONT)
    tally = collect([running.log], [origin.log])
    for one in tally.fates:
        assert len(one.due_s) == 60
        assert set(one.reasons.values()) <= {SILENT, "unreachable"}
        assert one.verdicts.count(Verdict.LOST) >= 30


def test_a_half_open_replica_is_silent_and_comes_back_with_a_reset(tmp_path: Path) -> None:
    with replica(tmp_path) as origin, load(tmp_path, [origin.address], _flows((Kind.KEPT,)), seconds=4.0) as running:
        running.until(1.0)
        origin.behave(Behaviour(half_open=True))
        running.until(2.0)
        origin.behave(None)
        running.end()
    tally = collect([running.log], [origin.log])
    for one in tally.fates:
        assert set(one.reasons.values()) == {RESET}
        assert one.verdicts[0] == one.verdicts[-1] == Verdict.OK


def test_what_a_killed_replica_wrote_down_outlives_it(tmp_path: Path) -> None:
    flows = _flows((Kind.KEPT, Kind.FRESH))
    with replica(tmp_path) as origin, load(tmp_path, [origin.address], flows, seconds=3.0) as running:
        running.until(0.7)
        origin.kill()
        running.until(1.0)
        origin.start()
        running.end()
    tally = collect([running.log], [origin.log])
    assert tally.unexecuted.count == tally.strays.count == 0
    assert REFUSED in _reasons(list(tally.fates))
    assert all(one.verdicts[-1] == Verdict.OK for one in tally.fates)


@pytest.mark.parametrize("kinds", ENGINES)
def test_a_frozen_client_is_not_a_loss_of_the_service(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    flows = _flows(kinds, (Method.GET,), rate=30.0)
    with replica(tmp_path) as origin, load(tmp_path, [origin.address], flows, seconds=2.0, deadline_s=0.3) as running:
        running.until(0.5)
        running.signal(signal.SIGSTOP)
        running.until(1.5)
        running.signal(signal.SIGCONT)
        running.end()
    tally = collect([running.log], [origin.log])
    assert any(one.until_s - one.from_s > 0.9 for one in tally.starved)
    assert any(Verdict.VOID in one.verdicts for one in tally.fates)
    assert _verdicts(list(tally.fates)) <= {Verdict.OK}


def test_a_killed_client_leaves_requests_that_nobody_can_judge(tmp_path: Path) -> None:
    flows = _flows((Kind.KEPT,))
    with replica(tmp_path) as origin:
        with load(tmp_path, [origin.address], flows) as running:
            running.until(1.0)
        tally = collect([running.log], [origin.log])
    assert all(one.reasons[len(one.due_s) - 1] == CLIENT_DIED for one in tally.fates)
    assert _verdicts(list(tally.fates)) == {Verdict.OK}
    assert all(one.verdicts[-1] == Verdict.VOID for one in tally.fates)


@pytest.mark.parametrize("kinds", ENGINES)
def test_what_there_is_no_room_for_is_lost_and_was_not_sent(tmp_path: Path, kinds: tuple[Kind, ...]) -> None:
    flows = _flows(kinds, (Method.POST,), rate=30.0)
    silent = replica(tmp_path, behaviour=Behaviour(silent=1.0))
    with silent as origin, load(tmp_path, [origin.address], flows, in_flight_max=5) as running:
        running.end()
    tally = collect([running.log], [origin.log])
    for one in tally.fates:
        told = {(reason, Verdict(one.verdicts[number])) for number, reason in one.reasons.items()}
        told -= {(NO_ROOM, Verdict.VOID), (SILENT, Verdict.VOID)}
        assert told == {(NO_ROOM, Verdict.LOST), (SILENT, Verdict.UNKNOWN)}


def test_a_replica_that_ends_answers_who_has_connected_before_it_listens_no_more(tmp_path: Path) -> None:
    """Or a restart would reset requests that nobody may send again."""
    with replica(tmp_path) as origin:
        origin.process.send_signal(signal.SIGTERM)
        with socket.create_connection(("127.0.0.1", origin.port)) as early:
            wait_for(lambda: _is_refused(origin.port), "the end of the listener")
            early.sendall(b"GET /small/flow-1 HTTP/1.1\r\nHost: shop\r\nX-Lbmesh-Drill-Id: flow-1\r\n\r\n")
            answer = b"".join(iter(lambda: early.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in answer
        assert origin.process.wait(5.0) == 0


def _is_refused(port: int) -> bool:
    """While the replica lets go of its listener nobody is heard at all."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.05).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    return False
