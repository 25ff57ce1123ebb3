"""Clients that go on calling, whatever happens: open loop, so that a slow answer holds no other request up."""

import itertools
from dataclasses import dataclass, field

import httpx
import trio

from lbmesh.client import Answered, AsyncMeshTransport, Policy
from lbmesh.dev.ledger import Call, Kind, Ledger
from lbmesh.dev.world import Balancer, World

PERIOD_S = 0.02
"""Between one request and the next, over all clients."""

DEADLINE_S = 10.0
"""A request without a 2xx by then is lost."""

ORDER_EVERY = 20
"""One request in so many is an order: not idempotent by its method, so never sent twice once it may have arrived."""

IN_FLIGHT_MAX = 512
"""More than a client's share of requests within one deadline."""

_READS = ("/menu", "/", "/whoami")


@dataclass(slots=True)
class Traffic:
    """A client in each zone, which calls its own zone's balancer first. `last`: the newest answered call."""

    world: World
    ledger: Ledger
    last: Call | None = None
    _stopping: trio.Event = field(default_factory=trio.Event)

    def stop(self) -> None:
        """Begin no more requests; `run` returns when the last has its answer, or is lost."""
        self._stopping.set()

    async def run(self) -> None:
        """Send until stopped. Each request has a task of its own."""
        clients = [_client(balancer, self.world) for balancer in self.world.balancers]
        names = [f"client-{balancer.zone[-1]}" for balancer in self.world.balancers]
        try:
            began_s = trio.current_time()
            async with trio.open_nursery() as nursery:
                for number in itertools.count():
                    with trio.move_on_at(began_s + number * PERIOD_S):
                        await self._stopping.wait()
                        return
                    which = number % len(clients)
                    nursery.start_soon(self._call, clients[which], names[which], number)
        finally:
            with trio.CancelScope(shield=True):
                for client in clients:
                    await client.aclose()

    async def _call(self, client: httpx.AsyncClient, name: str, number: int) -> None:
        began_s = trio.current_time()
        kind = Kind.ORDER if number % ORDER_EVERY == 0 else Kind.READ
        problem, response = f"no answer within {DEADLINE_S:g} s", None
        with trio.move_on_after(DEADLINE_S):
            try:
                response = await _send(client, kind, f"{name}.{number}", number)
                problem = "" if response.is_success else f"answered {response.status_code}"
            except httpx.TransportError as error:
                problem = str(error)
        self._note(Call(name, kind, began_s, trio.current_time(), problem), response)

    def _note(self, call: Call, response: httpx.Response | None) -> None:
        if response is not None:
            call = self._with_answer(call, response)
        self.ledger.add(call)
        if call.answered:
            self.last = call

    def _with_answer(self, call: Call, response: httpx.Response) -> Call:
        report: Answered = response.extensions["lbmesh"]
        return Call(
            client=call.client,
            kind=call.kind,
            began_s=call.began_s,
            ended_s=call.ended_s,
            problem=call.problem,
            balancer=next(one.name for one in self.world.balancers if one.address == report.balancer),
            replica=response.headers.get("X-Replica", ""),
            zone=response.headers.get("X-Zone", ""),
            attempts=report.attempts,
            moved=bool(report.failures),
        )


def _client(home: Balancer, world: World) -> httpx.AsyncClient:
    """Its own zone's balancer comes first, then the others in turn, as the published addresses would."""
    start = world.balancers.index(home)
    order = (*world.balancers[start:], *world.balancers[:start])
    transport = AsyncMeshTransport(
        [str(one.address) for one in order],
        policy=Policy(spread=False),
        limits=httpx.Limits(max_connections=IN_FLIGHT_MAX, max_keepalive_connections=20),
    )
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example.com", timeout=DEADLINE_S)


async def _send(client: httpx.AsyncClient, kind: Kind, key: str, number: int) -> httpx.Response:
    match kind:
        case Kind.READ:
            return await client.get(_READS[number % len(_READS)])
        case Kind.ORDER:
            order = {"item": "pretzel", "count": 2}
            return await client.post("/orders", json=order, headers={"Idempotency-Key": key})


async def order_keys(world: World) -> list[list[str]]:
    """The keys in the books of each replica that answers."""
    books = []
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(), timeout=DEADLINE_S) as client:
        for replica in world.replicas:
            answer = await client.get(f"http://{replica.address}/orders")
            books.append([str(key) for key in answer.json()["keys"]])
    return books
