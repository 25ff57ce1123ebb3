"""The transport for `httpx.AsyncClient`, on trio or asyncio."""

import random
import ssl
import sys
from collections.abc import Sequence

import anyio
import httpcore
import httpx

from lbmesh.client.async_body import AsyncBody
from lbmesh.client.async_exchange import AsyncAnswer, AsyncExchange
from lbmesh.client.async_links import AsyncLinks
from lbmesh.client.attempts import Answered, Attempts
from lbmesh.client.budget import AttemptBudget
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.policy import DEFAULT_LIMITS, Policy, Uniform, may_repeat, parse_balancers
from lbmesh.client.resumption import Resumption
from lbmesh.client.translate import REPORT_EXTENSION, Timeouts, is_replayable, to_core, with_fields


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
        may_be_sent_again = may_repeat(request.method, replayable=is_replayable(request))
        core_request = to_core(request)
        room = await self._enter(timeouts.pool)
        try:
            answer, report = await self._exchange(core_request, timeouts, may_be_sent_again).run()
        except BaseException:
            room.release()
            raise
        head = answer.response
        extensions = {**head.extensions, REPORT_EXTENSION: report}
        if answer.body is not None:
            room.release()
            await self._links.give_back(answer.link)
            held = httpx.ByteStream(answer.body)
            return httpx.Response(head.status, headers=head.headers, stream=held, extensions=extensions)

        async def ask_again(after: Answered, fields: list[tuple[bytes, bytes]]) -> tuple[AsyncAnswer, Answered]:
            return await self._exchange(with_fields(core_request, fields), timeouts, True, after).run()

        resumption = Resumption(report, head.status, head.headers, core_request.headers) if may_be_sent_again else None
        body = AsyncBody(answer, self._links, room.release, resumption, ask_again, self._policy.stall_s)
        response = httpx.Response(head.status, headers=head.headers, stream=body, extensions=extensions)
        body.extensions = response.extensions
        return response

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

    def _exchange(
        self, request: httpcore.Request, timeouts: Timeouts, may_repeat: bool, after: Answered | None = None
    ) -> AsyncExchange:
        now = anyio.current_time()
        attempts = Attempts(self._policy, self._memory, self._budget, now, may_repeat=may_repeat, after=after)
        hold_bytes = self._policy.hold_bytes if may_repeat else 0
        return AsyncExchange(self._links, attempts, request, timeouts, hold_bytes=hold_bytes)
