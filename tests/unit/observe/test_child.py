"""A child's end of its control channel, and its bond with the process that made it."""

import array
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio

from lbmesh.control.processes import AgentLink, ControlMessage, Ready, decode_control, encode_control
from lbmesh.observe.child import ControlChannel
from tests.support import proc
from tests.support.wait import wait_for

CHILD = """
import os, signal, sys, time
from lbmesh.observe.child import end_with_sentinel
end_with_sentinel(int(sys.argv[1]))
print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, signal.pthread_sigmask(signal.SIG_BLOCK, ()), flush=True)
time.sleep(600)
"""

SENTINEL = """
import os, signal, socket, subprocess, sys
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
command = [sys.executable, "-c", sys.argv[1], str(theirs.fileno())]
child = subprocess.Popen(command, pass_fds=[theirs.fileno()])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, int]]:
    """The sentinel's end, and the descriptor of the child's, which the test's channel closes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        yield ours, theirs.detach()


@asynccontextmanager
async def channel_on(control_fd: int) -> AsyncIterator[ControlChannel]:
    channel = ControlChannel(control_fd)
    try:
        yield channel
    finally:
        channel.close()


def test_a_message_comes_with_its_descriptor_which_is_not_inheritable(ends: tuple[socket.socket, int]) -> None:
    ours, control_fd = ends
    read, write = os.pipe()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write]))]
    ours.sendmsg([encode_control(AgentLink(3))], rights)
    os.close(write)

    async def receive() -> tuple[ControlMessage, tuple[int, ...]] | None:
        async with channel_on(control_fd) as channel:
            return await channel.receive()

    received = trio.run(receive)
    assert received is not None
    message, (descriptor,) = received
    assert message == AgentLink(3)
    assert not os.get_inheritable(descriptor)
    os.write(descriptor, b"through")
    assert os.read(read, 100) == b"through"
    os.close(descriptor)
    os.close(read)


def test_a_message_is_sent_whole(ends: tuple[socket.socket, int]) -> None:
    ours, control_fd = ends

    async def send() -> None:
        async with channel_on(control_fd) as channel:
            await channel.send(Ready())

    trio.run(send)
    assert decode_control(ours.recv(4096)) == Ready()


def test_descriptors_ride_with_a_sent_message(ends: tuple[socket.socket, int]) -> None:
    ours, control_fd = ends
    read, write = os.pipe()

    async def send() -> None:
        async with channel_on(control_fd) as channel:
            await channel.send(Ready(), (write,))

    trio.run(send)
    os.close(write)
    packet, (descriptor,), _, _ = socket.recv_fds(ours, 4096, 4)
    assert decode_control(packet) == Ready()
    os.write(descriptor, b"through")
    assert os.read(read, 100) == b"through"
    os.close(descriptor)
    os.close(read)


def test_the_end_of_the_channel_is_none_and_sending_into_it_is_nothing(ends: tuple[socket.socket, int]) -> None:
    ours, control_fd = ends
    ours.close()

    async def receive_then_send() -> None:
        async with channel_on(control_fd) as channel:
            assert await channel.receive() is None
            await channel.send(Ready())

    trio.run(receive_then_send)


def test_a_message_of_another_release_is_a_value_error(ends: tuple[socket.socket, int]) -> None:
    ours, control_fd = ends
    ours.send(b'{"kind":"dance"}')

    async def receive() -> None:
        async with channel_on(control_fd) as channel:
            with pytest.raises(ValueError, match="malformed control message"):
                await channel.receive()

    trio.run(receive)


def test_a_child_dies_with_its_maker_and_leaves_interrupts_to_it() -> None:
    with subprocess.Popen([sys.executable, "-c", SENTINEL, CHILD], stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        child_pid = int(maker.stdout.readline())
        assert maker.stdout.readline() == "True set()\n"
        os.kill(child_pid, signal.SIGINT)
        maker.kill()
    wait_for(lambda: not proc.is_alive(child_pid), "end of the child")


def test_a_child_whose_maker_is_another_process_does_not_start() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {CHILD!r}, sys.argv[1]], "
    program += "pass_fds=[int(sys.argv[1])]))"
    with ours, theirs:
        orphan = subprocess.run(
            [sys.executable, "-c", program, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
    assert orphan.returncode == 1
    assert "is gone" in orphan.stderr
