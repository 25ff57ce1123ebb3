"""A real node's nameserver over UDP and TCP: what it answers, what it survives, what is told of it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from lbmesh.model.address import Address
from lbmesh.nameserver.limits import CONNECTIONS_PER_HOST_MAX
from tests.support.dns_zone import addresses, query
from tests.support.nodes import Node
from tests.support.wait import PATIENCE_S, wait_for

SHOP = "app.mesh.example.com"
FRONTS = {"203.0.113.10": "zone-a", "203.0.113.20": "zone-b", "2001:db8::10": "zone-a"}


def dns_section(bind: str = '"127.0.0.1:0"', ttl: str = "5s") -> str:
    """[dns] with fronts that nothing moves."""
    fronts = "".join(
        f'[[front]]\naddress = "{address}"\nzone = "{zone}"\ndriver = "none"\n' for address, zone in FRONTS.items()
    )
    return f"""{fronts}
[dns]
bind = [{bind}]
zone = "mesh.example.com"
ttl = "{ttl}"
name_servers = {{ "ns-a.mesh.example.com" = ["192.0.2.1"] }}
"""


def dns_ports(node: Node) -> list[int]:
    """The ports of its UDP sockets, in the order of the configuration."""
    (line,) = node.log_lines("node starts")
    return [int(one.rpartition(":")[2]) for one in line["dns"] if one.startswith("udp")]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One that is alone, and answers on an address, on all of IPv4 and on all of IPv6."""
    running = Node(tmp_path_factory.mktemp("dns"), "lb-a1", "zone-a", [(Address("127.0.0.1", 1), "zone-a")])
    running.write_config(dns_section('"127.0.0.1:0", "0.0.0.0:0", "[::]:0"'))
    try:
        running.start()
        wait_for(lambda: asked(running).answer, "an answer")
        yield running
    finally:
        running.clean_up()


def asked(node: Node, kind: str = "A", **how: object) -> dns.message.Message:
    """The answer over UDP; dnspython checks where it comes from."""
    return dns.query.udp(query(SHOP, kind, **how), "127.0.0.1", timeout=PATIENCE_S, port=dns_ports(node)[0])


def test_a_name_has_the_fronts_of_both_families(node: Node) -> None:
    assert set(addresses(asked(node))) == {"203.0.113.10", "203.0.113.20"}
    assert addresses(asked(node, "AAAA")) == ["2001:db8::10"]


@pytest.mark.parametrize(("place", "there"), [(1, "127.0.0.9"), (2, "::1")])
def test_an_answer_comes_from_the_address_that_was_asked(node: Node, place: int, there: str) -> None:
    """127.0.0.9 is not the address that the way back begins with. dnspython takes no answer from another one."""
    answer = dns.query.udp(query(SHOP), there, timeout=PATIENCE_S, port=dns_ports(node)[place])
    assert len(answer.answer[0]) == 2


def test_queries_on_one_connection_are_all_answered_in_order(node: Node) -> None:
    messages = [query(SHOP, kind) for kind in ("A", "AAAA", "HTTPS", "A")]
    wires = [message.to_wire() for message in messages]
    stream = b"".join(len(wire).to_bytes(2, "big") + wire for wire in wires)
    with socket.create_connection(("127.0.0.1", dns_ports(node)[0]), PATIENCE_S) as connection:
        # In pieces, one of which ends within a length.
        for piece in (stream[:1], stream[1:50], stream[50:]):
            connection.sendall(piece)
        for message in messages:
            answer, _ = dns.query.receive_tcp(connection)
            assert message.is_response(answer)


def test_what_is_no_query_ends_a_connection(node: Node) -> None:
    with socket.create_connection(("127.0.0.1", dns_ports(node)[0]), PATIENCE_S) as connection:
        connection.sendall(b"\0\x05hello")
        assert connection.recv(100) == b""


