"""The load: workloads, and one window of one of them from wrk."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.proxies.base import HOST_PATTERN

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Workload:
    """Small GETs. `head`: "same" each time, "browser" (new each time), or "browser-close", a connection for each."""

    name: str
    head: str
    connections: int
    title: str


WORKLOADS = (
    Workload("same-32", "same", 32, "the same short head, 32 connections"),
    Workload("browser-32", "browser", 32, "a browser's head, new each time, 32 connections"),
    Workload("same-256", "same", 256, "the same short head, 256 connections"),
    Workload("browser-256", "browser", 256, "a browser's head, new each time, 256 connections"),
)

CLOSING = Workload("close-64", "browser-close", 64, "a browser's head and a connection for each, 64 at once")


@dataclass(frozen=True, slots=True)
class Window:
    """What the generator saw. `errors`: counts by kind ("status" is any response of 400 or more)."""

    requests: int
    duration_s: float
    p50_us: int
    p99_us: int
    errors: dict[str, int]


def missing() -> str | None:
    """What to install when there is no load generator here."""
    return None if shutil.which("wrk") else "the program wrk is missing: apt-get install wrk"


def run_window(
    workload: Workload,
    host: str,
    port: int,
    *,
    seconds: int,
    cpu: int,
    openssl_conf: Path | None = None,
    hosts: int = 0,
) -> Window:
    """Load a proxy for so many seconds from a generator pinned to `cpu`; over TLS with a configuration of OpenSSL, and
    for so many hosts of HOST_PATTERN in turn.

    Raises RuntimeError when wrk itself fails, and subprocess.TimeoutExpired when it hangs.
    """
    scheme = "https" if openssl_conf else "http"
    finished = subprocess.run(
        [
            *(
                "wrk",
                "--threads",
                "1",
                "--connections",
                str(workload.connections),
                "--duration",
                f"{seconds}s",
            ),
            *("--timeout", "5s", "--script", str(_SCRIPT), f"{scheme}://{host}:{port}/"),
            *("--", workload.head, *((HOST_PATTERN, str(hosts)) if hosts else (f"{host}:{port}",))),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 30,
        env={**os.environ, **({"OPENSSL_CONF": str(openssl_conf)} if openssl_conf else {})},
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
    line = finished.stdout.rstrip().rpartition("\n")[2]
    if finished.returncode or not line.startswith("{"):
        raise RuntimeError(f"wrk failed ({finished.returncode}): {finished.stdout}{finished.stderr}".strip())
    figures = json.loads(line)
    return Window(
        requests=figures["requests"],
        duration_s=figures["duration_us"] / 1e6,
        p50_us=figures["p50_us"],
        p99_us=figures["p99_us"],
        errors={kind: count for kind, count in figures["errors"].items() if count},
    )
