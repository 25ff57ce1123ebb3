"""EC2's API, from the agent's loop: each call in a thread, with a deadline, and at the pace that EC2 allows."""

import functools
import random
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from time import monotonic
from typing import Any

import trio

from lbmesh.drivers.ec2.caller import Caller
from lbmesh.drivers.ec2.errors import Ec2Error, Fault
from lbmesh.drivers.ec2.limits import CALL_S, CALLS_MAX, LOOKS_MAX, RATE_PER_S, RESERVE, START_S, WAIT_S
from lbmesh.drivers.ec2.pace import Pace

Answer = Mapping[str, Any]
"""As boto3 gives it, {"Addresses": [{…}]}; times are text."""


class Urgency(Enum):
    """ORDER: a front is to move; what cannot be asked soon is told. LOOK: whatever orders leave."""

    ORDER = auto()
    LOOK = auto()


class Api:
    """EC2 of one region. `region` and `endpoint`: None for what boto3 finds, or the instance metadata say."""

    def __init__(
        self, caller: Caller, region: str | None, endpoint: str | None, own_region: Callable[[], Awaitable[str]]
    ) -> None:
        self._caller = caller
        self._region = region
        self._endpoint = endpoint
        self._own_region = own_region
        self._is_ready = False
        self._threads = trio.CapacityLimiter(CALLS_MAX)
        self._looks = trio.CapacityLimiter(LOOKS_MAX)
        self._pace = Pace(monotonic())
        self._turn = trio.Lock()

    async def call(
        self, action: str, urgency: Urgency = Urgency.ORDER, counted: int = 1, /, **parameters: object
    ) -> Answer:
        """What EC2 answers to boto3's method `action`. Raises Ec2Error. `counted`: as so many calls, if others must
        follow at once; those as 0.
        """
        if urgency is Urgency.LOOK:
            async with self._looks:
                return await self._call(action, RESERVE, counted, parameters)
        return await self._call(action, 0.0, counted, parameters)

    async def _call(self, action: str, reserve: float, counted: int, parameters: dict[str, object]) -> Answer:
        await self._make_ready()
        if counted:
            await self._wait(reserve, counted)
        try:
            answer = await self._ask(CALL_S, action, parameters)
        except Ec2Error as error:
            if error.fault is Fault.THROTTLED:
                self._pace.refused(monotonic(), random.random())
            raise
        self._pace.answered()
        return answer

    async def _wait(self, reserve: float, counted: int) -> None:
        while wait_s := self._pace.wait_s(monotonic(), reserve, counted):
            if wait_s > WAIT_S and not reserve:
                why = "said that this account calls too often" if self._pace.is_paused(monotonic()) else _RATE
                raise Ec2Error(f"EC2 {why}: it is asked again in {wait_s:.0f} s", Fault.WAITS)
            await trio.sleep(wait_s)

    async def _make_ready(self) -> None:
        """Once: boto3 imported, and a region known."""
        async with self._turn:
            if not self._is_ready:
                found = await self._ask(START_S, "", {})
                if not found["region"]:
                    self._region = await self._own_region()
                    await self._ask(START_S, "", {})
                self._is_ready = True

    async def _ask(self, within_s: float, action: str, parameters: dict[str, object]) -> Answer:
        """Whatever hangs there, the agent goes on."""
        work = functools.partial(self._caller.ask, self._region, self._endpoint, action, parameters)
        with trio.move_on_after(within_s):
            answer: Answer = await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
            return answer
        raise Ec2Error(f"EC2 has not answered for {within_s:g} s" + self._stuck())

    def _stuck(self) -> str:
        busy = self._threads.borrowed_tokens
        return f", and neither on {busy - 1} other calls" if busy > 1 else ""


_RATE = f"is called {RATE_PER_S:g} times a second at most"
