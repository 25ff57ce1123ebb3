"""A shell in a host: a process of this terminal, in the lab's namespaces, and so ended with the lab."""

import os
import signal
from collections.abc import Sequence

from lbmesh_chaos.lab import paths
from lbmesh_chaos.lab.kernel import enter

_NOT_FOUND = 127
_CANNOT = 126
"""As shells have them (POSIX, 2.8.2)."""


def run_inside(namespaces: Sequence[int], host: str, command: Sequence[str]) -> int:
    """Run a command, by default a shell, in a host's namespaces; its status, as a shell has it.

    `namespaces`: descriptors in the order in which to enter them. This process is in them too afterwards, but for that
    of the process ids, which only the child is in.
    """
    for descriptor in namespaces:
        enter(descriptor)
        os.close(descriptor)
    argv: list[str] = list(command) or [os.environ.get("SHELL", "/bin/sh"), "-i"]
    # The terminal's signals are for the command alone, which is in the same foreground group.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        _become(argv, host)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(argv: list[str], host: str) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    place = str(paths.host_dir(host))
    environment = {**os.environ, "PS1": f"{host}:\\w# ", "TMPDIR": place if os.path.isdir(place) else "/tmp"}
    try:
        os.execvpe(argv[0], argv, environment)
    except FileNotFoundError:
        os.write(2, f"lbmesh lab shell: {argv[0]}: no such command on this machine\n".encode())
        os._exit(_NOT_FOUND)
    except OSError as error:
        os.write(2, f"lbmesh lab shell: {argv[0]}: {error.strerror}\n".encode())
        os._exit(_CANNOT)
