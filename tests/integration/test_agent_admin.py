"""The admin server of a real agent: what it answers, what it refuses, and that it is not held up."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbmesh.admin.client import Asked
from lbmesh.admin.explain import run_explain
from lbmesh.admin.status import run_status
from lbmesh.agent.limits import ADMIN_CONNECTIONS_MAX, ADMIN_HEAD_BYTES_MAX
from lbmesh.control.link import Hello, ReplicaTelemetry, RequestTelemetry, Telemetry
from lbmesh.control.processes import Ready
from lbmesh.model.service import ReplicaId
from tests.support.agents import AgentProcess, config, running_agent
from tests.support.origins import refused_address
from tests.support.wait import wait_for

REPLICA = refused_address()
TOKEN = "s3cret-token-of-this-test"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    with running_agent(tmp_path, config([REPLICA])) as running:
        assert running.answer() == Ready()
        yield running


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[AgentProcess]:
    """An agent that wants a token."""
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    text = config([REPLICA]).replace('bind = "127.0.0.1:2"', f'bind = "127.0.0.1:2"\ntoken_file = "{token_file}"')
    with running_agent(tmp_path, text) as running:
        assert running.answer() == Ready()
        yield running


def raw(agent: AgentProcess, data: bytes) -> bytes:
    """Send bytes on a new connection, and read to its end."""
    with socket.create_connection((agent.admin.host, agent.admin.port), timeout=20) as connection:
        connection.sendall(data)
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return answer


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/livez", "GET", 200),
        ("/livez?verbose", "GET", 200),
        ("/livez", "HEAD", 200),
        ("/livez", "POST", 405),
        ("/v1/state", "DELETE", 405),
        ("/", "GET", 404),
        ("/v1/", "GET", 404),
        ("/readyz", "HEAD", 503),
    ],
)
def test_paths_and_methods(agent: AgentProcess, path: str, method: str, status: int) -> None:
    found, body = agent.get(path, method)
    assert found == status
    assert (body == "") is (method == "HEAD")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nA: " + b"a" * ADMIN_HEAD_BYTES_MAX, b"431"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", b"200"),
        (b"GET /livez HTTP/1.0\r\n\r\n", b"200"),
    ],
)
def test_a_connection_that_cannot_go_on_is_answered_and_closed(agent: AgentProcess, data: bytes, status: bytes) -> None:
    answer = raw(agent, data)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"onnection: close" in answer


def test_a_connection_carries_several_requests(agent: AgentProcess) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = raw(agent, request * 2 + b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 3


def test_connections_are_bounded_and_given_back(agent: AgentProcess) -> None:
    held = [socket.create_connection((agent.admin.host, agent.admin.port)) for _ in range(ADMIN_CONNECTIONS_MAX)]
    for connection in held:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    with socket.create_connection((agent.admin.host, agent.admin.port), timeout=20) as one_more:
        assert one_more.recv(1) == b""
    for connection in held:
        connection.close()
    wait_for(lambda: _is_answered(agent), "room again")


def _is_answered(agent: AgentProcess) -> bool:
    try:
        return agent.get("/livez")[0] == 200
    except OSError:
        return False


def test_a_token_guards_what_the_node_believes(guarded: AgentProcess) -> None:
    assert guarded.get("/livez")[0] == 200
    assert guarded.get("/v1/state")[0] == 401
    assert guarded.get("/metrics", headers={"Authorization": "Bearer wrong"})[0] == 401
    assert guarded.get("/metrics", headers={"Authorization": f"bearer {TOKEN}"})[0] == 200


def test_status_prints_the_picture(agent: AgentProcess, capsys: pytest.CaptureFixture[str]) -> None:
    agent.link().view_with("down")
    assert run_status(Asked(agent.admin), as_json=False) == 0
    printed = capsys.readouterr().out
    assert "lb-a1 in zone-a" in printed
    assert "not ready: no forwarder serves a View yet" in printed
    assert f"shop/{REPLICA}" in printed
    assert "connection refused" in printed
    assert run_status(Asked(agent.admin), as_json=True) == 0
    assert capsys.readouterr().out.startswith('{"node": {"name": "lb-a1"')


def test_status_says_what_to_do_when_it_cannot_ask(guarded: AgentProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_status(Asked(guarded.admin), as_json=False) == 1
    assert "--token-file" in capsys.readouterr().err
    assert run_status(Asked(guarded.admin, TOKEN), as_json=False) == 0
    assert run_status(Asked(refused_address()), as_json=False) == 1
    assert "Is lbmesh running there" in capsys.readouterr().err


def test_metrics_add_up_what_forwarders_say_and_outlive_them(agent: AgentProcess) -> None:
    first = agent.link(0, 100)
    first.say(Hello(0, 100), figures(100, 3))
    wait_for(lambda: " 3\n" in _requests(agent), "first figures")
    first.stream.close()
    second = agent.link(0, 101)
    second.say(Hello(0, 101), figures(101, 2))
    wait_for(lambda: " 5\n" in _requests(agent), "both figures")
    page = agent.get("/metrics")[1]
    assert f'lbmesh_upstream_requests_total{{service="shop",replica="{REPLICA}"}} 5' in page
    assert "lbmesh_member_up" not in page
    assert "lbmesh_build_info{" in page


def figures(pid: int, count: int) -> Telemetry:
    request = RequestTelemetry("shop", "GET", 200, "", count, 0.001 * count, ((40, count),))
    replica = ReplicaTelemetry(ReplicaId("shop", REPLICA), count, 0, 0, 0, 0.001)
    return Telemetry(0, pid, None, 1, 0, 1, 0, (request,), (replica,))


def _requests(agent: AgentProcess) -> str:
    """The line with the number of requests."""
    lines = agent.get("/metrics")[1].splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("http_server_request_duration_seconds_count"))


def test_explain_says_why_and_what_may_have_been_meant(
    agent: AgentProcess, guarded: AgentProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    (replica,) = agent.state()["services"][0]["replicas"]
    name = replica["address"]
    assert run_explain(Asked(agent.admin), "replica", name, as_json=False) == 0
    assert capsys.readouterr().out.startswith(f"shop/{name} is ")
    assert run_explain(Asked(agent.admin), "replica", f"shop/{name}", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["subject"] == f"shop/{name}"
    assert run_explain(Asked(agent.admin), "replica", f"shp/{name}", as_json=False) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"lbmesh explain: no replica shp/{name} is configured here",
        f"  lbmesh explain replica shop/{name}",
    ]
    assert run_explain(Asked(agent.admin), "replica", "app-a1", as_json=False) == 1
    said, meant = capsys.readouterr().err.splitlines()
    assert said.startswith('lbmesh explain: no replica has the name "app-a1"; a replica\'s name is service/address, ')
    assert meant == f"  lbmesh explain replica shop/{name}"
    assert run_explain(Asked(agent.admin), "replica", "\udcff" + "n" * 20_000, as_json=False) == 1
    assert f'no replica has the name "\ufffd{"n" * 98}…"; a replica' in capsys.readouterr().err
    assert run_explain(Asked(agent.admin), "member", "lb-b1", as_json=False) == 1
    assert "lb-a1 is a node alone: it has no [gossip], and so no members" in capsys.readouterr().err
    assert run_explain(Asked(agent.admin), "replica", f"shp/{name}", as_json=True) == 1
    assert json.loads(capsys.readouterr().out) == {
        "error": f"no replica shp/{name} is configured here",
        "meant": [f"lbmesh explain replica shop/{name}"],
    }
    assert run_explain(Asked(guarded.admin), "member", "lb-a1", as_json=False) == 1
    assert "wants its admin token" in capsys.readouterr().err
