"""The transport for `httpx.AsyncClient`, on trio or asyncio."""

import ssl
import sys
from functools import partial

import anyio
import anyio.to_thread
import httpcore
import httpx

from lbmesh.client.async_body import AsyncBody
from lbmesh.client.async_exchange import AsyncAnswer, AsyncExchange
from lbmesh.client.async_links import AsyncLinks
from lbmesh.client.attempts import Answered
from lbmesh.client.fleet import Fleet
from lbmesh.client.fork import watch
from lbmesh.client.listing import Balancers
from lbmesh.client.policy import DEFAULT_LIMITS, Policy, Repeat, Uniform, repeat_of
from lbmesh.client.resumption import Resumption
from lbmesh.client.translate import REPORT_EXTENSION, Timeouts, is_replayable, origin_of, to_core, with_fields


class AsyncMeshTransport(httpx.AsyncBaseTransport):
    """Sends requests to whichever of several balancers answers.

    The request's URL names the service, as it always does; only the connection goes to a balancer.
    """

    def __init__(
        self,
        balancers: Balancers,
        *,
        zone: str | None = None,
        policy: Policy | None = None,
        verify: ssl.SSLContext | bool = True,
        limits: httpx.Limits = DEFAULT_LIMITS,
        rng: Uniform | None = None,
    ) -> None:
        """`balancers`: addresses or names with ports, either by zone, or an Admin. `zone`: the client's, whose
        balancers come first; None: LBMESH_ZONE of the environment. Raises ValueError when they or the policy make no
        sense.
        """
        self._policy = policy or Policy()
        self._fleet = Fleet(balancers, self._policy, zone, rng)
        self._links = AsyncLinks(self._policy, httpx.create_ssl_context(verify=verify), limits)
        self._room_size = limits.max_connections or sys.maxsize
        self._room: anyio.Semaphore | None = None
        watch(self)

    def start_afresh(self) -> None:
        """In the child of a fork."""
        self._fleet.start_afresh()
        self._links.start_afresh()
        self._room = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises an httpx.TransportError that names every balancer tried and what happened there."""
        timeouts = Timeouts.of(request)
        repeat = repeat_of(request.method, request.headers, self._policy, replayable=is_replayable(request))
        core_request = to_core(request)
        await self._find(timeouts.connect)
        room = await self._enter(timeouts.pool)
        try:
            answer, report = await (await self._exchange(core_request, timeouts, repeat)).run()
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
            return await (await self._exchange(with_fields(core_request, fields), timeouts, repeat, after)).run()

        resumption = (
            None if repeat is Repeat.ONCE else Resumption(report, head.status, head.headers, core_request.headers)
        )
        # What must not be under way twice waits for its end.
        stall_s = self._policy.stall_s if repeat is Repeat.HEDGED else None
        body = AsyncBody(answer, self._links, room.release, resumption, ask_again, stall_s)
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

    async def _find(self, timeout_s: float | None) -> None:
        """Raises httpx.ConnectError or ConnectTimeout when no balancer is known."""
        finder = self._fleet.finder
        in_time = finder.is_ready() or await anyio.to_thread.run_sync(
            partial(finder.wait, timeout_s), abandon_on_cancel=True
        )
        if not finder.home:
            raise (httpx.ConnectError if in_time else httpx.ConnectTimeout)(finder.describe())

    async def _exchange(
        self, request: httpcore.Request, timeouts: Timeouts, repeat: Repeat, after: Answered | None = None
    ) -> AsyncExchange:
        for balancer in self._fleet.settle():
            await self._links.drop(balancer)
        attempts = self._fleet.attempts(origin_of(request.url), anyio.current_time(), repeat, after)
        hold_bytes = 0 if repeat is Repeat.ONCE else self._policy.hold_bytes
        return AsyncExchange(self._links, attempts, request, timeouts, hold_bytes=hold_bytes)
