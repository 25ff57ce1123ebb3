"""The transport for `httpx.AsyncClient`, on trio or asyncio."""

import random
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import anyio
import httpx

from lbmesh.client.async_exchange import AsyncAnswer, AsyncExchange
from lbmesh.client.async_links import AsyncLinks
from lbmesh.client.attempts import Attempts
from lbmesh.client.budget import AttemptBudget
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.policy import DEFAULT_LIMITS, Policy, Uniform, may_repeat, parse_balancers
from lbmesh.client.translate import REPORT_EXTENSION, Timeouts, is_replayable, to_core, to_httpx


class AsyncMeshTransport(httpx.AsyncBaseTransport):
    """Sends requests to whichever of several balancers answers.

    The request's URL names the service, as it always does; only the connection goes to a balancer.
    """

    def __init__(
        self,
        balancers: Sequence[str],
        *,
        policy: Policy | None = None,
        verify: ssl.SSLContext | bool = True,
        limits: httpx.Limits = DEFAULT_LIMITS,
        rng: Uniform | None = None,
    ) -> None:
        """`balancers` are addresses like "10.0.1.10:80". Raises ValueError when they or the policy make no
        sense.
        """
        self._policy = policy or Policy()
        addresses = parse_balancers(balancers)
        self._memory = BalancerMemory(addresses, self._policy, rng or random.Random())
        self._budget = AttemptBudget(self._policy.budget_share, self._policy.budget_floor)
        self._links = AsyncLinks(self._policy, httpx.create_ssl_context(verify=verify), limits)
        self._room_size = limits.max_connections or sys.maxsize
        self._room: anyio.Semaphore | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises an httpx.TransportError that names every balancer tried and what happened there."""
        timeouts = Timeouts.of(request)
        room = await self._enter(timeouts.pool)
        try:
            answer, report = await self._exchange(request, timeouts).run()
        except BaseException:
            room.release()
            raise

        async def finish() -> None:
            room.release()
            await self._links.give_back(answer.link)

        return httpx.Response(
            answer.response.status,
            headers=answer.response.headers,
            stream=_Body(answer, finish),
            extensions={**answer.response.extensions, REPORT_EXTENSION: report},
        )

    async def aclose(self) -> None:
        """Close all idle connections."""
        await self._links.aclose()

    async def _enter(self, timeout_s: float | None) -> anyio.Semaphore:
        # Made here, not in __init__, because a transport may be made before the event loop runs.
        room = self._room = self._room or anyio.Semaphore(self._room_size)
        with anyio.move_on_after(timeout_s):
            await room.acquire()
            return room
        raise httpx.PoolTimeout("as many requests are under way as limits.max_connections allows")

    def _exchange(self, request: httpx.Request, timeouts: Timeouts) -> AsyncExchange:
        core_request = to_core(request)
        repeat = may_repeat(request.method, replayable=is_replayable(request))
        attempts = Attempts(self._policy, self._memory, self._budget, anyio.current_time(), may_repeat=repeat)
        return AsyncExchange(self._links, attempts, core_request, timeouts)


class _Body(httpx.AsyncByteStream):
    """The answer's body, streamed; closing it gives the connection back."""

    def __init__(self, answer: AsyncAnswer, finish: Callable[[], Awaitable[None]]) -> None:
        self._answer = answer
        self._finish: Callable[[], Awaitable[None]] | None = finish

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._answer.response.aiter_stream():
                yield part
        except Exception as error:  # only its class changes
            raise to_httpx(error, f"{self._answer.link.key.balancer} broke off in the body: {error}") from error

    async def aclose(self) -> None:
        finish, self._finish = self._finish, None
        if finish is not None:
            with anyio.CancelScope(shield=True):
                await self._answer.response.aclose()
                await finish()
