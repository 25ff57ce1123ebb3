"""The agent's side of leases: orders to the sentinel over the control channel, and what it says of them."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import trio

from lbmesh.control.processes import ControlMessage, EndLease, ExtendLease, HoldLease, LeaseAnswer, LeaseTrouble
from lbmesh.drivers.kernel.limits import LEASE_ANSWER_S
from lbmesh.observe.child import ControlChannel

_ORDERS_MAX = 256
"""Waiting for the channel: four for each front."""

_SILENT = f"the sentinel has not answered for {LEASE_ANSWER_S:g} s"


@dataclass(slots=True)
class _Asked:
    answered: trio.Event
    problem: str = _SILENT


class FrontLeases:
    """All fronts' leases. Orders reach the sentinel in the order in which they were given."""

    def __init__(self, control: ControlChannel) -> None:
        self._control = control
        self._orders, self._to_send = trio.open_memory_channel[ControlMessage](_ORDERS_MAX)
        self._tickets = count(1)
        self._asked: dict[int, _Asked] = {}
        self._listeners: dict[str, Callable[[str, bool], None]] = {}

    async def run(self) -> None:
        """Send what is ordered, for ever."""
        async for message in self._to_send:
            await self._control.send(message)

    def answered(self, message: LeaseAnswer) -> None:
        """The sentinel has done what it was asked, or could not. Nobody waits any more for an answer that is late."""
        if asked := self._asked.get(message.ticket):
            asked.problem = message.problem
            asked.answered.set()

    def troubled(self, message: LeaseTrouble) -> None:
        """The sentinel says something unasked."""
        if heard := self._listeners.get(message.front):
            heard(message.problem, message.has_lapsed)

    async def hold(self, front: str, epoch: int, until_s: float) -> str:
        """Begin a lease; what is wrong, "" if nothing."""
        ticket = next(self._tickets)
        return await self._ask(ticket, HoldLease(front, epoch, until_s, ticket))

    def extend(self, front: str, epoch: int, until_s: float) -> None:
        """Go on with one. An order that finds no room is one too many: the next comes in less than a second."""
        try:
            self._orders.send_nowait(ExtendLease(front, epoch, until_s))
        except trio.WouldBlock:
            return

    async def end(self, front: str) -> str:
        """End it; what is wrong, "" if nothing."""
        ticket = next(self._tickets)
        return await self._ask(ticket, EndLease(front, ticket))

    def listen(self, front: str, heard: Callable[[str, bool], None]) -> None:
        """Who hears of problems of this front."""
        self._listeners[front] = heard

    async def _ask(self, ticket: int, order: HoldLease | EndLease) -> str:
        asked = self._asked[ticket] = _Asked(trio.Event())
        try:
            with trio.move_on_after(LEASE_ANSWER_S):
                await self._orders.send(order)
                await asked.answered.wait()
        finally:
            del self._asked[ticket]
        return asked.problem
