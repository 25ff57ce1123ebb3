"""What the agent and the forwarders do alike: end with their sentinel, and listen to its control channel."""

import array
import ctypes
import os
import signal
import socket
import struct
from collections.abc import Sequence

import trio

from lbmesh.control.processes import DESCRIPTORS_MAX, MESSAGE_BYTES_MAX, ControlMessage, decode_control, encode_control

_PR_SET_PDEATHSIG = 1
_PEER_CREDENTIALS = struct.Struct("=iII")


def end_with_sentinel(control_fd: int) -> None:
    """Have the kernel kill this process when its parent, the sentinel, dies; exit when that has happened.

    The control channel knows who made it, so the parent's identity needs no argument that could be stale.
    Also takes over the signals: an interrupt typed at the terminal, or what timeout(1) sends, reaches the whole
    group, but the sentinel alone decides what it means. It starts children with these signals blocked: none
    slips in before, and those that came meanwhile are gone once they are ignored.
    """
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != _maker_of(control_fd):
        raise SystemExit("lbmesh: the sentinel that started this process is gone")


def _maker_of(control_fd: int) -> int:
    with socket.socket(fileno=os.dup(control_fd)) as channel:
        credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    pid: int = _PEER_CREDENTIALS.unpack(credentials)[0]
    return pid


class ControlChannel:
    """A child's end of its control channel, for trio."""

    def __init__(self, control_fd: int) -> None:
        self._socket = trio.socket.from_stdlib_socket(socket.socket(fileno=control_fd))

    async def receive(self) -> tuple[ControlMessage, tuple[int, ...]] | None:
        """The next message, and the descriptors that came with it, which are the caller's to close.

        None when the sentinel has closed the channel, by intent or by dying: then the process exits.
        Raises ValueError for a message of another release.
        """
        try:
            packet, ancillary, _, _ = await self._socket.recvmsg(
                MESSAGE_BYTES_MAX, socket.CMSG_SPACE(DESCRIPTORS_MAX * 4), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            return None
        return (decode_control(packet), _descriptors(ancillary)) if packet else None

    async def send(self, message: ControlMessage, descriptors: Sequence[int] = ()) -> None:
        """Send one message. `descriptors` ride with it, and stay the caller's to close.

        A sentinel that is gone is noticed by `receive`, not here.
        """
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            await self._socket.sendmsg([encode_control(message)], rights)
        except (BrokenPipeError, ConnectionResetError):
            return

    def close(self) -> None:
        """Close this end."""
        self._socket.close()


def _descriptors(ancillary: Sequence[tuple[int, int, bytes]]) -> tuple[int, ...]:
    return tuple(
        descriptor
        for level, kind, content in ancillary
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS
        for (descriptor,) in struct.iter_unpack("=i", content[: len(content) - len(content) % 4])
    )
