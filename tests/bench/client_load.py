"""Requests through `lbmesh.client` at a fixed rate, before and after a fault.

"kept": of one transport. "fresh": each of a new transport, in a process that has measured the service. "first": of a
new one that has nothing to go by, as the first request of a process.
"""

import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx
import trio

from lbmesh.client import AsyncMeshTransport, MeshTransport, Policy
from tests.support.plain_balancer import body_of

URL = "http://shop.example.com/"
FLAVOURS = ("threads", "trio")
EVERY_S = 0.01
BEFORE_S = 1.5
READ_TIMEOUT_S = 1.0
POLICY = Policy(spread=False)
KINDS = ("kept GET", "kept POST", "fresh GET", "fresh POST", "first GET")
SHARE = {"kept GET": 1, "kept POST": 5, "fresh GET": 4, "fresh POST": 5, "first GET": 4}
"""One request of the kind in so many ticks."""


@dataclass(frozen=True, slots=True)
class Request:
    """When it began and ended, on the monotonic clock; what went wrong, "" when nothing did."""

    kind: str
    number: str
    began: float
    ended: float
    failed: str
    is_mixed: bool


def due(tick: int) -> list[str]:
    """The kinds of request that begin at this tick."""
    return [kind for kind in KINDS if tick % SHARE[kind] == 0]


def policy_of(kind: str, number: str) -> Policy:
    """What is measured is known to transports of the same policy: "first" ones have each another, if only a little."""
    return replace(POLICY, stale_s=POLICY.stale_s + int(number)) if kind.startswith("first") else POLICY


class Load:
    """What was asked so far, of `addresses`, the first first. The transports of fresh requests remember no balancer."""

    def __init__(self, addresses: Sequence[str], after_s: float) -> None:
        """`after_s`: how long it goes on after the fault."""
        self.done: list[Request] = []
        self._addresses = addresses
        self._ticks = int((BEFORE_S + after_s) / EVERY_S)
        self._context = ssl.create_default_context()
        self._number = 0

    def number(self) -> str:
        """Of the next request."""
        self._number += 1
        return str(self._number)

    def judge(self, kind: str, number: str, began: float, answer: httpx.Response | Exception) -> None:
        """Write it down."""
        ended = time.monotonic()
        if isinstance(answer, Exception):
            self.done.append(Request(kind, number, began, ended, str(answer) or repr(answer), False))
        else:
            failed = "" if answer.status_code == httpx.codes.OK else f"status {answer.status_code}"
            self.done.append(Request(kind, number, began, ended, failed, answer.content != body_of(number)))

    def threads(self, strike: Callable[[], None]) -> float:
        """The round with MeshTransport; when the fault was."""
        timeout = httpx.Timeout(READ_TIMEOUT_S)
        kept = httpx.Client(transport=self._sync(POLICY), timeout=timeout)

        def ask(kind: str, number: str) -> None:
            began = time.monotonic()
            method = kind.split()[1]
            client = kept
            if not kind.startswith("kept"):
                client = httpx.Client(transport=self._sync(policy_of(kind, number)), timeout=timeout)
            try:
                answer: httpx.Response | Exception = client.request(method, URL, headers={"X-Id": number})
            except httpx.HTTPError as error:
                answer = error
            self.judge(kind, number, began, answer)
            if client is not kept:
                client.close()

        at, began = 0.0, time.monotonic()
        with kept, ThreadPoolExecutor(64) as pool:
            for tick in range(self._ticks):
                time.sleep(max(0.0, began + tick * EVERY_S - time.monotonic()))
                if not at and tick * EVERY_S >= BEFORE_S:
                    strike()
                    at = time.monotonic()
                for kind in due(tick):
                    pool.submit(ask, kind, self.number())
        return at

    async def trio(self, strike: Callable[[], None]) -> float:
        """The round with AsyncMeshTransport; when the fault was."""
        timeout = httpx.Timeout(READ_TIMEOUT_S)
        kept = httpx.AsyncClient(transport=self._async(POLICY), timeout=timeout)

        async def ask(kind: str, number: str) -> None:
            began = time.monotonic()
            method = kind.split()[1]
            client = kept
            if not kind.startswith("kept"):
                client = httpx.AsyncClient(transport=self._async(policy_of(kind, number)), timeout=timeout)
            try:
                answer: httpx.Response | Exception = await client.request(method, URL, headers={"X-Id": number})
            except httpx.HTTPError as error:
                answer = error
            self.judge(kind, number, began, answer)
            if client is not kept:
                await client.aclose()

        at, began = 0.0, time.monotonic()
        async with kept, trio.open_nursery() as nursery:
            for tick in range(self._ticks):
                await trio.sleep(max(0.0, began + tick * EVERY_S - time.monotonic()))
                if not at and tick * EVERY_S >= BEFORE_S:
                    strike()
                    at = time.monotonic()
                for kind in due(tick):
                    nursery.start_soon(ask, kind, self.number())
        return at

    def _sync(self, policy: Policy) -> MeshTransport:
        return MeshTransport(self._addresses, policy=policy, verify=self._context)

    def _async(self, policy: Policy) -> AsyncMeshTransport:
        return AsyncMeshTransport(self._addresses, policy=policy, verify=self._context)
