"""Processes of a run: started pinned to a core, measured, and ended by their own ids."""

import contextlib
import os
import resource
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.support import proc

FILES_WANTED = 65_536
STOP_TIMEOUT_S = 10.0
START_TIMEOUT_S = 20.0


def raise_file_limit() -> int:
    """Let this process and its children open as many files as may be had; returns how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_WANTED, max(FILES_WANTED, hard)))
        return FILES_WANTED
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports that the kernel just gave out on 127.0.0.1, and that nobody holds any more."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def started(
    argv: Sequence[str], *, cpu: int, output: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process (and so its children) held to one core, its output appended to a file; ended on leaving.

    Whatever of its process tree outlives SIGTERM by `STOP_TIMEOUT_S` is killed.
    """
    with output.open("ab") as sink:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process, then whoever of its tree or its session is still there."""
    tree = process_tree(process.pid)
    known = {(one.pid, one.born) for one in proc.living() if one.pid in tree}
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while left := [one for one in proc.living() if one.session == process.pid or (one.pid, one.born) in known]:
        if time.monotonic() > deadline:
            raise RuntimeError(f"these processes cannot be ended: {[one.pid for one in left]}")
        for one in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
        process.poll()
        time.sleep(0.01)
    process.wait()


def process_tree(root: int) -> list[int]:
    """The ids of a process and all its descendants, parents first; empty when it is gone."""
    return process_trees([root])[root]


def process_trees(roots: Iterable[int]) -> dict[int, list[int]]:
    """The trees of several processes, after one look at all."""
    children: dict[int, list[int]] = {}
    alive = set()
    for one in proc.living():
        children.setdefault(one.parent, []).append(one.pid)
        alive.add(one.pid)
    trees = {root: [root] if root in alive else [] for root in roots}
    for tree in trees.values():
        for pid in tree:
            tree.extend(children.get(pid, []))
    return trees


def command_line(pid: int) -> str:
    """A process's arguments joined by spaces; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def cpu_time_s(pid: int) -> float:
    """User and system time of all threads of a process, past ones too, to the nanosecond.

    The clock id is what clock_getcpuclockid(3) makes of a process id; /proc/PID/stat has the same sum in
    steps of 10 ms. Raises OSError when the process is gone.
    """
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


def core_busy_s(cpu: int) -> float:
    """Seconds that a core has worked for anybody, or that its host took away; in steps of 10 ms."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    raise ValueError(f"/proc/stat has no core {cpu}")


def reset_memory_peak(pid: int) -> None:
    """VmHWM starts again from what is resident now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def wait_until_serving(process: subprocess.Popen[bytes], port: int, output: Path, *, tls: bool = False) -> None:
    """Return when a GET on the port is answered with 200.

    Raises RuntimeError, with the end of the process's output, when it exits first or takes too long.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if get_status(port, tls=tls) == 200:
            return
        time.sleep(0.05)
    tail = output.read_text(errors="replace")[-2000:] if output.exists() else ""
    what = "ended" if process.poll() is not None else f"did not serve within {START_TIMEOUT_S:.0f} s"
    raise RuntimeError(f"{command_line(process.pid) or process.args!r} {what}; the end of its output:\n{tail}")


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def get_status(port: int, *, tls: bool = False) -> int | None:
    """The status of `GET /` on 127.0.0.1:port; None when nothing there speaks HTTP, whoever it is."""
    try:
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=2.0))
            if tls:
                connection = stack.enter_context(_trusting().wrap_socket(connection))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            return int(connection.recv(65_536).split(maxsplit=2)[1])
    except (OSError, ValueError, IndexError):
        return None
