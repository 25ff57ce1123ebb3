"""A process with all its descendants, signalled and reaped as one.

Each runs in a session of its own: an interrupt typed at the terminal does not reach it, and one signal to
its group reaches the whole tree of a balancer. This process adopts what a dead balancer leaves behind
(PR_SET_CHILD_SUBREAPER), so that "gone" means that nothing of the tree is left, not even a zombie.
"""

import ctypes
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def adopting_orphans() -> Iterator[None]:
    """While inside, descendants whose parent dies become children of this process."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


class ProcessGroup:
    """A started process and its descendants. `how_it_ended`: the first process's wait status, once reaped.

    Start it on the main thread: the kernel ends the children of a thread, not of a process (prctl(2)).
    """

    def __init__(self, command: Sequence[str], log: Path, listen_fd: int | None = None) -> None:
        """`log` gets stdout and stderr. `listen_fd` is inherited under its own number.

        Raises OSError when the system refuses.
        """
        if listen_fd is not None:
            os.set_inheritable(listen_fd, True)
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.pid = os.posix_spawn(
            command[0],
            list(command),
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGHUP, signal.SIGPIPE),
        )
        if listen_fd is not None:
            os.set_inheritable(listen_fd, False)
        self.how_it_ended: int | None = None
        self.gone = False

    def signal(self, number: signal.Signals) -> None:
        """Send it to every process of the group; nothing happens when all are gone."""
        # Until the last is reaped, the group's number cannot be given to another.
        if not self.gone:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def reap(self) -> bool:
        """Take what has ended; True when nothing of the group is left."""
        while not self.gone:
            try:
                pid, status = os.waitpid(-self.pid, os.WNOHANG)
            except ChildProcessError:
                self.gone = True
                break
            if pid == 0:
                break
            if pid == self.pid:
                self.how_it_ended = status
        return self.gone
