"""Flows that go through `lbmesh.client.AsyncMeshTransport`, on trio."""

import time
from random import Random

import httpx
import trio

from lbmesh.client import AsyncMeshTransport
from lbmesh_chaos.load.client_log import ClientLogWriter
from lbmesh_chaos.load.mesh import attempts_of, failed, field_of, limits_of, policy_of, silent, slow_pieces_of, to_httpx
from lbmesh_chaos.load.order import Order
from lbmesh_chaos.load.requests import Asked, RequestMaker, word_of
from lbmesh_chaos.load.wakefulness import Wakefulness
from lbmesh_chaos.model.flow import Kind
from lbmesh_chaos.model.tally import NO_ROOM

TICK_S = 0.01
"""So often the loop looks whether it is let run."""


class AsyncMeshClients:
    """All mesh-async flows of an order. Each flow is a client of its own: its transport has its own home."""

    def __init__(self, order: Order, log: ClientLogWriter) -> None:
        self._order = order
        self._log = log
        self._make = RequestMaker(order)
        self._transports = {
            index: AsyncMeshTransport(
                order.addresses,
                limits=limits_of(order),
                policy=policy_of(order),
                rng=Random(f"{order.seed} {flow.name}"),
            )
            for index, flow in enumerate(order.flows)
            if flow.kind is Kind.MESH_ASYNC
        }
        self._under_way = dict.fromkeys(self._transports, 0)

    def run(self) -> None:
        """Until the last request has ended."""
        trio.run(self._run)

    async def _run(self) -> None:
        async with trio.open_nursery() as outer:
            outer.start_soon(self._watch)
            async with trio.open_nursery() as requests:
                await self._schedule(requests)
            outer.cancel_scope.cancel()
        for transport in self._transports.values():
            await transport.aclose()

    async def _watch(self) -> None:
        wakefulness = Wakefulness(time.monotonic())
        while True:
            planned = time.monotonic() + TICK_S
            wakefulness.sleeps_until(planned)
            await trio.sleep(TICK_S)
            self._log.starved(wakefulness.turn(time.monotonic()))
            self._log.flush()

    async def _schedule(self, requests: trio.Nursery) -> None:
        wakefulness = Wakefulness(time.monotonic())
        for due_s, index, number in self._order.merged(self._transports):
            # All that is due, in one turn: with a turn for each, a client that fell behind would stay behind for ever.
            if (pause_s := due_s - time.monotonic()) > 0:
                await trio.sleep(pause_s)
            self._log.starved(wakefulness.took_up(due_s, time.monotonic()))
            asked = self._make.bare(index, number, due_s)
            if self._under_way[index] >= self._order.in_flight_max:
                self._log.ended(asked, NO_ROOM)
                continue
            self._under_way[index] += 1
            requests.start_soon(self._ask, asked)

    async def _ask(self, asked: Asked) -> None:
        asked.sent_s = time.monotonic()
        with trio.CancelScope(deadline=trio.current_time() + asked.due_s + self._order.deadline_s - asked.sent_s):
            word, attempts = await self._exchange(asked)
        self._under_way[asked.flow] -= 1
        self._log.ended(asked, word, attempts)

    async def _exchange(self, asked: Asked) -> tuple[str, int]:
        """What became of it; of one whose time was up, too."""
        response: httpx.Response | None = None
        try:
            response = await self._transports[asked.flow].handle_async_request(
                to_httpx(self._order, asked, slow_pieces_of)
            )
            try:
                body = await response.aread()
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            return failed(asked, error, response)
        except trio.Cancelled:
            return silent(response)  # for good: the scope around this ends, and nothing waits any more
        return word_of(asked, response.status_code, body, field_of(response)), attempts_of(response)
