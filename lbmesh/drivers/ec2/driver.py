"""The driver of fronts that EC2 moves. Look, sign, lead, look again; whatever was done before is not done again.

EC2 itself leads an address to one node at a time. So to let a front go is to move it no more: it stays led to who had
it, and is served there, until the next holder leads it away. A node that is cut off thus costs nothing, nor does EC2
when it cannot be reached just then.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from time import monotonic

import structlog
import trio

from lbmesh.drivers.ec2.api import Api, Urgency
from lbmesh.drivers.ec2.caller import Caller
from lbmesh.drivers.ec2.choices import Choices
from lbmesh.drivers.ec2.device import Device
from lbmesh.drivers.ec2.errors import Ec2Error, Fault
from lbmesh.drivers.ec2.limits import (
    ACQUIRE_S,
    CHANGES_MAX,
    ILL_S,
    LOOK_S,
    READY_S,
    VERIFY_GAP_MAX_S,
    VERIFY_GAP_S,
    VERIFY_S,
)
from lbmesh.drivers.ec2.line import Line
from lbmesh.drivers.ec2.metadata import Metadata
from lbmesh.drivers.ec2.resources import Mark, Resource, Seen, resource_of
from lbmesh.drivers.right import Right
from lbmesh.failover.orders import (
    Acquire,
    Done,
    Drain,
    Drifted,
    Failed,
    Outdated,
    Release,
    Renew,
    Tickle,
    Told,
    Unfinished,
    Unready,
)
from lbmesh.model.front import Ec2Driver, Ec2Kind, Front

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Held:
    """What is known of one front. `epoch`: of the claim that holds it here; None when it is not held. `looking`: the
    scope of a look. `changes`: how often in a row another's call came in between. `ill_since_s`: since when EC2 itself
    has kept it from being moved, None when it does not.
    """

    epoch: int | None = None
    right: Right = field(default_factory=Right)
    looking: trio.CancelScope | None = None
    turn: trio.Lock = field(default_factory=trio.Lock)
    changes: int = 0
    ill_since_s: float | None = None
    complaint: str = ""

    def may(self) -> None:
        """Before each call that moves something."""
        if self.right.has_lapsed:
            raise Ec2Error(_LAPSED)

    def is_to_wait(self, fault: Fault, now: float) -> bool:
        """Is it no failure yet, so that another node would fare no better?"""
        match fault:
            case Fault.WAITS | Fault.THROTTLED:
                return True
            case Fault.ILL:
                self.ill_since_s = now if self.ill_since_s is None else self.ill_since_s
                return now - self.ill_since_s < ILL_S
            case Fault.CHANGED:
                self.changes += 1
                return self.changes < CHANGES_MAX
            case Fault.OTHER:
                self.forget_trouble()
                return False

    def forget_trouble(self) -> None:
        """It has come to an end, one way or the other."""
        self.changes, self.ill_since_s = 0, None


class Ec2Fronts:
    """`name`: this node's. `caller` and `device`: what calls EC2, and the kernel's side, of all of its fronts."""

    def __init__(self, name: str, caller: Caller | None = None, device: Device | None = None) -> None:
        self._name = name
        self._caller = caller or Caller()
        self._device = device or Device()
        self._metadata = Metadata()
        self._fronts: dict[str, _Held] = {}
        self._apis: dict[tuple[str | None, str | None], Api] = {}
        self._line = Line()
        self._choices = Choices()

    async def acquire(self, order: Acquire) -> Done | Failed | Unfinished | Outdated:
        """Lead the front here, and do not believe that it is before EC2 shows it. Nothing is moved after the right to
        it lapsed, as far as Renew has not told of a longer one.
        """
        name, ticket, held = order.front.name, order.ticket, self._of(order.front)
        held.right.extend(order.until_s)
        if held.looking is not None:
            held.looking.cancel()
        try:
            newer = await self._in_turn(order, held)
        except Ec2Error as error:
            if held.is_to_wait(error.fault, monotonic()):
                return Unfinished(name, ticket, str(error))
            self._line.leave(name)
            return Failed(name, ticket, str(error))
        self._line.leave(name)
        held.forget_trouble()
        if newer is not None:
            return Outdated(name, ticket, newer.epoch, newer.node)
        if (device := _options(order.front).device) and (problem := self._device.put(name, device)):
            return Failed(name, ticket, problem)
        held.epoch = order.epoch
        return Done(name, ticket)

    async def release(self, order: Release) -> Done:
        """Move it no more. EC2 leads it here until another is led there: see above."""
        held = self._of(order.front)
        held.epoch = None
        held.forget_trouble()
        self._line.leave(order.front.name)
        return Done(order.front.name, order.ticket)

    async def drain(self, order: Drain) -> None:
        """Clients follow the address, so they cannot be sent elsewhere before it moves."""

    async def tickle(self, order: Tickle) -> None:
        """What belongs to a connection of the holder before is answered with a reset by the kernel, once it comes."""

    def renew(self, order: Renew) -> None:
        """An acquire that is under way may take so long."""
        self._of(order.front).right.extend(order.until_s)

    async def watch(self, front: Front, tell: Callable[[Told], None]) -> None:
        """Look from time to time whether the front that is held is still led here, or whether another could be. What a
        former agent held is not told: the right to it has to be won again, and until then it stays as it is.
        """
        held, driver, ready_until_s = self._of(front), _options(front), -inf
        try:
            while True:
                if held.epoch is not None or (driver.device and self._device.has(front.name)):
                    await self._look(front, held, tell)
                    ready_until_s = -inf
                elif monotonic() >= ready_until_s:
                    missing = await self._missing(front)
                    self._note(front, held, missing, tell)
                    ready_until_s = -inf if missing else monotonic() + READY_S
                await trio.sleep(LOOK_S)
        finally:
            if driver.device:
                self._device.take(front.name)

    # Steps of an acquire

    async def _in_turn(self, order: Acquire, held: _Held) -> Mark | None:
        """As _lead_here, when it is the front's turn, and for so long. Raises Ec2Error."""
        end_s = trio.current_time() + ACQUIRE_S
        async with self._line.turn(order.front.name):
            try:
                with trio.move_on_at(end_s) as acquiring:
                    held.right.bound(acquiring)
                    async with held.turn:
                        return await self._lead_here(order, held)
            finally:
                held.right.unbound()
        if held.right.has_lapsed:
            raise Ec2Error(_LAPSED)
        raise Ec2Error(f"EC2 is slow: it has not done all within {ACQUIRE_S:g} s, and is asked to go on", Fault.ILL)

    async def _lead_here(self, order: Acquire, held: _Held) -> Mark | None:
        """Have it led here. The mark that outdates ours, None for none. Raises Ec2Error."""
        front, mine = order.front, Mark(order.epoch, self._name)
        own, resource = await self._own(front), self._resource(front)
        seen = await resource.look()
        if seen.mark is not None and seen.mark.outdates(mine):
            return seen.mark
        if seen.holder == own and seen.mark == mine:
            return None
        if seen.mark != mine:
            # First of all: who has an older claim, and looks after this, moves nothing any more.
            held.may()
            await resource.sign(mine)
        if seen.holder != own:
            log.info("leading a front here", front=front.name, epoch=order.epoch, before=seen.holder, to=own)
            await resource.lead(seen, own, held.may)
        return await self._verify(resource, own, mine)

    async def _verify(self, resource: Resource, own: str, mine: Mark) -> Mark | None:
        end_s, gap_s = monotonic() + VERIFY_S, VERIFY_GAP_S
        while True:
            seen = await resource.look()
            if seen.mark is not None and seen.mark.outdates(mine):
                return seen.mark
            if seen.holder == own and seen.mark == mine:
                return None
            if monotonic() + gap_s >= end_s:
                raise Ec2Error(f"EC2 said that it was done, but {_where(seen, own, mine)}", Fault.ILL)
            await trio.sleep(gap_s)
            gap_s = min(VERIFY_GAP_MAX_S, 2 * gap_s)

    # The watch

    async def _look(self, front: Front, held: _Held, tell: Callable[[Told], None]) -> None:
        epoch = held.epoch
        with trio.CancelScope() as held.looking:
            try:
                async with held.turn:
                    own = await self._own(front)
                    seen = await self._resource(front).look(Urgency.LOOK)
            except Ec2Error as error:
                self._note(front, held, f"EC2 does not tell where it is led: {error}", tell)
                return
            problem = ""
            if device := _options(front).device:
                if seen.holder != own:
                    self._device.take(front.name)
                else:
                    problem = self._device.put(front.name, device)
            self._note(front, held, problem, tell)
            if epoch is not None and epoch == held.epoch and (what := _where(seen, own, Mark(epoch, self._name))):
                tell(Drifted(front.name, what))

    async def _missing(self, front: Front) -> str:
        """Why this node could not hold it. Also makes everything ready, so that a takeover need not."""
        try:
            await self._own(front)
            await self._resource(front).look(Urgency.LOOK)
        except Ec2Error as error:
            return f"it could not be led here as things are: {error}"
        return ""

    @staticmethod
    def _note(front: Front, held: _Held, complaint: str, tell: Callable[[Told], None]) -> None:
        """Tell and log each problem once, and its end."""
        if complaint != held.complaint:
            if complaint:
                log.warning("a front that EC2 moves", front=front.name, problem=complaint)
            tell(Unready(front.name, complaint))
        held.complaint = complaint

    # What belongs to a front

    def _of(self, front: Front) -> _Held:
        return self._fronts.setdefault(front.name, _Held())

    async def _own(self, front: Front) -> str:
        """This node's interface. Raises Ec2Error."""
        driver = _options(front)
        if written := dict(driver.interfaces).get(self._name):
            return written
        return await self._metadata.interface(driver.resource if driver.kind is Ec2Kind.PRIVATE else None)

    def _resource(self, front: Front) -> Resource:
        driver = _options(front)
        key = (driver.region, driver.endpoint)
        if key not in self._apis:
            self._apis[key] = Api(self._caller, driver.region, driver.endpoint, self._metadata.region)
        return resource_of(front, self._apis[key], self._choices)


_LAPSED = "the votes for the front lapsed while EC2 was at work"


def _options(front: Front) -> Ec2Driver:
    assert isinstance(front.driver, Ec2Driver)
    return front.driver


def _where(seen: Seen, own: str, mine: Mark) -> str:
    """What is not as this claim has left it; "" if nothing."""
    if seen.holder != own:
        return f"it is led to {seen.holder or 'nobody'}, not to {own}"
    return "" if seen.mark == mine else f"its tag says {seen.mark or 'nothing'}, not {mine}"
