"""The process that calls EC2, and what an agent sees of its end."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread

import pytest

from lbmesh.drivers.ec2 import caller as ec2_caller
from lbmesh.drivers.ec2.caller import Caller
from lbmesh.drivers.ec2.errors import Ec2Error, Fault
from tests.support import proc
from tests.support.wait import wait_for

pytest.importorskip("boto3")

REGION = "eu-central-1"
ANSWER = b'<DescribeAddressesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><addressesSet/>'
ANSWER += b"</DescribeAddressesResponse>"
HEAD = b"HTTP/1.1 %d Said\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


class Server:
    """Answers every call; when `is_silent`, none. `accepted`: how often it was asked."""

    def __init__(self) -> None:
        self.is_silent = False
        self.status = 200
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._kept: list[socket.socket] = []
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._kept.append(client)
            self.accepted += 1
            if not self.is_silent:
                client.recv(65536)
                client.sendall(HEAD % (self.status, len(ANSWER)) + ANSWER)
                client.close()

    def close(self) -> None:
        for each in (self._listener, *self._kept):
            each.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with closing(Server()) as server:
        yield server


def children() -> set[int]:
    """The processes that call EC2 for this one."""
    own = {one.pid for one in proc.living() if one.parent == os.getpid()}
    return {one for one in own if b"lbmesh.drivers.ec2.child" in Path(f"/proc/{one}/cmdline").read_bytes()}


def ask(caller: Caller, server: Server) -> object:
    return caller.ask(REGION, server.url, "describe_addresses", {"AllocationIds": ["eipalloc-1"]})["Addresses"]


def test_a_process_that_ends_is_started_again(server: Server) -> None:
    before = children()
    with closing(Caller()) as caller:
        assert ask(caller, server) == []
        (pid,) = children() - before
        server.is_silent = True
        said: list[Ec2Error] = []

        def wait() -> None:
            try:
                ask(caller, server)
            except Ec2Error as error:
                said.append(error)

        waiting = Thread(target=wait)
        waiting.start()
        os.kill(pid, signal.SIGKILL)
        waiting.join()
        assert [(str(one), one.fault) for one in said] == [
            ("the process that calls EC2 has ended: it is started again", Fault.ILL)
        ]
        server.is_silent = False
        assert ask(caller, server) == []
    assert children() == before, "nothing is left"


def test_a_call_that_is_stuck_is_ended_with_its_process(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    with closing(Caller()) as caller:
        assert ask(caller, server) == []
        stuck = children() - before
        monkeypatch.setattr(ec2_caller, "STUCK_S", 0.3)
        server.is_silent = True
        with pytest.raises(Ec2Error, match=r"EC2 has not answered for 0\.3 s") as raised:
            ask(caller, server)
        assert raised.value.fault is Fault.ILL
        monkeypatch.setattr(ec2_caller, "STUCK_S", 12.0)
        server.is_silent = False
        assert ask(caller, server) == []
        assert not stuck & children()


def test_it_ends_with_its_agent() -> None:
    agent = (
        "import sys, time; from lbmesh.drivers.ec2.caller import Caller; Caller().ask(sys.argv[1], None, '', {}); "
        "print('asked', flush=True); time.sleep(1000)"
    )
    with subprocess.Popen([sys.executable, "-c", agent, REGION], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        (pid,) = (one.pid for one in proc.living() if one.parent == process.pid)
        process.kill()
    try:
        wait_for(lambda: not proc.is_alive(pid), "its end")
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_call_that_boto3_does_not_have_is_answered_too(server: Server) -> None:
    with closing(Caller()) as caller, pytest.raises(Ec2Error, match="boto3 broke at no_such: AttributeError"):
        caller.ask(REGION, server.url, "no_such", {})


def test_it_finds_the_region_or_says_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with closing(Caller()) as caller:
        assert caller.ask(None, None, "", {}) == {"region": ""}
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    with closing(Caller()) as caller:
        assert caller.ask(None, None, "", {}) == {"region": "eu-west-3"}


def test_a_boto3_that_is_not_there_is_named_until_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = tmp_path / "boto3.py"
    absent.write_text("raise ImportError('no boto3 here')\n")
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(tmp_path), before))))
    with closing(Caller()) as caller:
        words = r"boto3 cannot be imported \(no boto3 here\): run /opt/lbmesh/bin/pip install 'lbmesh\[ec2\]'"
        with pytest.raises(Ec2Error, match=words):
            caller.ask(REGION, None, "", {})
        absent.unlink()
        assert caller.ask(REGION, None, "", {}) == {"region": REGION}


def test_who_cannot_be_reached_is_not_said_to_have_answered(server: Server) -> None:
    with socket.socket() as deaf, closing(Caller()) as caller:
        deaf.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(Ec2Error, match="EC2 cannot be reached: "):
            ask(caller, server)


def test_boto3_asks_once(server: Server) -> None:
    """Whether to ask again is decided where it is known what else waits."""
    server.status = 503
    with closing(Caller()) as caller, pytest.raises(Ec2Error, match="EC2 itself has failed, at DescribeAddresses"):
        ask(caller, server)
    assert server.accepted == 1
