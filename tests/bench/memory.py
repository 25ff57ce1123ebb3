"""Resident memory of the process that carries the traffic, under idle connections and large bodies."""

import contextlib
import http.client
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.body_origin import CHUNK_BYTES, MIB, STALL_S
from tests.bench.marks import Mark, lines, table
from tests.bench.origins import ORIGINS, running_origins
from tests.bench.processes import free_ports, reset_memory_peak, started, wait_until_serving
from tests.bench.proxies import Certificate, Variant
from tests.bench.running import Cores, Running, running
from tests.bench.section import SUBJECT, YARDSTICK, Report, Setting, paragraphs, skipped_lines
from tests.bench.tls_client import NAME, make_certificate
from tests.support import proc

NAMES = ("lbmesh", "haproxy", "nginx", "envoy")
IDLE_CONNECTIONS = 10_000
QUICK_CONNECTIONS = 1_000
BODY_MIB = 1024
QUICK_BODY_MIB = 128
IDLE_RATIO_MAX = 3.0
IDLE_MB_MAX = 150.0
GROWTH_MB_MAX = 20.0

CONNECTIONS_PER_SOURCE = 5_000
"""Client connections from one address, 127.0.0.N: well under the kernel's range of ephemeral ports."""

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


def run(setting: Setting, connections: int, body_mib: int) -> Report:
    """Measure each variant by itself: idle connections, the same over TLS, large bodies."""
    if setting.quick:
        connections, body_mib = min(connections, QUICK_CONNECTIONS), min(body_mib, QUICK_BODY_MIB)
    certificate, authority = make_certificate(setting.directory)
    context = ssl.create_default_context(cafile=authority)
    measures: dict[str, Callable[[Variant, Path], Idle | list[Transfer]]] = {
        "plain": lambda variant, place: _idle(variant, place, setting.cores, connections),
        "bodies": lambda variant, place: _transfers(variant, place, setting.cores, body_mib),
        "TLS": lambda variant, place: _idle(variant, place, setting.cores, connections, certificate, context),
    }
    found: dict[tuple[str, str], Idle | list[Transfer]] = {}
    failures = []
    variants, allowed = setting.variants(NAMES), os.sched_getaffinity(0)
    os.sched_setaffinity(0, {setting.cores.others})
    try:
        for variant in variants:
            for what, measure in measures.items():
                setting.say(f"  {variant.title}: {what}")
                place = setting.directory / f"{variant.name}-{what}"
                place.mkdir()
                try:
                    found[what, variant.name] = measure(variant, place)
                except (OSError, RuntimeError, http.client.HTTPException) as error:
                    why = (str(error).strip().splitlines() or [repr(error)])[-1]
                    failures.append(f"**Invalid**: {variant.title}, {what}: {why}")
    finally:
        os.sched_setaffinity(0, allowed)
    titles = {variant.name: variant.title for variant in variants}
    parts = (report(found, titles, body_mib), *failures, skipped_lines(setting.skipped(NAMES)))
    return Report(paragraphs(parts), not failures)


def _idle(
    variant: Variant,
    place: Path,
    cores: Cores,
    connections: int,
    certificate: Certificate | None = None,
    context: ssl.SSLContext | None = None,
) -> Idle:
    with (
        running_origins(place, cpu=cores.others) as origins,
        running(variant, place, origins.ports, cores, certificate) as proxy,
    ):
        return hold_idle(proxy, connections, context)


def _transfers(variant: Variant, place: Path, cores: Cores, mib: int) -> list[Transfer]:
    with _body_origins(place, cores) as ports, running(variant, place, ports, cores) as proxy:
        rest_kib = rest(proxy)
        return [transfer(proxy, what, mib, rest_kib) for what in TRANSFERS]


def hold_idle(proxy: Running, connections: int, context: ssl.SSLContext | None = None) -> Idle:
    """Open so many connections, over TLS with a context, one request on each, and read the memory while all of them
    stand idle.

    Raises RuntimeError when a connection was not served, or did not live on to serve a second request.
    """
    pid = proxy.serving_pid()
    rest_kib = proc.memory_kib(pid, "VmRSS")
    with contextlib.ExitStack() as stack:
        held = []
        for number in range(connections):
            client: socket.socket = stack.enter_context(socket.socket())
            client.settimeout(10.0)
            client.bind((f"127.0.0.{2 + number // CONNECTIONS_PER_SOURCE}", 0))
            client.connect(("127.0.0.1", proxy.port))
            if context is not None:
                client = stack.enter_context(context.wrap_socket(client, server_hostname=NAME))
            _small_exchange(client)
            held.append(client)
        held_kib = proc.memory_kib(pid, "VmRSS")
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
        return proc.memory_kib(proxy.serving_pid(), "VmRSS")


def transfer(proxy: Running, what: str, mib: int, rest_kib: int) -> Transfer:
    """One body of so many MiB through the proxy, whose receiver stalls for STALL_S before it reads.

    Raises RuntimeError when not all of it came through.
    """
    pid = proxy.serving_pid()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)) as client:
        reset_memory_peak(pid)
        passed = _upload(client, what, mib) if what.startswith("up") else _download(client, what, mib)
    if passed != mib * MIB:
        raise RuntimeError(f"{what}: {passed} bytes came through of {mib * MIB}")
    return Transfer(what, _mb(proc.memory_kib(pid, "VmHWM") - rest_kib))


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


def report(found: Mapping[tuple[str, str], Idle | list[Transfer]], titles: Mapping[str, str], mib: int) -> str:
    """A table of idle connections, plain and over TLS, one of large bodies, and the marks."""
    idle_rows, body_rows, marks = [], [], []
    for (what, name), figure in found.items():
        if isinstance(figure, Idle):
            each_kb = (figure.held_mb - figure.rest_mb) * 1e3 / figure.connections
            memory_mb = (f"{figure.rest_mb:.1f}", f"{figure.held_mb:.1f}", f"{each_kb:.1f}")
            idle_rows.append((what, titles[name], f"{figure.connections:,}", *memory_mb))
        else:
            body_rows += [(titles[name], one.what, f"{one.growth_mb:.1f}") for one in figure]
    for what in ("plain", "TLS"):
        own, other = found.get((what, SUBJECT)), found.get((what, YARDSTICK))
        if isinstance(other, Idle) and SUBJECT in titles:
            beside = own.held_mb / other.held_mb if isinstance(own, Idle) else None
            name = f"memory with {other.connections:,} idle connections, {what}, beside HAProxy's"
            marks.append(Mark(name, beside, IDLE_RATIO_MAX, " ×"))
        if isinstance(own, Idle) and what == "plain":
            name = f"memory with {own.connections:,} idle connections, {what}"
            marks.append(Mark(name, own.held_mb, IDLE_MB_MAX, " MB"))
    bodies = found.get(("bodies", SUBJECT))
    if isinstance(bodies, list):
        largest = max(one.growth_mb for one in bodies)
        marks.append(Mark(f"growth of memory by a body of {mib} MiB", largest, GROWTH_MB_MAX, " MB"))
    idle_header = ("", "serving process", "idle connections", "at rest, MB", "with them, MB", "kB for each")
    body_header = ("serving process", f"a body of {mib} MiB", "peak over rest, MB")
    idle_rows.sort(key=lambda row: row[0] != "plain")
    return paragraphs((table(idle_header, idle_rows), table(body_header, body_rows), lines(marks))).rstrip()
