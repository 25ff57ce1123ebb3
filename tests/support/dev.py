"""A running `lbmesh dev` as a test sees it, in a runtime directory of its own."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.wait import wait_for

LBMESH = (sys.executable, "-P", "-m", "lbmesh")


class Dev:
    """One process and all that it starts: everything whose environment names the runtime directory."""

    def __init__(self, process: "subprocess.Popen[str]", runtime: Path, output: Path) -> None:
        self.process = process
        self._runtime = runtime
        self._output = output

    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text()

    def wait_for_output(self, text: str) -> None:
        """Until it has printed this. Raises AssertionError, with all it printed, when it ends without."""

        def printed() -> bool:
            is_there = text in self.output()
            assert is_there or self.process.poll() is None, f"ended without {text!r}:\n{self.output()}"
            return is_there

        wait_for(printed, f'"{text}"')

    def order(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`lbmesh dev WORDS...` from another terminal."""
        command = [*LBMESH, "dev", *words]
        return subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False, timeout=30)

    def condition(self, name: str) -> str:
        """What `lbmesh dev names` says of a process."""
        lines = [line.split(maxsplit=2) for line in self.order("names").stdout.splitlines()]
        (condition,) = [words[2] for words in lines if words[0] == name]
        return condition

    def end(self, number: signal.Signals) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def processes(self) -> list[int]:
        """Everything that lives of it, zombies left out."""
        mark = f"XDG_RUNTIME_DIR={self._runtime}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            # A process may end while it is looked at; one of another user cannot be read.
            with suppress(OSError):
                if entry.name.isdecimal() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
        return found

    def files(self) -> list[Path]:
        """What is in the runtime directory."""
        return list(self._runtime.iterdir())

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_RUNTIME_DIR": str(self._runtime)}


@contextmanager
def dev(*arguments: Sequence[str] | str) -> Iterator[Dev]:
    """`lbmesh dev ARGUMENTS...`, killed at the end with all that it started."""
    with tempfile.TemporaryDirectory(prefix="lbm", dir="/tmp") as name:  # a socket's path must be short
        runtime, output = Path(name) / "run", Path(name) / "output"
        runtime.mkdir()
        with output.open("w") as stream:
            process = subprocess.Popen(
                [*LBMESH, "dev", *map(str, arguments)],
                env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
                stdout=stream,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        running = Dev(process, runtime, output)
        try:
            yield running
        finally:
            for pid in running.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(30)
