"""Processor time of one probe of each kind, in the process that probes; and of the same over httpx, to compare.

`python -m tests.bench.probe_cost`. The replicas are processes of their own. Each round takes all kinds in turn; the
figure is the median over the rounds.
"""

import argparse
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import trio

from lbmesh.agent.probes.probe import probe
from lbmesh.agent.probes.trust import TrustStore
from lbmesh.health.outcome import ProbeOrder
from lbmesh.model.address import Address
from lbmesh.model.check import GrpcProbe, HttpProbe, ProbeTls, TcpProbe
from lbmesh.model.service import HealthCheck, ReplicaId
from tests.support.certificates import Authority, server_context
from tests.support.grpc_server import running_grpc

HOST = "127.0.0.1"
ANSWER = b"HTTP/1.1 200 OK\r\nServer: x\r\nDate: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
WARM_UP = 20

Once = Callable[[], Awaitable[None]]


def serve(certificate: str | None) -> None:
    """Answer each connection once, until killed. Prints the port."""
    context = server_context(Path(certificate)) if certificate else None
    with socket.create_server((HOST, 0), backlog=100) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            connection, _ = listening.accept()
            try:
                spoken = context.wrap_socket(connection, server_side=True) if context else connection
                with spoken:
                    if spoken.recv(65536):
                        spoken.sendall(ANSWER)
            except OSError:
                connection.close()


@contextmanager
def running_replica(*certificate: str) -> Iterator[Address]:
    """A replica in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.probe_cost", "--serve", *certificate]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Address(HOST, int(process.stdout.readline()))
        finally:
            process.kill()


def ours(store: TrustStore, address: Address, check: HealthCheck) -> Once:
    """A probe as the agent does it. It must succeed."""
    order, steps = ProbeOrder(ReplicaId("shop", address), check), trio.Lock()

    async def once() -> None:
        result = await probe(store, steps, order)
        if not result.success:
            raise RuntimeError(f"{address}: {result.reason}")

    return once


def over_httpx(client: httpx.AsyncClient, url: str) -> Once:
    """The same request with httpx, on a new connection each time."""

    async def once() -> None:
        with trio.fail_after(60):
            async with client.stream("GET", url) as response:
                async for _ in response.aiter_raw():
                    pass

    return once


async def measure(kinds: dict[str, Once], rounds: int, count: int) -> dict[str, float]:
    """Microseconds for each kind."""
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, once in kinds.items():
            for _ in range(WARM_UP):
                await once()
            began = time.process_time()
            for _ in range(count):
                await once()
            taken[name].append((time.process_time() - began) / count * 1e6)
    return {name: statistics.median(each) for name, each in taken.items()}


async def compare(rounds: int, count: int) -> None:
    """Start the replicas, measure, print."""
    store = TrustStore()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lbmesh-probes-")))
        authority = Authority(directory)
        certificate = authority.issue(HOST)
        plain = stack.enter_context(running_replica())
        secure = stack.enter_context(running_replica(str(certificate)))
        grpc = stack.enter_context(running_grpc(certificate))
        tls = ProbeTls(ca_certificates=authority.text)
        wanted = HttpProbe(body_regex="o(k|h)", headers_match=(("Content-Type", "text/plain"),))
        context = ssl.create_default_context(cadata=authority.text)
        limits = httpx.Limits(max_keepalive_connections=0)
        client = httpx.AsyncClient(verify=context, trust_env=False, timeout=None, limits=limits)
        async with client:
            kinds = {
                "tcp": ours(store, plain, HealthCheck(TcpProbe())),
                "http": ours(store, plain, HealthCheck()),
                "http, body and fields": ours(store, plain, HealthCheck(wanted)),
                "http over httpx": over_httpx(client, f"http://{plain}/"),
                "grpc": ours(store, grpc.plain, HealthCheck(GrpcProbe())),
                "tcp, TLS": ours(store, secure, HealthCheck(TcpProbe(), tls=tls)),
                "http, TLS": ours(store, secure, HealthCheck(tls=tls)),
                "http over httpx, TLS": over_httpx(client, f"https://{secure}/"),
                "grpc, TLS": ours(store, grpc.secure, HealthCheck(GrpcProbe(), tls=tls)),
            }
            for name, microseconds in (await measure(kinds, rounds, count)).items():
                print(f"{name:24} {microseconds:8.0f} µs")


def main() -> None:
    """Measure, or be a replica."""
    parser = argparse.ArgumentParser(description="What a health probe of each kind costs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--serve", nargs="?", const="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve)
    else:
        trio.run(compare, arguments.rounds, arguments.count)


if __name__ == "__main__":
    main()
