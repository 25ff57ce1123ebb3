"""A real HAProxy, to see that both understand the same by the PROXY protocol and X-Forwarded-For."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lbmesh.model.address import Address

WAIT_S = 20.0

PROGRAM = shutil.which("haproxy", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")

_CONFIG = """\
global
    nbthread 1
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
frontend front
    bind fd@{descriptor} {bind}
    {rules}
"""


@contextmanager
def running_haproxy(directory: Path, *, bind: str = "", rules: str) -> Iterator[Address]:
    """Where it listens. `bind`: words after the address; `rules`: lines of the frontend, and sections after it."""
    assert PROGRAM is not None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = directory / "haproxy.cfg"
        config.write_text(_CONFIG.format(descriptor=listening.fileno(), bind=bind, rules=rules))
        process = subprocess.Popen([PROGRAM, "-q", "-db", "-f", str(config)], pass_fds=[listening.fileno()])
        try:
            yield Address("127.0.0.1", listening.getsockname()[1])
        finally:
            process.kill()
            process.wait(WAIT_S)
