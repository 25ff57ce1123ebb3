"""One front that BIRD announces: taken step by step, each of which may fail; watched, repaired, withdrawn.

The steps: BIRD has the protocol, a static one; nobody else serves the front; its address is on lo; BGP may speak;
the protocol is enabled; the route passes to a router. Letting go is the other way round: BIRD withdraws, and only then
the address goes.
"""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from errno import EPERM

import structlog
import trio

from lbmesh.drivers.bgp import protocols, tables
from lbmesh.drivers.bgp.bird import Bird, Trouble
from lbmesh.drivers.bgp.gate import Gate
from lbmesh.drivers.bgp.limits import (
    HELD_LOOK_S,
    HTTP_PROBE_S,
    IDLE_LOOK_S,
    SESSION_LOOK_S,
    SESSION_S,
)
from lbmesh.drivers.bgp.sessions import Sessions
from lbmesh.drivers.bgp.tables import ProtocolRow
from lbmesh.drivers.http_probe import answers_http
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.failover.orders import Acquire, Done, Drifted, Failed, Found, Occupied, Told, Unready
from lbmesh.model.front import BgpDriver, Front

log = structlog.get_logger(__name__)

_LOOPBACK = "lo"


@dataclass(frozen=True, slots=True)
class _Held:
    """What this node announces: the protocol, under the claim's epoch. `note`: what was said of it."""

    protocol: str
    epoch: int
    note: str = ""


