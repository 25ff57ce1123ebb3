"""One run of a program, with a bound on its time and its output, and nothing left of it when the time is up."""

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import trio

from lbmesh.drivers.command.limits import LINE_CHARACTERS_MAX, OUTPUT_MAX, PIPE_GRACE_S

_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Ended:
    """`status`: its exit status, or minus a signal's number; None when it was stopped for its time, or not started.
    `said`, `complained`: the last line of its output and of its errors, printable and bounded.
    """

    status: int | None
    said: str
    complained: str
    is_stopped: bool = False

    @property
    def has_run(self) -> bool:
        """Was it started?"""
        return self.status is not None or self.is_stopped


@dataclass(slots=True)
class Tail:
    """The last bytes of a stream."""

    kept: bytes = b""

    async def read(self, stream: trio.abc.ReceiveStream) -> None:
        """Read to the end."""
        async with stream:
            while chunk := await stream.receive_some(_CHUNK):
                self.kept = (self.kept + chunk)[-OUTPUT_MAX:]

    @property
    def last_line(self) -> str:
        """The last that is not blank."""
        lines = self.kept.decode(errors="replace").split("\n")
        text = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return "".join(one if one.isprintable() else "?" for one in text[:LINE_CHARACTERS_MAX])


async def run_program(
    argv: Sequence[str], environment: Mapping[str, str], began: Callable[[trio.CancelScope], None], within_s: float
) -> Ended:
    """Run it in a process group of its own, which is killed when the time is up. `began` gets the scope whose deadline
    that is. Cancelled from outside, it kills the group, too.
    """
    said, complained = Tail(), Tail()
    try:
        process = await trio.lowlevel.open_process(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return Ended(None, "", f"cannot be run: {_why(argv[0], error)}")
    assert process.stdout is not None
    assert process.stderr is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(said.read, process.stdout)
        nursery.start_soon(complained.read, process.stderr)
        in_time = False
        with trio.move_on_after(within_s) as scope:
            began(scope)
            try:
                await process.wait()
                in_time = True
            finally:
                if not in_time:
                    await _kill_group(process)
        nursery.cancel_scope.deadline = trio.current_time() + PIPE_GRACE_S
    return Ended(process.returncode if in_time else None, said.last_line, complained.last_line, not in_time)


def _why(program: str, error: OSError) -> str:
    """In words about the program: the kernel has the same ones for what its first line names."""
    if error.errno == errno.ENOENT and os.path.exists(program):
        return "what its first line names after #! is not there"
    if error.errno == errno.ENOEXEC:
        return 'it is no program; begin it with a line such as "#!/bin/sh"'
    return (error.strerror or str(error)).lower()


async def _kill_group(process: trio.Process) -> None:
    """It is not reaped yet, so that its number cannot be another's."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    with trio.CancelScope(shield=True):
        await process.wait()