def test_one_host_has_so_many_connections_and_no_more(node: Node) -> None:
    port = dns_ports(node)[0]
    held = []
    try:
        for _ in range(CONNECTIONS_PER_HOST_MAX):
            held.append(socket.create_connection(("127.0.0.1", port), PATIENCE_S))
            dns.query.send_tcp(held[-1], query(SHOP))
            dns.query.receive_tcp(held[-1])
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as one_more:
            assert one_more.recv(1) == b""
    finally:
        for connection in held:
            connection.close()
    wait_for(lambda: b"lbmesh_dns_connections 0\n" in node.get("/metrics")[1], "no connection any more")


def test_a_frozen_agent_takes_no_name_away(node: Node) -> None:
    agent = node.child_pid("agent")
    os.kill(agent, signal.SIGSTOP)
    try:
        assert addresses(asked(node))
    finally:
        os.kill(agent, signal.SIGCONT)


def test_a_killed_agent_takes_no_name_away_and_its_successor_is_heard(node: Node) -> None:
    generation = node.state()["node"]["generation"]
    node.kill_agent()
    assert addresses(asked(node))
    expected = f"{generation + 1}."
    wait_for(lambda: (node.state().get("dns") or {}).get("picture", "").startswith(expected), "a picture of the next")
    lines = wait_for(
        lambda: [line for line in node.log_lines("answers from a new picture") if line["version"].startswith(expected)],
        "the nameserver to hear of it",
    )
    assert lines[0]["process"] == "nameserver"


def test_a_killed_nameserver_has_a_successor_on_the_same_sockets(node: Node) -> None:
    nameserver = node.child_pid("nameserver")
    os.kill(nameserver, signal.SIGKILL)
    # The sockets are the sentinel's: the query waits in one of them until the next nameserver reads it.
    assert wait_for(lambda: asked(node).answer, "an answer")
    assert node.child_pid("nameserver") != nameserver


def test_status_and_metrics_tell_of_it(node: Node) -> None:
    assert asked(node).answer
    told = node.state()["dns"]
    assert told["zone"] == "mesh.example.com"
    assert {one["address"]: one["published"] for one in told["addresses"]} == dict.fromkeys(FRONTS, True)
    assert set(told["answers"][SHOP]) == set(FRONTS)
    wait_for(lambda: b'lbmesh_dns_answers_total{rcode="NOERROR"}' in node.get("/metrics")[1], "figures")
    assert b'lbmesh_dns_address_published{address="203.0.113.10",zone="zone-a"} 1\n' in node.get("/metrics")[1]
    host, port = node.sockets.admin.getsockname()
    command = [sys.executable, "-m", "lbmesh", "status", "--admin", f"{host}:{port}"]
    status = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert "DNS zone mesh.example.com" in status.stdout


def test_a_reload_changes_what_is_answered(node: Node) -> None:
    before = node.config.read_text()
    try:
        node.config.write_text(before.replace('ttl = "5s"', 'ttl = "7s"') + '[dns.names]\n"@" = ["203.0.113.20"]\n')
        node.reload()
        apex = query("mesh.example.com")
        port = dns_ports(node)[0]
        answer = wait_for(
            lambda: dns.query.udp(apex, "127.0.0.1", timeout=PATIENCE_S, port=port).answer, "the zone's own address"
        )
        assert answer[0].ttl == 7
    finally:
        node.config.write_text(before)
        node.reload()


def test_a_reload_that_would_bind_anew_is_refused(node: Node) -> None:
    before = node.config.read_text()
    try:
        node.config.write_text(before.replace('"[::]:0"', '"[::1]:0"'))
        assert node.process is not None
        node.process.send_signal(signal.SIGHUP)
        refused = wait_for(lambda: not (node.state().get("reload") or {"ok": True})["ok"], "a refusal")
        assert refused
        assert "dns.bind" in node.state()["reload"]["errors"][0]
    finally:
        node.config.write_text(before)
