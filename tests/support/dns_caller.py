"""A plain HTTP client in a process of its own: `KIND URL`.

Prints "ready" once it is loaded, waits for a line, asks until it is answered with 200, and prints the seconds that took
and how many errors it told its caller before. Exits with 3 when its library is missing.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module

OK = 200
PAUSE_S = 0.05
"""Between an error and the next try."""


def blocking(kind: str, url: str) -> Callable[[], int]:
    """Asks once, with a client that is made now; the answer's status."""
    if kind.startswith("requests"):
        requests = import_module("requests")
        session, timeout = requests.Session(), None if kind == "requests" else (3.05, 10)
        return lambda: int(session.get(url, timeout=timeout).status_code)
    import httpx

    if kind == "lbmesh.client":
        from lbmesh.client import MeshTransport

        client = httpx.Client(transport=MeshTransport([f"{httpx.URL(url).host}:80"]))
    else:
        client = httpx.Client(timeout=5 if kind == "httpx" else httpx.Timeout(10, connect=1))
    return lambda: client.get(url).status_code


def in_tasks(kind: str, url: str) -> Callable[[], Awaitable[int]]:
    """The same on asyncio, where it runs already."""
    if kind == "aiohttp":
        aiohttp = import_module("aiohttp")
        session = aiohttp.ClientSession()

        async def ask() -> int:
            async with session.get(url) as answer:
                return int(answer.status)

        return ask
    import httpx

    if kind == "lbmesh.client async":
        from lbmesh.client import AsyncMeshTransport

        client = httpx.AsyncClient(transport=AsyncMeshTransport([f"{httpx.URL(url).host}:80"]))
    else:
        client = httpx.AsyncClient()

    async def ask_httpx() -> int:
        return (await client.get(url)).status_code

    return ask_httpx


def go() -> float:
    """Wait for the word; when it came."""
    print("ready", flush=True)
    sys.stdin.readline()
    return time.monotonic()


async def until_answered(once: Callable[[], Awaitable[int]]) -> int:
    """How many errors there were before."""
    errors = 0
    while True:
        try:
            if await once() == OK:
                return errors
        except Exception:  # whatever this library calls it
            await asyncio.sleep(PAUSE_S)
        errors += 1


async def main() -> None:
    """One client. The blocking ones are alone in this process, so they may block its loop."""
    kind, url = sys.argv[1:]
    try:
        if kind in ("aiohttp", "httpx async", "lbmesh.client async"):
            once = in_tasks(kind, url)
        else:
            ask = blocking(kind, url)

            async def once() -> int:
                return ask()

    except ImportError:
        sys.exit(3)
    began = go()
    errors = await until_answered(once)
    print(time.monotonic() - began, errors, flush=True)
    os._exit(0)  # without the libraries' farewells, which are no part of this


if __name__ == "__main__":
    asyncio.run(main())
