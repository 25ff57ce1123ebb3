"""What Python 3.11 has no call for: entering a namespace, and ending with one's parent."""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def enter(descriptor: int) -> None:
    """This thread is in that namespace from now on (setns(2)). Raises OSError."""
    _checked(_libc.setns(descriptor, 0))


def end_with_parent() -> None:
    """For a child between fork and exec: SIGKILL when its parent's thread ends (prctl(2)), be it before this call."""
    parent = os.getppid()
    _checked(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    # Whose death came before the call is not told.
    if os.getppid() != parent:
        os._exit(1)


def _checked(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@contextmanager
def in_network(namespace: Path) -> Iterator[None]:
    """Sockets made inside belong to that network namespace for good. Nothing may be awaited inside."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        other = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(other)
            try:
                yield
            finally:
                enter(own)
        finally:
            os.close(other)
    finally:
        os.close(own)
