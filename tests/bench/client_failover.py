"""What failing over costs a caller of `lbmesh.client`: run `python -m tests.bench.client_failover` from the
repository.

Each request is by a fresh transport, of a service that was never measured, so nothing is remembered; the first balancer
has the fault, the second is well and in this same process. Prints milliseconds: the median and the worst.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import httpx
import trio

from lbmesh.client import AsyncMeshTransport, MeshTransport, Policy
from lbmesh.client.pace import PACES
from tests.support.balancers import balancer, break_mid_head, frozen, refusing, silent

URL = "http://shop.example.com/"
LISTED = Policy(spread=False)
FAULTS = ("none", "refuses", "silent", "frozen", "resets mid-head")


def faulty(fault: str, stack: ExitStack) -> str:
    """The address of a balancer with that fault."""
    match fault:
        case "none":
            return stack.enter_context(balancer()).address
        case "refuses":
            return stack.enter_context(refusing())
        case "silent":
            return stack.enter_context(silent())
        case "frozen":
            return stack.enter_context(frozen()).address
        case _:
            return stack.enter_context(balancer(break_mid_head)).address


def time_threads(method: str, balancers: Sequence[str], repeats: int) -> list[float]:
    """Milliseconds of each request, each with a new transport."""
    taken = []
    for _ in range(repeats):
        PACES.start_afresh()
        with httpx.Client(transport=MeshTransport(balancers, policy=LISTED, verify=False)) as client:
            began = time.perf_counter()
            client.request(method, URL).raise_for_status()
            taken.append((time.perf_counter() - began) * 1e3)
    return taken


async def time_tasks(method: str, balancers: Sequence[str], repeats: int) -> list[float]:
    """The same on the loop that runs."""
    taken = []
    for _ in range(repeats):
        PACES.start_afresh()
        transport = AsyncMeshTransport(balancers, policy=LISTED, verify=False)
        async with httpx.AsyncClient(transport=transport) as client:
            began = time.perf_counter()
            (await client.request(method, URL)).raise_for_status()
            taken.append((time.perf_counter() - began) * 1e3)
    return taken


def failover_table(repeats: int) -> None:
    """One line per fault, method and flavour."""
    print(f"{'first balancer':16} {'method':7} {'flavour':8} {'median ms':>10} {'worst ms':>10}")
    for fault in FAULTS:
        # A POST that was sent is never repeated, so it has nothing to show where the request arrived.
        for method in ("GET", "POST") if fault in ("none", "refuses", "silent") else ("GET",):
            for flavour in ("sync", "trio", "asyncio"):
                with ExitStack() as stack:
                    balancers = [faulty(fault, stack), stack.enter_context(balancer()).address]
                    taken = {
                        "sync": lambda b, m: time_threads(m, b, repeats),
                        "trio": lambda b, m: trio.run(time_tasks, m, b, repeats),
                        "asyncio": lambda b, m: asyncio.run(time_tasks(m, b, repeats)),
                    }[flavour](balancers, method)
                print(f"{fault:16} {method:7} {flavour:8} {statistics.median(taken):10.1f} {max(taken):10.1f}")


def steady_table(requests: int) -> None:
    """CPU and wall time of a request on a kept connection, beside httpx's own transport. The server's share
    is in both.
    """
    print(f"\n{'kept connection':34} {'wall µs':>10} {'CPU µs':>10}")
    with balancer() as alive, balancer() as other:
        transports: dict[str, Callable[[], httpx.BaseTransport]] = {
            "httpx.HTTPTransport": lambda: httpx.HTTPTransport(verify=False),
            "MeshTransport": lambda: MeshTransport([alive.address, other.address], policy=LISTED, verify=False),
        }
        for name, make in transports.items():
            with httpx.Client(transport=make()) as client:
                url = f"http://{alive.address}/"
                for _ in range(50):
                    client.get(url)
                wall, cpu = time.perf_counter(), time.process_time()
                for _ in range(requests):
                    client.get(url)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(f"{name:34} {wall / requests * 1e6:10.0f} {cpu / requests * 1e6:10.0f}")
        for loop in ("trio", "asyncio"):
            for name in ("httpx.AsyncHTTPTransport", "AsyncMeshTransport"):
                wall, cpu = _steady_on(loop, name, alive.address, other.address, requests)
                print(f"{name + ' ' + loop:34} {wall * 1e6:10.0f} {cpu * 1e6:10.0f}")


def _steady_on(loop: str, name: str, alive: str, other: str, requests: int) -> tuple[float, float]:
    async def run() -> tuple[float, float]:
        transport = (
            AsyncMeshTransport([alive, other], policy=LISTED, verify=False)
            if name == "AsyncMeshTransport"
            else httpx.AsyncHTTPTransport(verify=False)
        )
        async with httpx.AsyncClient(transport=transport) as client:
            for _ in range(50):
                await client.get(f"http://{alive}/")
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(requests):
                await client.get(f"http://{alive}/")
            return (time.perf_counter() - wall) / requests, (time.process_time() - cpu) / requests

    return trio.run(run) if loop == "trio" else asyncio.run(run())


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description="What failing over costs a caller of lbmesh.client")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--requests", type=int, default=2000)
    arguments = parser.parse_args()
    failover_table(arguments.repeats)
    steady_table(arguments.requests)


if __name__ == "__main__":
    main()
