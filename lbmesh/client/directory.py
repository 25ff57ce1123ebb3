"""Which addresses there are, and in which order a transport goes to them. Pure: look-ups bring answers, the clock is an
argument.

A source that fails, or answers with nothing, changes nothing: its last good addresses stand for as long as it takes (an
empty answer was the mistake in more than one great outage).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lbmesh.client.limits import ADDRESSES_MAX
from lbmesh.model.address import Address

LEADS_MAX = 3
"""An address that so many look-ups in a row put first becomes the one to go to. Resolvers that turn answers round
seldom do so by chance; a name server that puts the nearest first always does.
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address that answers HTTP for the service, and its zone, "" when nobody said."""

    address: Address
    zone: str = ""


class Slot:
    """What stands behind one entry of the caller's list: a literal address, or the last good answer of a look-up."""

    def __init__(self, name: str, fixed: Sequence[Endpoint] = ()) -> None:
        """`fixed`: addresses that nothing changes; without them, there are none before the first answer."""
        self.name = name
        self.is_fixed = bool(fixed)
        self.found: tuple[Endpoint, ...] = tuple(fixed)
        self.fault = ""
        """Why the last look-up brought nothing, "" when it did."""
        self.asked_at: float | None = None
        self.good_at: float | None = None
        self._leader: Address | None = None
        self._leads = 0

    def answered(self, found: Iterable[Endpoint], now: float) -> None:
        """A look-up's answer, in the source's order. An empty one is a fault."""
        answer = interleaved({each.address: each for each in found}.values())[:ADDRESSES_MAX]
        if not answer:
            self.failed("the answer is empty")
            return
        self.fault, self.good_at = "", now
        self._leads = self._leads + 1 if answer[0].address == self._leader else 1
        self._leader = answer[0].address
        stays = [each for each in answer if self.found and each.address == self.found[0].address]
        if stays and self._leads < LEADS_MAX:
            answer = (*stays, *(each for each in answer if each not in stays))
        self.found = answer

    def failed(self, why: str) -> None:
        """A look-up brought nothing: what was found before stands."""
        self.fault = why


def interleaved(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """The same, the address families taking turns, the first one's first (RFC 8305 §4): one family that leads nowhere
    costs one stagger, not one for each of its addresses.
    """
    given = list(endpoints)
    first = [each for each in given if (":" in each.address.host) == (":" in given[0].address.host)]
    others = [each for each in given if each not in first]
    turns: list[Endpoint] = []
    for number in range(max(len(first), len(others))):
        turns += first[number : number + 1] + others[number : number + 1]
    return tuple(turns)


class Directory:
    """All slots, and the order in which to go to what is behind them: the client's own zone first."""

    def __init__(self, slots: Sequence[Slot], *, zone: str = "", start: int = 0) -> None:
        """`start`: the slot to begin with, so that many clients spread over a list."""
        self.slots = (*slots[start:], *slots[:start])
        self.zone = zone
        self.home: tuple[Address, ...] = ()
        self.arrange()

    def arrange(self) -> None:
        """Take what the slots have found into `home`."""
        found = [each for slot in self.slots for each in slot.found]
        near = [each.address for each in found if self.zone and each.zone == self.zone]
        self.home = tuple(dict.fromkeys((*near, *(each.address for each in found))))[:ADDRESSES_MAX]

    def due(self, now: float, refresh_s: float) -> list[Slot]:
        """Those to be looked up (again)."""
        looked_up = (slot for slot in self.slots if not slot.is_fixed)
        return [slot for slot in looked_up if slot.asked_at is None or now >= slot.asked_at + refresh_s]

    def is_stale(self, now: float, stale_s: float) -> bool:
        """Nothing is known, or nothing that is fresh enough to go by while an answer is on its way."""
        if not self.home:
            return True
        return not any(
            slot.is_fixed or (slot.good_at is not None and now < slot.good_at + stale_s) for slot in self.slots
        )

    def describe(self) -> str:
        """Why no address is known, slot by slot."""
        told = (f"{slot.name}: {slot.fault or 'no answer yet'}" for slot in self.slots if not slot.found)
        return f"no balancer is known: {'; '.join(told)}"
