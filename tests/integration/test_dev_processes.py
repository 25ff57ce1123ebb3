"""The parts of `lbmesh dev` that are processes: groups, the sample shop, the session's end."""

import io
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing

from lbmesh.dev.failure import CannotRunError
from lbmesh.dev.launcher import PROGRAM
from lbmesh.dev.processes import ProcessGroup, adopting_orphans
from lbmesh.dev.session import run_session
from lbmesh.dev.terminal import Terminal
from tests.support.sentinel import group_members
from tests.support.wait import wait_for

ORDER = {"item": "pretzel", "count": 2}
SLEEPER = "import time; time.sleep(600)"
TREE = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{SLEEPER}']); {SLEEPER}"


@contextmanager
def group(*command: str, log: Path, listen_fd: int | None = None) -> Iterator[ProcessGroup]:
    with adopting_orphans():
        started = ProcessGroup(command, log, listen_fd)
        try:
            yield started
        finally:
            started.signal(signal.SIGKILL)
            wait_for(started.reap, "end of the group")


def test_a_group_is_killed_and_reaped_whole(tmp_path: Path) -> None:
    with group(sys.executable, "-c", TREE, log=tmp_path / "log") as tree:
        wait_for(lambda: len(group_members(tree.pid)) == 2, "child of the child")
        assert not tree.reap()

        tree.signal(signal.SIGSTOP)
        tree.signal(signal.SIGKILL)
        wait_for(tree.reap, "end of the group")

        assert not Path(f"/proc/{tree.pid}").exists()
        assert group_members(tree.pid) == []
        assert tree.how_it_ended == signal.SIGKILL
        tree.signal(signal.SIGKILL)


def test_a_process_writes_to_its_log(tmp_path: Path) -> None:
    program = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    with group(sys.executable, "-c", program, log=tmp_path / "log") as short:
        wait_for(short.reap, "end of the program")

        assert (tmp_path / "log").read_text() == "out\nerr\n"
        assert short.how_it_ended == 0


@contextmanager
def shop(directory: Path, listener: socket.socket) -> Iterator[ProcessGroup]:
    command = (
        *(*PROGRAM, "dev", "internal-replica", "--parent", str(os.getpid())),
        *("--name", "app-a1", "--zone", "zone-a", "--listen-fd", str(listener.fileno())),
        *("--journal", str(directory / "orders")),
    )
    with group(*command, log=directory / "log", listen_fd=listener.fileno()) as replica:
        yield replica


def test_orders_outlive_a_kill(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, httpx.Client(timeout=30) as client:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/orders"
        key = {"Idempotency-Key": "k-1"}
        with shop(tmp_path, listener):
            assert client.post(url, json=ORDER, headers=key).status_code == 201
            assert client.post(url, json=ORDER, headers=key).json()["again"] is True
            assert client.head(url).content == b""
            assert client.post(url, content=b"x" * 10_000, headers=key).status_code == 413

        with shop(tmp_path, listener):
            known = client.post(url, json=ORDER, headers=key)
            assert (known.status_code, known.headers["X-Replica"]) == (200, "app-a1")


def test_a_shop_survives_what_is_not_http(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, shop(tmp_path, listener):
        address = listener.getsockname()
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(b"\x16\x03\x01 not http\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 400"
        assert httpx.get(f"http://127.0.0.1:{address[1]}/healthz", timeout=30).status_code == 200


def test_a_child_started_for_a_parent_that_is_gone_ends_at_once(tmp_path: Path) -> None:
    command = (*PROGRAM, "dev", "internal-balancer", "--parent", "1", "--config", str(tmp_path / "none.toml"))
    with group(*command, log=tmp_path / "log") as orphan:
        wait_for(orphan.reap, "end of the orphan")

        assert "the process that started this one is gone" in (tmp_path / "log").read_text()


def test_a_session_tells_why_it_cannot_run() -> None:
    out = io.StringIO()

    async def body() -> int:
        async with trio.open_nursery():
            raise CannotRunError("the address is missing: add it")

    assert run_session(body, Terminal(out)) == 1
    assert out.getvalue() == "the address is missing: add it\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_session_cleans_up_at_a_signal_and_a_second_one_does_not_disturb_it(number: signal.Signals) -> None:
    cleaned = []

    async def body() -> int:
        try:
            os.kill(os.getpid(), number)
            await trio.sleep_forever()
        finally:
            os.kill(os.getpid(), number)
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked()
            cleaned.append(True)
        return 0

    assert run_session(body, Terminal(io.StringIO())) == 128 + number
    assert cleaned == [True]


def test_a_bug_is_not_hidden() -> None:
    async def body() -> int:
        raise ZeroDivisionError

    with pytest.raises(BaseExceptionGroup) as caught:
        run_session(body, Terminal(io.StringIO()))
    assert caught.group_contains(ZeroDivisionError)
