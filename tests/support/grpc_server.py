"""A real gRPC server with the standard health service, in a process of its own: gRPC's threads and forks do not mix.

As a program it prints its ports as JSON and serves until its standard input ends. Arguments: a file with key and
certificate for the TLS port.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lbmesh.model.address import Address

HOST = "127.0.0.1"
STATES = {"": 1, "shop": 1, "busy": 2, "odd": 0, "future": 3}
"""Services, with the ServingStatus that each has."""


@dataclass(frozen=True, slots=True)
class GrpcServer:
    """Where it listens: in plain, over TLS, and in plain without a health service."""

    plain: Address
    secure: Address
    without_health: Address


@contextmanager
def running_grpc(certificate: Path) -> Iterator[GrpcServer]:
    """The server, until the block ends."""
    command = [sys.executable, "-m", "tests.support.grpc_server", str(certificate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            ports = json.loads(process.stdout.readline())
            yield GrpcServer(*(Address(HOST, port) for port in ports))
        finally:
            process.kill()


def main() -> None:
    """Serve."""
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    servicer = health.HealthServicer()
    for name, state in STATES.items():
        servicer.set(name, health_pb2.HealthCheckResponse.ServingStatus.ValueType(state))
    pem = Path(sys.argv[1]).read_bytes()
    healthy, bare = grpc.server(ThreadPoolExecutor(2)), grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, healthy)
    ports = (
        healthy.add_insecure_port(f"{HOST}:0"),
        healthy.add_secure_port(f"{HOST}:0", grpc.ssl_server_credentials([(pem, pem)])),
        bare.add_insecure_port(f"{HOST}:0"),
    )
    healthy.start()
    bare.start()
    print(json.dumps(ports), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
