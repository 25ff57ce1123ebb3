"""Asks every balancer what it believes, all the time."""

from collections.abc import Callable

import httpx
import trio

from lbmesh.dev.picture import Picture, blind_picture, read_picture
from lbmesh.dev.sightings import Sightings
from lbmesh.dev.world import Balancer, World

POLL_S = 0.1
"""How fine the times of a report are."""

ANSWER_S = 0.5
"""A balancer that takes longer is taken to be blind."""

OnChange = Callable[[Balancer, Picture], None]


class Watch:
    """Polls /v1/state of all balancers into `sightings`."""

    def __init__(self, world: World, on_change: OnChange | None = None) -> None:
        """Call it inside trio: it reads the clock."""
        self._world = world
        self._on_change = on_change
        self._asked = trio.Event()
        self._blind = blind_picture(world)
        names = [one.name for one in world.balancers]
        self.sightings = Sightings(names, self._blind, trio.current_time())

    @property
    def all_whole_since(self) -> float | None:
        """Since when every balancer's picture is whole; None when one's is not."""
        times = [self.sightings.whole_since(one.name) for one in self._world.balancers]
        return None if None in times else max(time for time in times if time is not None)

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            for balancer in self._world.balancers:
                nursery.start_soon(self._poll, balancer)

    async def asked(self) -> None:
        """Return when one more balancer has answered, or has not."""
        await self._asked.wait()

    async def until_whole(self, steady_s: float) -> None:
        """Return when every balancer's picture is whole, and has been for so long."""
        while (since_s := self.all_whole_since) is None or trio.current_time() - since_s < steady_s:
            await self.asked()

    async def _poll(self, balancer: Balancer) -> None:
        # A plain transport: proxies from the environment are not for loopback.
        transport = httpx.AsyncHTTPTransport()
        async with httpx.AsyncClient(transport=transport, timeout=ANSWER_S) as client:
            while True:
                picture = await self._ask(client, balancer)
                if self.sightings.saw(balancer.name, picture, trio.current_time()) and self._on_change:
                    self._on_change(balancer, picture)
                self._asked.set()
                self._asked = trio.Event()
                await trio.sleep(POLL_S)

    async def _ask(self, client: httpx.AsyncClient, balancer: Balancer) -> Picture:
        try:
            answer = await client.get(f"http://{balancer.admin}/v1/state")
        except httpx.TransportError:
            return self._blind
        return read_picture(answer.json(), self._world, balancer.name) if answer.is_success else self._blind
