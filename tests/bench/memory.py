"""Resident memory of the process that carries the traffic, under idle connections and large bodies."""

import contextlib
import http.client
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.body_origin import CHUNK_BYTES, MIB, STALL_S
from tests.bench.origins import ORIGINS, running_origins
from tests.bench.processes import cpu_time_s, free_ports, memory_kib, reset_memory_peak, started, wait_until_serving
from tests.bench.proxies import Variant
from tests.bench.running import Cores, Running, running

IDLE_CONNECTIONS = 10_000
BODY_MIB = 1024

CONNECTIONS_PER_SOURCE = 5_000
"""Client connections from one address, 127.0.0.N: well under the kernel's range of ephemeral ports."""

_RULE = "|---|---|---|---|---|"

TRANSFERS = ("down, Content-Length", "down, chunked", "up, Content-Length", "up, chunked")


@dataclass(frozen=True, slots=True)
class Idle:
    """Memory in MB (10^6 bytes) before the connections, and with all of them idle after a request each."""

    rest_mb: float
    held_mb: float
    connections: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One large body. `growth_mb`: the peak of resident memory over what it was at rest."""

    what: str
    growth_mb: float
    mib_per_s: float
    cpu_s_per_gib: float


def run(
    variants: tuple[Variant, ...],
    directory: Path,
    cores: Cores,
    connections: int,
    body_mib: int,
    say: Callable[[str], None],
) -> tuple[str, bool]:
    """Measure each variant by itself. Returns the tables, and whether every measurement was valid."""
    os.sched_setaffinity(0, {cores.others})
    failures: list[str] = []
    idle: dict[str, Idle] = {}
    transfers: dict[str, list[Transfer]] = {}
    for number, variant in enumerate(variants):
        place = directory / f"memory-{number}"
        (place / "bodies").mkdir(parents=True)
        say(f"{variant.title}: {connections:,} idle connections, then bodies of {body_mib} MiB")
        try:
            with (
                running_origins(place, cpu=cores.others) as origins,
                running(variant, place, origins.ports, cores) as proxy,
            ):
                idle[variant.title] = hold_idle(proxy, connections)
            with (
                _body_origins(place, cores) as ports,
                running(variant, place / "bodies", ports, cores) as proxy,
            ):
                rest_kib = rest(proxy)
                transfers[variant.title] = [transfer(proxy, what, body_mib, rest_kib) for what in TRANSFERS]
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            failures.append(f"**Invalid**: {variant.title}: {error!r}.")
    tables = [_idle_table(idle), _transfer_table(transfers, body_mib), *failures]
    return "\n\n".join(tables) + "\n", not failures


def hold_idle(proxy: Running, connections: int) -> Idle:
    """Open so many connections, one request on each, and read the memory while all of them stand idle.

    Raises RuntimeError when a connection was not served, or did not live on to serve a second request.
    """
    pid = proxy.serving_pid()
    rest_kib = memory_kib(pid, "VmRSS")
    with contextlib.ExitStack() as stack:
        held = []
        for number in range(connections):
            client = stack.enter_context(socket.socket())
            client.settimeout(10.0)
            client.bind((f"127.0.0.{2 + number // CONNECTIONS_PER_SOURCE}", 0))
            client.connect(("127.0.0.1", proxy.port))
            _small_exchange(client)
            held.append(client)
        held_kib = memory_kib(pid, "VmRSS")
        for client in held:
            _small_exchange(client)
    return Idle(_mb(rest_kib), _mb(held_kib), connections)


def _small_exchange(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
    with client.makefile("rb") as stream:
        status = stream.readline()
        if b" 200 " not in status:
            raise RuntimeError(f"an idle connection was answered with {status!r}")
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(stream.read(length)) != length:
            raise RuntimeError("an answer to an idle connection was cut short")


def rest(proxy: Running) -> int:
    """Resident KiB of a proxy that has served one small request."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)) as client:
        client.request("GET", "/")
        client.getresponse().read()
        return memory_kib(proxy.serving_pid(), "VmRSS")


def transfer(proxy: Running, what: str, mib: int, rest_kib: int) -> Transfer:
    """One body of so many MiB through the proxy, whose receiver stalls for STALL_S before it reads.

    Raises RuntimeError when not all of it came through.
    """
    pid = proxy.serving_pid()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)) as client:
        reset_memory_peak(pid)
        used_s, began_s = cpu_time_s(pid), time.monotonic()
        passed = _upload(client, what, mib) if what.startswith("up") else _download(client, what, mib)
        took_s = time.monotonic() - began_s - STALL_S
    if passed != mib * MIB:
        raise RuntimeError(f"{what}: {passed} bytes came through of {mib * MIB}")
    return Transfer(
        what=what,
        growth_mb=_mb(memory_kib(pid, "VmHWM") - rest_kib),
        mib_per_s=mib / took_s,
        cpu_s_per_gib=(cpu_time_s(pid) - used_s) / mib * 1024,
    )


def _download(client: http.client.HTTPConnection, what: str, mib: int) -> int:
    client.request("GET", f"/{'chunked' if what.endswith('chunked') else 'length'}/{mib}")
    response, buffer, passed = client.getresponse(), bytearray(4 * CHUNK_BYTES), 0
    time.sleep(STALL_S)
    while got := response.readinto(buffer):
        passed += got
    return passed


def _upload(client: http.client.HTTPConnection, what: str, mib: int) -> int:
    """What the origin says it received."""
    chunked = what.endswith("chunked")
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(mib * MIB)}
    client.request("PUT", "/stalled", body=_pieces(mib), headers=framing, encode_chunked=chunked)
    response = client.getresponse()
    text = response.read()
    if response.status != 200:
        raise RuntimeError(f"{what}: answered with {response.status}: {text[:200]!r}")
    return int(text)


def _pieces(mib: int) -> Iterator[bytes]:
    piece = bytes(CHUNK_BYTES)
    for _ in range(mib * MIB // CHUNK_BYTES):
        yield piece


@contextlib.contextmanager
def _body_origins(directory: Path, cores: Cores) -> Iterator[tuple[int, ...]]:
    ports, output = tuple(free_ports(ORIGINS)), directory / "bodies.out"
    argv = (sys.executable, "-m", "tests.bench.body_origin", *map(str, ports))
    with started(argv, cpu=cores.others, output=output) as process:
        for port in ports:
            wait_until_serving(process, port, output)
        yield ports


def _mb(kib: int) -> float:
    return kib * 1024 / 1e6


def _idle_table(idle: dict[str, Idle]) -> str:
    rows = [
        f"| {title} | {figure.connections:,} | {figure.rest_mb:.1f} | {figure.held_mb:.1f} | "
        f"{(figure.held_mb - figure.rest_mb) * 1e3 / figure.connections:.1f} |"
        for title, figure in idle.items()
    ]
    header = "| serving process | idle connections | at rest, MB | with them, MB | kB for each |"
    return "\n".join((header, _RULE, *rows))


def _transfer_table(transfers: dict[str, list[Transfer]], mib: int) -> str:
    rows = [
        f"| {title} | {one.what} | {one.growth_mb:.1f} | {one.mib_per_s:,.0f} | {one.cpu_s_per_gib:.2f} |"
        for title, several in transfers.items()
        for one in several
    ]
    header = f"| serving process | a body of {mib} MiB | peak over rest, MB | MiB/s | CPU s/GiB |"
    return "\n".join((header, _RULE, *rows))
