"""The servers from PyPI behind the balancer, each one process on a Unix socket, so that none needs a port."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.json_lines import json_lines
from tests.support.wait import wait_for

ROOT = Path(__file__).parents[2]


class Server(NamedTuple):
    """A server and the way it reads HTTP. `command`: arguments behind "python -m", with {socket}."""

    name: str
    package: str
    command: str

    def is_installed(self) -> bool:
        """Whether this environment has it."""
        return importlib.util.find_spec(self.package) is not None


SERVERS = (
    Server(
        "uvicorn-h11",
        "uvicorn",
        "uvicorn --http h11 --uds {socket} --lifespan off --no-access-log --log-level critical"
        " tests.smuggling.app:asgi",
    ),
    Server(
        "uvicorn-httptools",
        "httptools",
        "uvicorn --http httptools --uds {socket} --lifespan off --no-access-log --log-level critical"
        " tests.smuggling.app:asgi",
    ),
    Server(
        "gunicorn-sync",
        "gunicorn",
        "gunicorn --bind unix:{socket} --workers 1 --log-level critical --no-control-socket tests.smuggling.app:wsgi",
    ),
    Server(
        "gunicorn-gthread",
        "gunicorn",
        "gunicorn --bind unix:{socket} --workers 1 --threads 8 --keep-alive 60 --log-level critical"
        " --no-control-socket tests.smuggling.app:wsgi",
    ),
    Server("hypercorn", "hypercorn", "hypercorn --bind unix:{socket} --log-level CRITICAL tests.smuggling.app:asgi"),
    Server("waitress", "waitress", "waitress --unix-socket={socket} --threads=8 tests.smuggling.app:wsgi"),
    Server(
        "granian",
        "granian",
        "granian --uds {socket} --interface asginl --http 1 --no-ws --no-log tests.smuggling.app:asgi",
    ),
    Server("daphne", "daphne", "daphne -u {socket} -v 0 tests.smuggling.app:asgi"),
    Server("cheroot", "cheroot", "cheroot --bind {socket} --threads 8 tests.smuggling.app:wsgi"),
)


class OriginServer:
    """One running server. `socket_path`: where it listens."""

    def __init__(self, server: Server, directory: Path) -> None:
        self.name = server.name
        self.socket_path = directory / f"{server.name}.socket"
        self._log = directory / f"{server.name}.log"
        self._errors = (directory / f"{server.name}.errors").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *server.command.format(socket=self.socket_path).split()],
            cwd=ROOT,
            env=os.environ | {"ORIGIN_LOG": str(self._log), "PYTHONPATH": str(ROOT)},
            stdout=self._errors,
            stderr=self._errors,
            start_new_session=True,
        )

    def wait_ready(self) -> None:
        """Until it accepts connections."""
        wait_for(self._accepts, f"readiness of {self.name}")

    def _accepts(self) -> bool:
        assert self._process.poll() is None, f"{self.name} ended; see {self._errors.name}"
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket_path)) == 0

    def mark(self) -> int:
        """Where its log ends now."""
        return self._log.stat().st_size if self._log.exists() else 0

    def seen(self, since: int = 0) -> list[dict[str, object]]:
        """Every request that the application got since that mark."""
        return json_lines(self._log, since)

    def end(self) -> None:
        """Kill it with its children."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)
        self._errors.close()


@contextmanager
def running_server(server: Server, directory: Path) -> Iterator[OriginServer]:
    """A server that ends with the block."""
    origin = OriginServer(server, directory)
    try:
        origin.wait_ready()
        yield origin
    finally:
        origin.end()
