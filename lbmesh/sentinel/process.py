"""One child process and the sentinel's end of its control channel. Nothing here ever waits."""

import array
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

from lbmesh.control.processes import DESCRIPTORS_MAX, MESSAGE_BYTES_MAX, ControlMessage, decode_control, encode_control
from lbmesh.sentinel.limits import CONTROL_SEND_BYTES

_SENTINEL_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


class ChildProcess:
    """A started child. `channel` is None once it is closed."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket) -> None:
        self._process = process
        self.pid = process.pid
        self.channel: socket.socket | None = channel

    @classmethod
    def start(
        cls,
        command: Callable[[int], Sequence[str]],
        descriptors: Sequence[int],
        environment: Mapping[str, str],
        before_exec: Callable[[], None] | None = None,
    ) -> "ChildProcess":
        """Start a child that inherits these descriptors and its end of a new channel, told to `command`. `before_exec`:
        called in the child, before it is what the command says; it must not fail.

        Raises OSError when the system refuses.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CONTROL_SEND_BYTES)
        # A child inherits what is blocked: an interrupt at the terminal cannot end it before it ignores it.
        blocked_before = signal.pthread_sigmask(signal.SIG_BLOCK, _SENTINEL_SIGNALS)
        try:
            process = subprocess.Popen(
                command(theirs.fileno()),
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *descriptors),
                env=environment,
                preexec_fn=before_exec,
            )
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked_before)
            theirs.close()
        return cls(process, ours)

    def send(self, message: ControlMessage, descriptors: Sequence[int] = ()) -> bool:
        """Send one message; False when the channel is closed, or so full that the child must be hung."""
        if self.channel is None:
            return False
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            self.channel.sendmsg([encode_control(message)], rights)
        except OSError:
            return False
        return True

    def receive(self) -> Iterator[tuple[ControlMessage, tuple[int, ...]]]:
        """The messages that have come, each with its descriptors, which are the caller's to close.

        Closes the channel at its end. Raises ValueError as the codec does.
        """
        while self.channel is not None:
            try:
                packet, descriptors, _, _ = socket.recv_fds(
                    self.channel, MESSAGE_BYTES_MAX, DESCRIPTORS_MAX, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except ConnectionResetError:
                packet, descriptors = b"", []
            if packet:
                yield decode_control(packet), tuple(descriptors)
            else:
                self.close_channel()

    def close_channel(self) -> None:
        """Close the control channel, which tells the child to exit."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def reap(self) -> int | None:
        """How it ended (the exit status, or minus the signal's number); None while it lives."""
        return self._process.poll()

    def kill(self) -> None:
        """SIGKILL. The process is our child and not reaped, so its id cannot mean another one."""
        self._process.kill()
