"""What the harness needs to know of a proxy, whichever it is."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

CLIENTS_MAX = 12_000
"""Client connections each proxy is configured to take: the memory benchmark opens 10,000."""

UPSTREAM_IDLE_MAX = 256
"""Idle connections to each origin each proxy may keep."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """In PEM: the certificate, its key, and both in one file. ECDSA P-256."""

    certificate: Path
    key: Path
    both: Path


TLS12_CIPHER = "ECDHE-ECDSA-AES128-GCM-SHA256"
TLS13_CIPHER = "TLS_AES_128_GCM_SHA256"
"""What all clients ask for, and all proxies that can be told take."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Many routes, each with a service of its own and all origins as its replicas: a host of HOST_PATTERN each, and
    any other host for the first. `probed_host`: one more host of the first, which a reload can change.
    """

    routes: int
    workers: int = 1
    probed_host: str = ""
    check_interval_s: int = 30


HOST_PATTERN = "s%d.example"
"""Of a route's number; load.lua fills it in, too."""


@dataclass(frozen=True, slots=True)
class Site:
    """One proxy's place in a run. All ports are on 127.0.0.1; `access_log` None means: no log at all. With a
    certificate, `port` speaks TLS 1.2 and 1.3. With a scale, there are as many routes.
    """

    directory: Path
    port: int
    admin_port: int
    origins: tuple[int, ...]
    access_log: Path | None
    tls: Certificate | None = None
    scale: Scale | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start it. `log_from_output`: it writes its access log to standard output."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    log_from_output: bool = False


class Proxy(Protocol):
    """A proxy under test: one worker, keep-alive on both sides, X-Forwarded-For, a timeout for each phase,
    upstream pools, three origins by two random choices and fewest requests, checked every 2 s where it can.
    """

    name: str
    title: str
    serving: str
    """What only the command line of the process that carries the traffic contains."""

    def missing(self) -> str | None:
        """What is missing on this machine and how to get it; None when it can run."""

    def version(self) -> str:
        """Its version, as it says itself."""

    def launch(self, site: Site) -> Launch:
        """Write the configuration below `site.directory` and say how to start it."""


def said_by(*argv: str) -> str:
    """A program's output, both streams, stripped."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    return (done.stdout + done.stderr).strip()


def at(port: int) -> str:
    """The loopback address and port, as every proxy's configuration writes it."""
    return f"127.0.0.1:{port}"
