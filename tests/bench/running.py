"""Bringing proxies up for a run, and asking the running ones what they have used."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import load, origins
from tests.bench.origins import Origins
from tests.bench.processes import command_line, cpu_time_s, free_ports, process_tree, started, wait_until_serving
from tests.bench.proxies import Certificate, Scale, Site, Variant

START_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Cores:
    """The proxies' core, and the one shared by load generator and origins."""

    proxy: int
    others: int


@dataclass(frozen=True, slots=True)
class Running:
    """A variant that serves on 127.0.0.1:port. `output`: what its processes print."""

    variant: Variant
    root_pid: int
    port: int
    log: Path | None
    site: Site
    output: Path

    def cpu(self) -> "CpuReading":
        """What its whole process tree has used so far, and the process that carries the traffic alone."""
        pids = process_tree(self.root_pid)
        return CpuReading(
            total_s=sum(map(cpu_time_s, pids)), serving_s=cpu_time_s(self.serving_pid()), pids=tuple(sorted(pids))
        )

    def serving_pids(self) -> list[int]:
        """The processes that carry the traffic: one for each worker."""
        return [pid for pid in process_tree(self.root_pid) if self.variant.proxy.serving in command_line(pid)]

    def serving_pid(self) -> int:
        """The process that carries the traffic. Raises RuntimeError when there is not exactly one."""
        found = self.serving_pids()
        if len(found) != 1:
            raise RuntimeError(f"{self.variant.title} has {len(found)} serving processes where 1 was expected")
        return found[0]


@dataclass(frozen=True, slots=True)
class CpuReading:
    """User and system seconds since the processes `pids` started."""

    total_s: float
    serving_s: float
    pids: tuple[int, ...]


def choose_cores() -> Cores:
    """The first two cores this process may use. Raises RuntimeError when there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise RuntimeError("two cores are needed, one for the proxy and one for load and origins; here is only one")
    return Cores(allowed[0], allowed[1])


def missing_for_all() -> str | None:
    """What to install before anything at all can be measured."""
    return load.missing() or origins.missing()


@contextlib.contextmanager
def running(
    variant: Variant,
    directory: Path,
    upstreams: tuple[int, ...],
    cores: Cores,
    tls: Certificate | None = None,
    scale: Scale | None = None,
) -> Iterator[Running]:
    """The variant, serving; over TLS if it is given a certificate, many routes if it is given a scale. Raises
    RuntimeError, with its output, when it does not come up.

    Somebody may take a port between the kernel naming it and the proxy binding it; hence the attempts.
    """
    with contextlib.ExitStack() as stack:
        for attempt in range(1, START_ATTEMPTS + 1):
            place = directory / f"{variant.name}-{attempt}"
            place.mkdir()
            try:
                up = stack.enter_context(_started(variant, place, upstreams, cores, tls, scale))
                break
            except RuntimeError:
                if attempt == START_ATTEMPTS:
                    raise
        yield up


@contextlib.contextmanager
def _started(
    variant: Variant,
    place: Path,
    upstreams: tuple[int, ...],
    cores: Cores,
    tls: Certificate | None,
    scale: Scale | None,
) -> Iterator[Running]:
    port, admin_port = free_ports(2)
    log = place / "access.log" if variant.logged else None
    site = Site(place, port, admin_port, upstreams, log, tls, scale)
    launch = variant.proxy.launch(site)
    output = log if log and launch.log_from_output else place / "output"
    with started(launch.argv, cpu=cores.proxy, output=output, environment=launch.environment) as process:
        wait_until_serving(process, port, output, tls=tls is not None)
        yield Running(variant, process.pid, port, log, site, output)


@contextlib.contextmanager
def running_all(
    variants: tuple[Variant, ...], directory: Path, cores: Cores
) -> Iterator[tuple[Origins, tuple[Running, ...]]]:
    """The origins and all variants, serving side by side until the block is left."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(origins.running_origins(directory, cpu=cores.others))
        yield (
            upstream,
            tuple(stack.enter_context(running(variant, directory, upstream.ports, cores)) for variant in variants),
        )
