"""Where a mesh lives, and which mesh an order goes to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lbmesh.dev.admins import admin_addresses
from lbmesh.dev.configuration import balancer_config, write_key_files
from lbmesh.dev.control_client import send_order
from lbmesh.dev.failure import CannotRunError
from lbmesh.dev.place import meshes_directory, own_place, running_meshes
from lbmesh.dev.verbs import Verb
from lbmesh.dev.world import make_world


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory of this test's own, short enough for sockets."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return meshes_directory()


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_the_place_is_private_and_nothing_is_left(base: Path) -> None:
    with own_place() as place:
        (place / "file").write_text("x")
        assert place.stat().st_mode & 0o777 == base.stat().st_mode & 0o777 == 0o700
        assert running_meshes() == {os.getpid(): place}

    assert not base.exists()


def test_what_a_killed_mesh_left_is_cleared_but_no_living_ones(base: Path) -> None:
    base.mkdir(mode=0o700)
    (base / str(dead_pid()) / "state").mkdir(parents=True)
    (base / str(os.getppid())).mkdir()

    with own_place() as place:
        assert {path.name for path in base.iterdir()} == {place.name, str(os.getppid())}
    assert base.exists()


def test_a_directory_open_to_others_is_refused(base: Path) -> None:
    base.mkdir(mode=0o755)

    with pytest.raises(CannotRunError, match="yours alone"), own_place():
        raise AssertionError("must not come here")
    assert "yours alone" in send_order(Verb.NAMES, "", None).lines[0]


def test_a_path_too_long_for_a_socket_is_told(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = base.parent / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))

    with pytest.raises(CannotRunError, match="too long for a socket"), own_place():
        raise AssertionError("must not come here")


def test_an_order_without_a_mesh_says_how_to_start_one(base: Path) -> None:
    reply = send_order(Verb.KILL, "app-a1", None)

    assert not reply.ok
    assert str(base) in reply.lines[0]


def test_an_order_with_two_meshes_asks_which(base: Path) -> None:
    base.mkdir(mode=0o700)
    for pid in (os.getpid(), os.getppid()):
        (base / str(pid)).mkdir()

    assert "say which with --mesh PID" in send_order(Verb.NAMES, "", None).lines[0]
    nobody = 2**22 + 1
    assert f"no `lbmesh dev` has the process id {nobody}" in send_order(Verb.NAMES, "", nobody).lines[0]


def test_the_admin_addresses_of_all_meshes_are_known(base: Path) -> None:
    assert admin_addresses() == []
    world = make_world(lambda _host, wanted, _transport: wanted)
    with own_place() as place:
        write_key_files(world, place, b"k" * 32)
        for balancer in world.balancers:
            (place / f"{balancer.name}.toml").write_text(balancer_config(balancer, world, place))
        assert admin_addresses() == [str(balancer.admin) for balancer in world.balancers]
    base.mkdir(mode=0o755)
    assert admin_addresses() == []


def test_a_mesh_that_does_not_listen_yet_is_told() -> None:
    with own_place():
        reply = send_order(Verb.NAMES, "", os.getpid())

    assert not reply.ok
    assert "does not answer" in reply.lines[0]
