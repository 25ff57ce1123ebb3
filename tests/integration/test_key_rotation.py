"""A rotation of the gossip's keys in a mesh of real nodes, from one of them, while requests run."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lbmesh.config.key_file import gossip_keys
from lbmesh.gossip.identity import key_id
from tests.support.callers_http import SteadyCaller
from tests.support.nodes import GOSSIP_KEY, Node, running_mesh
from tests.support.origins import answering, running_origin
from tests.support.wait import wait_for

OLD = key_id(bytes.fromhex(GOSSIP_KEY)).hex()


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[tuple[Node, ...]]:
    with running_origin(answering()) as origin, running_mesh(tmp_path, [(origin.address, "zone-a")]) as nodes:
        yield nodes


def lbmesh_keys(node: Node, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lbmesh", "keys", *words, "-c", str(node.config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def key_file(node: Node) -> Path:
    return node.directory / "gossip.key"


def ids_in_file(node: Node) -> list[str]:
    return [key_id(key).hex() for key in gossip_keys(key_file(node).read_text())]


def ring(node: Node) -> dict[str, Any]:
    status, body = node.get("/v1/keys")
    return json.loads(body) if status == 200 else {"primary": None, "members": []}


def is_primary(node: Node, key: str) -> bool:
    return bool(ring(node)["primary"] == key)


def has_in_file(node: Node, keys: list[str]) -> bool:
    return ids_in_file(node) == keys


def rejected(node: Node) -> int:
    return sum(node.state()["gossip"].get(f"rejected_{reason}", 0) for reason in ("unknown_key", "forged"))


@pytest.mark.alone
def test_a_rotation_costs_no_request_and_no_datagram_and_outlives_agents_and_nodes(mesh: tuple[Node, ...]) -> None:
    first, second, third = mesh
    key_file(second).write_text(f"# made in May\n{GOSSIP_KEY}\n")
    with ExitStack() as stack:
        callers = [stack.enter_context(SteadyCaller(node.address)) for node in mesh]
        done = lbmesh_keys(first, "rotate")
        assert done.returncode == 0, done.stderr
        assert [line.split()[0] for line in done.stdout.splitlines()] == [
            "install", "wait", "use", "wait", "remove", "wait",
        ]  # fmt: skip
        new = done.stdout.split()[2]
        for node in mesh:
            assert ids_in_file(node) == [new]
            assert rejected(node) == 0
        assert key_file(second).read_text().startswith("# made in May\n")

        third.kill_agent()
        for node in mesh:
            node.wait_all_alive([each.name for each in mesh])
        assert ring(third)["primary"] == new
        third.reload()
        assert rejected(first) == rejected(second) == 0
    for caller in callers:
        assert set(caller.outcomes) == {"200"}
    second.end()
    second.start()
    for node in mesh:
        node.wait_all_alive([each.name for each in mesh])
    wait_for(lambda: len(ring(first)["keys"]) == 1, "end of the removed key")
    shown = lbmesh_keys(first)
    assert shown.stdout == f"{new}  held by all 3 live members; primary of all 3 live members\n"


def test_an_agent_that_dies_before_it_has_written_the_file_hands_its_ring_on(mesh: tuple[Node, ...]) -> None:
    first, _, third = mesh
    key_file(third).chmod(0o400)
    done = lbmesh_keys(first, "rotate", "--json")
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    new = steps[0]["key"]
    assert done.returncode == 1
    assert all(step["done"] for step in steps[:-1])
    assert third.name in steps[-1]["error"]
    assert ids_in_file(third) == [OLD]
    assert any("is read-only (mode 0400)" in notice["what"] for notice in third.state()["notices"])
    assert "in memory only" in lbmesh_keys(first).stdout
    third.kill_agent()
    wait_for(lambda: ring(third)["primary"] == new, "the rotated ring")
    third.reload()
    assert ring(third)["primary"] == new, "a file that could not be written is no operator's wish"
    key_file(third).chmod(0o600)
    assert lbmesh_keys(third, "install", new).returncode == 0
    forced = lbmesh_keys(first, "remove", OLD, "--force")
    assert forced.returncode == 0, forced.stderr
    wait_for(lambda: [ids_in_file(node) for node in mesh] == [[new]] * 3, "the files")


def test_a_key_that_an_operator_writes_into_one_file_is_taken_by_all_with_a_reload(mesh: tuple[Node, ...]) -> None:
    first = mesh[0]
    own = bytes(range(32))
    key_file(first).write_text(f"{own.hex()}  # ours\n{GOSSIP_KEY}\n")
    first.reload()
    new = key_id(own).hex()
    for node in mesh:
        wait_for(partial(is_primary, node, new), "the operator's key")
        wait_for(partial(has_in_file, node, [new, OLD]), "the key file")
    assert f"{own.hex()}  # ours\n" in key_file(first).read_text()


def test_a_use_that_would_leave_somebody_behind_is_refused_in_words(mesh: tuple[Node, ...]) -> None:
    refused = lbmesh_keys(mesh[0], "use", "deadbeef")
    assert refused.returncode == 1
    assert refused.stderr == f'lbmesh keys: no key "deadbeef" is held here; there are {OLD}\n'
    assert lbmesh_keys(mesh[0], "remove").returncode == 1