class Announcer:
    """One front at this node. `is_home`: this node is where the front belongs, so that routers need not prefer it.
    `flows_problem`: that its connections are not known to others, or theirs here, and why.
    """

    def __init__(
        self,
        front: Front,
        options: BgpDriver,
        *,
        is_home: bool,
        bird: Bird,
        kernel: Kernel,
        gate: Gate,
        flows_problem: Callable[[], str],
    ) -> None:
        self.front = front
        self._options = options
        self._protocol = options.protocol if is_home else options.takeover or options.protocol
        self._bird = bird
        self._kernel = kernel
        self._gate = gate
        self._flows_problem = flows_problem
        self._sessions = Sessions(bird, options.prefix)
        self._held: _Held | None = None
        self._turn = trio.Lock()
        self._told = ""
        self._tell: Callable[[Told], None] | None = None

    @property
    def is_held(self) -> bool:
        """Does this node announce it?"""
        return self._held is not None

    # Orders

    async def acquire(self, order: Acquire) -> Done | Failed | Occupied:
        """Take it, or repair what is missing of it."""
        name, ticket = self.front.name, order.ticket
        async with self._turn:
            if problem := await self._missing():
                return Failed(name, ticket, problem)
            if order.ask_first and not self._is_local() and await answers_http(self.front.address, HTTP_PROBE_S):
                return Occupied(name, ticket, f"{self.front.address} answers HTTP, where routers lead it to now")
            self._gate.settle(name)
            problem = self._add() or await self._gate.open() or await self._announce()
            if problem:
                if self._held is None:
                    # Without proof it is not held, so it must not be half announced either.
                    self._say(await self._quiet())
                return Failed(name, ticket, problem)
            self._gate.hold(name, order.epoch, order.until_s)
            note = await self._sessions.unguarded()
            self._held = _Held(self._protocol, order.epoch, note)
            return Done(name, ticket, note)

    async def release(self) -> str:
        """Let it go; what is wrong, "" if nothing."""
        async with self._turn:
            self._held = None
            return await self._let_go()

    async def withdraw(self) -> None:
        """Have routers lead nobody here any more. Who is here is served on."""
        async with self._turn:
            if self._held is not None:
                self._held = None
                if problem := await self._quiet():
                    log.warning("a front could not be withdrawn", front=self.front.name, problem=problem)

    def extend(self, until_s: float) -> None:
        """It may be held until then."""
        if self._held is not None:
            self._gate.hold(self.front.name, self._held.epoch, until_s)

    # Steps

    async def _missing(self) -> str:
        """What BIRD lacks of it; "" for nothing."""
        return self._lack(await self._rows())

    def _lack(self, rows: Sequence[ProtocolRow | Trouble | None]) -> str:
        for protocol, row in zip(self._options.protocols, rows, strict=True):
            if isinstance(row, Trouble):
                return row.words
            if row is None:
                return (
                    f'BIRD has no protocol "{protocol}": write protocol static {protocol} {{ … route '
                    f"{self._options.prefix} … }} in bird.conf, then birdc configure; or correct options"
                )
            if not row.is_static:
                return f'"{protocol}" in BIRD is of kind {row.kind}, not static: name the static one that has the route'
        return ""

    def _add(self) -> str:
        if self._is_local():
            return ""
        if problem := self._kernel.problem():
            return problem
        index = socket.if_nametoindex(_LOOPBACK)
        failed = self._kernel.add(index, self.front.name, 128 if ":" in self.front.name else 32)
        if failed == EPERM:
            return (
                f"{self.front.name} cannot be added to {_LOOPBACK}: give the service CAP_NET_ADMIN "
                "(deploy/drop-ins/lbmesh.service.d/bgp.conf)"
            )
        return f"{self.front.name} cannot be added to {_LOOPBACK}: {os.strerror(failed).lower()}" if failed else ""

    async def _announce(self) -> str:
        """Enable the protocol, and wait until its route passes to a router."""
        for protocol in self._options.protocols:
            wanted = protocol == self._protocol
            said = await self._bird.ask(tables.enable(protocol) if wanted else tables.disable(protocol))
            if isinstance(said, Trouble):
                return said.words
            if said.is_fault:
                return f'BIRD does not {"enable" if wanted else "disable"} "{protocol}": {said.text}'
        problem = ""
        with trio.move_on_after(SESSION_S):
            while True:
                if not (problem := await self._unannounced()):
                    break
                await trio.sleep(SESSION_LOOK_S)
        return problem

    async def _unannounced(self) -> str:
        """Why no router has the route; "" when one has."""
        said = await self._bird.ask(tables.show_own_route(self._options.prefix, self._protocol))
        if isinstance(said, Trouble):
            return said.words
        if not tables.has_route_of(said, self._protocol):
            return (
                f'"{self._protocol}" in BIRD brings no route to {self._options.prefix}: write route '
                f'{self._options.prefix} via "{_LOOPBACK}"; there, or correct options.prefix'
            )
        return await self._sessions.unannounced(self._protocol)

    async def _let_go(self) -> str:
        """Withdraw, then take the address away."""
        self._gate.let_go(self.front.name)
        if problem := await self._quiet():
            return problem
        for one in self._kernel.assigned(self.front.name):
            if one.is_ours and (failed := self._kernel.delete(one)):
                return f"{self.front.name} cannot be taken away from {_LOOPBACK}: {os.strerror(failed).lower()}"
        return ""

    async def _quiet(self) -> str:
        """Have BIRD announce it no more. One that cannot be told so is silenced as a whole."""
        for protocol in self._options.protocols:
            problem = await protocols.disable(self._bird, protocol)
            if problem:
                await self._gate.silence(self.front.name, problem)
                return f"{problem}; until it answers, BGP's packets are dropped here"
        self._gate.settle(self.front.name)
        return ""

    async def _rows(self) -> list[ProtocolRow | Trouble | None]:
        return [await self._row(protocol) for protocol in self._options.protocols]

    async def _row(self, protocol: str) -> ProtocolRow | Trouble | None:
        return await protocols.find(self._bird, protocol)

    def _is_local(self) -> bool:
        return bool(self._kernel.assigned(self.front.name))

    # The watch

    async def watch(self, tell: Callable[[Told], None]) -> None:
        """Look after it, for ever."""
        self._tell, self._told = tell, ""
        tell(Unready(self.front.name, ""))
        async with self._turn:
            await self._resume(tell)
        while True:
            lost = self._gate.lost
            with trio.move_on_after(HELD_LOOK_S if self._held else IDLE_LOOK_S):
                await lost.wait()
            async with self._turn:
                await self._look(tell)

    async def _resume(self, tell: Callable[[Told], None]) -> None:
        """What a former agent left: under a lease that runs its work goes on; without one, others may have it."""
        epoch = self._gate.epoch_before()
        row = await self._row(self._protocol)
        is_up = isinstance(row, ProtocolRow) and row.is_static and row.state == "up"
        if is_up and epoch is not None and self._is_local():
            self._held = _Held(self._protocol, epoch)
            self._gate.hold(self.front.name, epoch, float("inf"))
            self._gate.settle(self.front.name)
            tell(Found(self.front.name, epoch))
        else:
            if is_up:
                log.info("withdrew a front that was announced before this node started", front=self.front.name)
            self._say(await self._let_go())
        self._say(await self._gate.keep())

    async def _look(self, tell: Callable[[Told], None]) -> None:
        if self._held is not None:
            self._report(self._flows_problem())
            if problem := await self._check(self._held):
                tell(Drifted(self.front.name, problem))
            return
        rows, problem = await self._rows(), ""
        announced = [row.name for row in rows if isinstance(row, ProtocolRow) and row.state != "down"]
        if announced:
            log.warning("somebody enabled a front's protocol in BIRD: disabled it", protocols=announced)
            problem = await self._quiet()
        elif not any(isinstance(row, Trouble) and not row.is_absent for row in rows):
            self._gate.settle(self.front.name)
        shut = await self._gate.keep()
        if lack := problem or self._lack(rows) or shut:
            self._say(lack)
        else:
            self._report(self._flows_problem())

    async def _check(self, held: _Held) -> str:
        """Is the world as it was left? What is not; "" if nothing."""
        row = await self._row(held.protocol)
        if isinstance(row, Trouble):
            return row.words
        if row is None:
            return f'BIRD has no protocol "{held.protocol}" any more'
        if row.state != "up":
            return f'"{held.protocol}" in BIRD is {row.state}: somebody disabled it, or BIRD was restarted'
        if not self._is_local():
            return f"{self.front.name} is not on {_LOOPBACK} any more"
        if not self._gate.has_rules():
            return "the rules of BGP's lease are not in the kernel any more"
        if self._gate.problem:
            return self._gate.problem
        note = await self._sessions.unguarded()
        return await self._unannounced() or (note or "BFD is up again" if note != held.note else "")

    async def leave(self) -> None:
        """Nobody will look after it any more."""
        self._tell = None
        async with self._turn:
            self._held = None
            self._say(await self._let_go())

    def _say(self, problem: str) -> None:
        """What is missing to hold it here, when that has changed."""
        if problem and problem != self._told:
            log.warning("a front cannot be held here as things are", front=self.front.name, problem=problem)
        self._report(problem)

    def _report(self, problem: str) -> None:
        if problem != self._told:
            self._told = problem
            if self._tell is not None:
                self._tell(Unready(self.front.name, problem))
