"""Three cheap origins: one nginx with three server ports that answers everything with a small body."""

import contextlib
import os
import re
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import free_ports, started, wait_until_serving

BODY_BYTES = 512
ORIGINS = 3

_CONFIG = """\
daemon off; {user} worker_processes 1; pid {directory}/origins.pid; error_log stderr error;
events {{ worker_connections 16384; }}
http {{
    access_log off; keepalive_timeout 600s; keepalive_requests 1000000000; tcp_nodelay on; server_tokens off;
    client_body_temp_path {directory}/o-body; proxy_temp_path {directory}/o-proxy;
    fastcgi_temp_path {directory}/o-fastcgi;
    uwsgi_temp_path {directory}/o-uwsgi; scgi_temp_path {directory}/o-scgi;
    server {{ {listens} location / {{ default_type text/plain; return 200 "{body}"; }} }}
    server {{ listen 127.0.0.1:{status_port}; location / {{ stub_status; }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Origins:
    """Running origins: their ports on 127.0.0.1, and where they count what they answered."""

    ports: tuple[int, ...]
    status_port: int

    def requests_answered(self) -> int:
        """All requests so far, this question included."""
        return self._counts()[1]

    def connections_accepted(self) -> int:
        """All connections so far, this question's included."""
        return self._counts()[0]

    def _counts(self) -> tuple[int, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/", timeout=5.0) as answer:
            counts = re.search(rb"\n\s*(\d+) \d+ (\d+)", answer.read())
        if counts is None:
            raise RuntimeError("the origins' stub_status page is not what nginx documents")
        return int(counts[1]), int(counts[2])


def missing() -> str | None:
    """What to install when there is no origin here."""
    return None if nginx_program() else "the program nginx is missing: apt-get install nginx-light"


def nginx_program() -> str | None:
    """nginx's path; Debian puts it where only root's PATH looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def nginx_user() -> str:
    """The `user` directive that lets workers write below our directory; only root may have one."""
    return "user root root;" if os.geteuid() == 0 else ""


@contextlib.contextmanager
def running_origins(directory: Path, *, cpu: int, count: int = ORIGINS) -> Iterator[Origins]:
    """So many origins, serving, until the block is left. Raises RuntimeError when they do not come up."""
    program = nginx_program()
    if program is None:
        raise RuntimeError(missing())
    *ports, status_port = free_ports(count + 1)
    config, output = directory / "origins.conf", directory / "origins.out"
    config.write_text(
        _CONFIG.format(
            user=nginx_user(),
            directory=directory,
            listens=" ".join(f"listen 127.0.0.1:{port} backlog=4096;" for port in ports),
            status_port=status_port,
            body="x" * BODY_BYTES,
        )
    )
    with started([program, "-c", str(config), "-p", str(directory)], cpu=cpu, output=output) as process:
        for port in ports:
            wait_until_serving(process, port, output)
        yield Origins(tuple(ports), status_port)
