"""The same request through the client in threads, on trio and on asyncio."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

import httpx
import trio

from lbmesh.client import Answered, AsyncMeshTransport, MeshTransport, Policy
from lbmesh.client.listing import Balancers

FLAVOURS = ("sync", "trio", "asyncio")
URL = "http://shop.example.com/basket"
STEADY = Policy(spread=False, hedge_quantile=None)
"""The same balancer first, and a hedge after 250 ms, whatever was measured before in this process."""


@dataclass(frozen=True, slots=True)
class Got:
    """An answer read whole."""

    status: int
    body: bytes
    report: Answered

    @property
    def text(self) -> str:
        """The body, which is UTF-8."""
        return self.body.decode()


def call(
    flavour: str,
    balancers: Balancers,
    *methods: str,
    policy: Policy | None = None,
    timeout: float | httpx.Timeout = 10.0,
    url: str = URL,
    verify: ssl.SSLContext | bool = True,
    **arguments: Any,
) -> list[Got]:
    """One request per method, one after the other, through one new client, which is closed then."""
    policy = policy or STEADY
    if flavour == "sync":
        with httpx.Client(transport=MeshTransport(balancers, policy=policy, verify=verify), timeout=timeout) as client:
            return [_got(client.request(method, url, **arguments)) for method in methods]

    async def run() -> list[Got]:
        transport = AsyncMeshTransport(balancers, policy=policy, verify=verify)
        async with httpx.AsyncClient(transport=transport, timeout=timeout) as client:
            return [_got(await client.request(method, url, **arguments)) for method in methods]

    return trio.run(run) if flavour == "trio" else asyncio.run(run())


def _got(response: httpx.Response) -> Got:
    return Got(response.status_code, response.content, response.extensions["lbmesh"])
