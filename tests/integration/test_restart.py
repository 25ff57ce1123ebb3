"""A whole node that is killed and started again: it knows at once which replica is dead, from its peers or its disk."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lbmesh.agent.memory_file import FILE_NAME
from lbmesh.model.address import Address
from tests.support.callers_http import SteadyCaller
from tests.support.nodes import Node, running_mesh
from tests.support.origins import OriginConnection, running_origin
from tests.support.wait import wait_for

ZONES = ("zone-a", "zone-b", "zone-c")


class App:
    """A replica that can turn bad: it then fails its probes, and counts every request that still comes."""

    def __init__(self) -> None:
        self.is_bad = False
        self.requests_while_bad = 0

    def behave(self, connection: OriginConnection) -> None:
        while head := connection.read_head():
            if not self.is_bad:
                connection.answer()
                continue
            self.requests_while_bad += b"GET /healthz" not in head
            connection.answer(status=b"503 Bad")


@pytest.fixture
def apps() -> list[App]:
    return [App() for _ in ZONES]


@pytest.fixture
def mesh(tmp_path: Path, apps: list[App]) -> Iterator[tuple[Node, ...]]:
    with ExitStack() as stack:
        addresses = [stack.enter_context(running_origin(app.behave)).address for app in apps]
        replicas = list(zip(addresses, ZONES, strict=True))
        with running_mesh(tmp_path, replicas) as nodes:
            yield nodes


def memory(node: Node) -> Path:
    return node.directory / "state" / FILE_NAME


def make_bad(app: App, mesh: tuple[Node, ...], address: Address) -> None:
    """The replica fails, and every node knows it."""
    app.is_bad = True
    for node in mesh:
        node.wait_availability(address, "down")


def kill(node: Node) -> None:
    """As a power cut would: the sentinel first, and the kernel ends the rest."""
    assert node.process is not None
    os.kill(node.process.pid, signal.SIGKILL)
    node.process.wait(30)


def enough(caller: SteadyCaller, more: int = 300) -> None:
    target = caller.outcomes.total() + more
    wait_for(lambda: caller.outcomes.total() >= target, f"{more} more requests")


@pytest.mark.parametrize("from_disk", [True, False], ids=["from its disk", "from its peers"])
def test_a_restarted_node_never_tries_the_replica_that_the_mesh_knows_is_dead(
    mesh: tuple[Node, ...], apps: list[App], from_disk: bool
) -> None:
    node, *others = mesh
    dead = node.replicas[0][0]
    make_bad(apps[0], mesh, dead)
    wait_for(lambda: b'"down"' in memory(node).read_bytes(), "the memory on disk")
    before = apps[0].requests_while_bad
    with SteadyCaller(node.address) as caller:
        enough(caller)
        kill(node)
        if from_disk:
            for other in others:
                kill(other)
        else:
            memory(node).unlink()
        node.start()
        enough(caller)
        node.wait_availability(dead, "down")
    assert caller.outcomes["200"] > 600
    assert apps[0].requests_while_bad == before
    said = "remembered the picture of the last run" if from_disk else "caught up with the mesh"
    assert node.log_lines(said)


def test_a_node_alone_has_its_disk_only_and_never_tries_the_dead_replica(tmp_path: Path, apps: list[App]) -> None:
    """Its own probes come as late after the second start as after the first, up to a quarter of their interval."""
    apps[0].is_bad = True
    with ExitStack() as stack:
        dead, well = (stack.enter_context(running_origin(app.behave)).address for app in apps[:2])
        node = Node(tmp_path, "lb-a1", "zone-a", [(dead, "zone-a"), (well, "zone-a")])
        stack.callback(node.clean_up)
        node.change_config('interval = "500ms"', 'interval = "20s"')
        node.start()
        node.wait_availability(dead, "down")
        node.wait_availability(well, "up")
        wait_for(lambda: {b"up", b"down"} <= set(memory(node).read_bytes().split(b'"')), "the memory on disk")
        before = apps[0].requests_while_bad
        with SteadyCaller(node.address) as caller:
            enough(caller)
            kill(node)
            node.start()
            enough(caller)
    assert apps[0].requests_while_bad == before
    assert node.log_lines("remembered the picture of the last run")


def test_a_node_whose_seeds_are_all_dead_finds_the_mesh_again(mesh: tuple[Node, ...], apps: list[App]) -> None:
    """Two nodes know only a third, which is dead, when they are both restarted; one of them remembers the other."""
    first, dead, last = mesh
    assert not apps[0].is_bad
    wait_for(lambda: str(first.gossip_address) in memory(last).read_text(), "its peers on its disk")
    for node in mesh:
        kill(node)
    memory(first).unlink()
    for node in (first, last):
        node.seeds = (dead.gossip_address,)
        node.write_config()
        node.start()
    for node in (first, last):
        node.wait_all_alive([first.name, last.name])


@pytest.mark.parametrize("junk", [b"", b"\x00" * 4096, b"lbmesh memory 9\nx\n"], ids=["empty", "zeros", "newer"])
def test_a_node_with_a_spoilt_memory_starts_and_says_so(tmp_path: Path, apps: list[App], junk: bytes) -> None:
    with (
        running_origin(apps[0].behave) as origin,
        running_mesh(tmp_path, [(origin.address, "zone-a")], size=1) as (node,),
    ):
        wait_for(memory(node).exists, "the memory on disk")
        kill(node)
        memory(node).write_bytes(junk)
        node.start()
        node.wait_availability(origin.address, "up")
        (said,) = node.log_lines("the memory of the last run is not used")
        assert said["level"] == "warning"
        wait_for(lambda: b'"up"' in memory(node).read_bytes(), "a sound memory in its place")


def test_a_disk_that_refuses_is_told_and_stops_nothing(tmp_path: Path, apps: list[App]) -> None:
    with (
        running_origin(apps[0].behave) as origin,
        running_origin(apps[1].behave) as sibling,
        running_mesh(tmp_path, [(origin.address, "zone-a"), (sibling.address, "zone-a")], size=2) as (node, _),
    ):
        wait_for(memory(node).exists, "the memory on disk")
        obstacle = memory(node).with_name("memory.new")
        obstacle.mkdir()
        make_bad(apps[0], (node,), origin.address)
        wait_for(lambda: [one for one in node.state()["notices"] if one["kind"] == "memory"], "the notice")
        assert len([line for line in node.log_lines("memory") if line["level"] == "warning"]) == 1
        assert b'lbmesh_memory_writes_total{outcome="failed"}' in node.get("/metrics")[1]
        assert node.get("/readyz")[0] == 200
        obstacle.rmdir()
        wait_for(lambda: not node.state()["notices"], "the end of the notice")
        assert b'"down"' in memory(node).read_bytes()
