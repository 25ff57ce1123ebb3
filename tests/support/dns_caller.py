"""A plain HTTP client in a process of its own: `KIND URL`.

Prints "ready" once it is loaded, waits for a line, asks until it is answered with 200, and prints the seconds that took
and how many errors it told its caller before. Exits with 3 when its library is missing.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

PAUSE_S = 0.05
"""Between an error and the next try."""


def blocking(kind: str) -> Callable[[str], int]:
    """Asks once; the answer's status."""
    match kind:
        case "requests" | "requests (3.05 s)":
            import requests

            timeout = None if kind == "requests" else (3.05, 10)
            return lambda url: int(requests.get(url, timeout=timeout).status_code)
        case "httpx":
            import httpx

            return lambda url: httpx.get(url).status_code
        case "httpx (1 s)":
            import httpx

            return lambda url: httpx.get(url, timeout=httpx.Timeout(10, connect=1)).status_code
        case _:
            import httpx

            from lbmesh.client import MeshTransport

            def ask(url: str) -> int:
                with httpx.Client(transport=MeshTransport([f"{httpx.URL(url).host}:80"])) as client:
                    return client.get(url).status_code

            return ask


def in_tasks(kind: str) -> Callable[[str], Awaitable[int]]:
    """The same on asyncio."""
    match kind:
        case "aiohttp":
            import aiohttp

            async def ask(url: str) -> int:
                async with aiohttp.ClientSession() as session, session.get(url) as answer:
                    return int(answer.status)

        case "httpx async":
            import httpx

            async def ask(url: str) -> int:
                async with httpx.AsyncClient() as client:
                    return (await client.get(url)).status_code

        case _:
            import httpx

            from lbmesh.client import AsyncMeshTransport

            async def ask(url: str) -> int:
                transport = AsyncMeshTransport([f"{httpx.URL(url).host}:80"])
                async with httpx.AsyncClient(transport=transport) as client:
                    return (await client.get(url)).status_code

    return ask


def go() -> float:
    """Wait for the word; when it came."""
    print("ready", flush=True)
    sys.stdin.readline()
    return time.monotonic()


def main() -> None:
    """One client."""
    kind, url = sys.argv[1:]
    ask: Any
    errors = 0
    try:
        is_async = kind in ("aiohttp", "httpx async", "lbmesh.client async")
        ask = in_tasks(kind) if is_async else blocking(kind)
    except ImportError:
        sys.exit(3)
    began = go()
    while True:
        try:
            status = asyncio.run(ask(url)) if is_async else ask(url)
        except Exception:  # whatever this library calls it
            errors += 1
            time.sleep(PAUSE_S)
            continue
        if status == 200:
            break
        errors += 1
    print(time.monotonic() - began, errors, flush=True)


if __name__ == "__main__":
    main()
