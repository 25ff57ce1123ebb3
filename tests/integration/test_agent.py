"""A real agent: Views, probes, passive evidence, inheritance, reload, its end."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lbmesh.control.lines import LINE_BYTES_MAX
from lbmesh.control.link import Hello, ReplicaFailure, Viewed
from lbmesh.control.processes import AGENT_SLOT, Leave, Left, Ready, Reload, Reloaded
from lbmesh.model.health import Availability
from lbmesh.model.service import ReplicaId
from lbmesh.model.view import View, ViewVersion
from tests.support.agents import AgentProcess, TestForwarder, config, key_file, running_agent, udp_socket
from tests.support.forwarders import a_view
from tests.support.origins import (
    Behaviour,
    Origin,
    OriginConnection,
    answering,
    refused_address,
    running_origin,
    silent_address,
)
from tests.support.wait import wait_for


@pytest.fixture
def origin() -> Iterator[Origin]:
    with running_origin(answering()) as running:
        yield running


@pytest.fixture
def agent(tmp_path: Path, origin: Origin) -> Iterator[AgentProcess]:
    """A started agent with one replica that answers."""
    with running_agent(tmp_path, config([origin.address])) as running:
        assert running.answer() == Ready()
        yield running


def acknowledge(forwarder: TestForwarder, view: View) -> None:
    forwarder.say(Hello(forwarder.worker, forwarder.pid), Viewed(view.version))


def test_a_forwarder_gets_the_view_and_its_word_makes_the_node_ready(agent: AgentProcess) -> None:
    assert agent.get("/readyz") == (503, "no forwarder serves a View yet\n")
    forwarder = agent.link()
    view = forwarder.view_with("up")
    assert view.version.generation == 1
    assert (view.node, view.zone) == ("lb-a1", "zone-a")
    acknowledge(forwarder, view)
    wait_for(lambda: agent.get("/readyz") == (200, "ready\n"), "readiness")
    assert agent.get("/livez") == (200, "alive\n")
    (shown,) = agent.state()["forwarders"]
    assert (shown["pid"], shown["view"], shown["current"]) == (4711, str(view.version), True)


def test_the_agent_stamps_its_tick(agent: AgentProcess) -> None:
    wait_for(lambda: agent.board.age_s(AGENT_SLOT) is not None, "first stamp")
    agent.board.clear(AGENT_SLOT)
    wait_for(lambda: agent.board.age_s(AGENT_SLOT) is not None, "next stamp")


def answering_status(status: bytes) -> Behaviour:
    def behave(connection: OriginConnection) -> None:
        while connection.read_head():
            connection.answer(b"" if status.startswith(b"204") else b"x", status=status)

    return behave


@pytest.mark.parametrize(
    ("status", "availability"),
    [(b"204 No Content", "up"), (b"302 Found", "up"), (b"404 Not Found", "down"), (b"503 Busy", "down")],
)
def test_a_probe_judges_by_status(tmp_path: Path, status: bytes, availability: str) -> None:
    with (
        running_origin(answering_status(status)) as origin,
        running_origin(answering_status(b"200 OK")) as sibling,
        running_agent(tmp_path, config([origin.address, sibling.address])) as agent,
    ):
        view = agent.link().view_with(availability, "up")
    wanted = "" if availability == "up" else ", wanted 200-399"
    assert view.services[0].replicas[0].reason == f"status {status[:3].decode()}{wanted}"


def test_a_probe_tells_refusal_from_silence_from_nonsense(tmp_path: Path) -> None:
    def nonsense(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"SSH-2.0-whatever\r\n\r\n")

    def close_at_once(connection: OriginConnection) -> None:
        connection.read_head()

    def close_unread(connection: OriginConnection) -> None:
        connection.read_exactly(1)

    def cut(connection: OriginConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")

    with (
        silent_address() as silent,
        running_origin(nonsense) as odd,
        running_origin(close_at_once) as closing,
        running_origin(close_unread) as resetting,
        running_origin(cut) as cutting,
    ):
        origins = [odd, closing, resetting, cutting]
        replicas = [refused_address(), silent, *(origin.address for origin in origins)]
        with running_agent(tmp_path, config(replicas)) as agent:
            view = agent.link().view_with(*["down"] * 6)
    assert [one.reason for one in view.services[0].replicas] == [
        "connection refused",
        "no connection within 0.15s",
        "not HTTP: illegal status line",
        *["connection closed before a whole answer"] * 3,
    ]


def while_set(alive: threading.Event) -> Behaviour:
    """Answer while the event is set, else close without a word."""

    def behave(connection: OriginConnection) -> None:
        while connection.read_head() and alive.is_set():
            connection.answer()

    return behave


def test_a_replica_that_dies_is_down_and_one_that_comes_back_is_up(tmp_path: Path) -> None:
    alive = threading.Event()
    alive.set()
    with running_origin(while_set(alive)) as origin, running_agent(tmp_path, config([origin.address])) as agent:
        forwarder = agent.link()
        forwarder.view_with("up")
        alive.clear()
        forwarder.view_with("down")
        alive.set()
        forwarder.view_with("up")


def test_three_failed_connections_take_a_replica_out_before_its_next_probe(tmp_path: Path) -> None:
    alive = threading.Event()
    alive.set()
    slow = '{ path = "/healthz", interval = "60s", timeout = "150ms" }'
    with (
        running_origin(while_set(alive)) as origin,
        running_agent(tmp_path, config([origin.address], health=slow)) as agent,
    ):
        forwarder = agent.link()
        failure = ReplicaFailure(ReplicaId("shop", origin.address), "connect_refused")
        forwarder.say(failure)
        forwarder.view_with("up")
        alive.clear()
        forwarder.say(failure, failure, failure)
        view = forwarder.view_with("down")
    assert view.services[0].replicas[0].reason == "requests failed: connect_refused"


def test_every_kind_of_check_works_in_an_agent_and_a_reload_changes_it(tmp_path: Path, origin: Origin) -> None:
    def with_check(keys: str) -> str:
        return config(
            [origin.address], health=f'{{ interval = "400ms", timeout = "400ms", fall = 1, rise = 1, {keys} }}'
        )

    checks = {
        'kind = "tcp"': ("up", "connected"),
        'body = "fine"': (
            "unknown",
            'all replicas of the service are down, and this one at least answers: body does not contain "fine"',
        ),
        'kind = "grpc"': ("down", "not HTTP/2; is this the replica's gRPC port?"),
        'body = "ok", status = 200': ("up", "status 200"),
        "tls = true": ("down", "TLS: no end of the handshake within 0.4s"),
    }
    first, *others = checks
    with running_agent(tmp_path, with_check(first)) as agent:
        assert agent.answer() == Ready()
        forwarder = agent.link()
        for keys, (availability, reason) in checks.items():
            if keys in others:
                agent.config_file.write_text(with_check(keys))
                agent.order(Reload())
                assert agent.answer() == Reloaded(ok=True)
            view = forwarder.view_with(availability)
            assert view.services[0].replicas[0].reason == reason


def test_a_new_agent_inherits_from_the_forwarders_before_it_publishes(tmp_path: Path, origin: Origin) -> None:
    old = a_view([origin.address], generation=1, number=7, availability=Availability.DOWN)
    shop = replace(old.services[0], name="shop")
    slow = '{ path = "/healthz", interval = "60s", timeout = "150ms" }'
    with running_agent(tmp_path, config([origin.address], health=slow), generation=2) as agent:
        forwarder = agent.link()
        forwarder.say(Hello(0, 4711))
        forwarder.send_view(replace(old, services=(shop,)))
        forwarder.say(Viewed(old.version))
        first = forwarder.next_view()
        assert agent.answer() == Ready()
    assert first.version == ViewVersion(2, 1)
    assert [one.availability for one in first.services[0].replicas] == [Availability.DOWN]
    assert first.services[0].replicas[0].reason.startswith("inherited from View 1.7")


def test_a_new_agent_does_not_wait_long_for_forwarders_that_say_nothing(tmp_path: Path, origin: Origin) -> None:
    with running_agent(tmp_path, config([origin.address]), generation=3) as agent:
        forwarder = agent.link()
        assert forwarder.next_view().version == ViewVersion(3, 1)
        assert agent.answer() == Ready()


def test_a_reload_is_taken_and_seen_in_the_next_view(agent: AgentProcess, origin: Origin) -> None:
    forwarder = agent.link()
    forwarder.view_with("up")
    other = refused_address()
    agent.config_file.write_text(config([origin.address, other]))
    agent.order(Reload())
    assert agent.answer() == Reloaded(ok=True)
    view = forwarder.view_with("up", "down")
    assert view.services[0].replicas[1].replica.address == other
    assert agent.state()["reload"]["ok"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("[node\n", "lbmesh.toml:1"), (config([], more="[dns]\nbind = 1\n"), "dns"), ("[node]\nname = 'other'\n", "")],
)
def test_a_bad_reload_is_refused_with_its_place_and_the_old_settings_stand(
    agent: AgentProcess, text: str, said: str
) -> None:
    forwarder = agent.link()
    view = forwarder.view_with("up")
    agent.config_file.write_text(text)
    agent.order(Reload())
    answer = agent.answer()
    assert isinstance(answer, Reloaded)
    assert not answer.ok
    assert any(said in error for error in answer.errors)
    state = agent.state()
    assert (state["reload"]["ok"], state["reload"]["errors"]) == (False, list(answer.errors))
    assert state["node"]["view"] == str(view.version)


def test_a_change_that_needs_a_restart_is_refused_whole(agent: AgentProcess, origin: Origin) -> None:
    agent.config_file.write_text(config([origin.address, refused_address()]).replace("workers = 1", "workers = 2"))
    agent.order(Reload())
    answer = agent.answer()
    assert isinstance(answer, Reloaded)
    assert len(answer.errors) == 1
    assert "forwarder.workers 1 → 2 needs a restart" in answer.errors[0]
    assert len(agent.state()["services"][0]["replicas"]) == 1


@pytest.mark.parametrize("junk", [b"nonsense\n", b'{"kind":"hello","worker":[]', b"x" * (LINE_BYTES_MAX + 2)])
def test_a_link_that_breaks_the_rules_is_closed_and_the_agent_lives(agent: AgentProcess, junk: bytes) -> None:
    bad, good = agent.link(0, 1), agent.link(1, 2)
    good.view_with("up")
    bad.stream.sendall(junk if junk.startswith(b"x") else junk.rstrip(b"\n") + b"\n")
    wait_for(lambda: [one["worker"] for one in agent.state()["forwarders"]] == [1], "end of the bad link")
    assert "broke the link's rules" in agent.log()


def test_leaving_makes_the_node_unready_but_it_still_answers(agent: AgentProcess) -> None:
    forwarder = agent.link()
    acknowledge(forwarder, forwarder.next_view())
    agent.order(Leave())
    assert agent.answer() == Left()
    assert agent.get("/readyz") == (503, "leaving: this node drains\n")
    assert agent.get("/metrics")[0] == 200
    agent.close_control()
    assert agent.process.wait(20) == 0


def test_the_agent_ends_with_its_sentinel(agent: AgentProcess) -> None:
    agent.close_control()
    assert agent.process.wait(20) == 0


def test_two_agents_meet_and_tell_each_other_what_they_see(tmp_path: Path, origin: Origin) -> None:
    key = key_file(tmp_path)
    with udp_socket() as one, udp_socket() as two:
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, two)]
        texts = [
            config([origin.address], name=f"lb-{zone}", zone=f"zone-{zone}", more=_gossip(own, other, key))
            for zone, own, other in (("a", *addresses), ("b", *reversed(addresses)))
        ]
        with (
            running_agent(tmp_path / "a", texts[0], udp=one) as first,
            running_agent(tmp_path / "b", texts[1], udp=two) as second,
        ):
            one.close()
            two.close()
            assert (first.answer(), second.answer()) == (Ready(), Ready())
            wait_for(lambda: _observers(first) == {"lb-a", "lb-b"}, "opinions of both")
            second.order(Leave())
            wait_for(lambda: _member_states(first) == {"lb-a": "alive", "lb-b": "left"}, "goodbye")


def _gossip(own: str, other: str, key: Path) -> str:
    return f'[gossip]\nbind = "{own}"\nseeds = ["{other}"]\nkey_file = "{key}"\n'


def _observers(agent: AgentProcess) -> set[str]:
    (replica,) = agent.state()["services"][0]["replicas"]
    return {opinion["observer"] for opinion in replica["opinions"]}


def _member_states(agent: AgentProcess) -> dict[str, str]:
    return {member["name"]: member["state"] for member in agent.state()["members"]}
