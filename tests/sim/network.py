"""The network: delay, jitter, loss, duplicates, overtaking, and links that are cut in one direction or both."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from lbmesh.model.address import Address
from tests.sim.events import Events

DATAGRAM_BYTES_MAX = 1200
OVERTAKEN_S = 0.15
"""A datagram that others overtake comes up to this much later than it should."""


class End(Protocol):
    """One end of a link: a node, as the network needs it."""

    @property
    def name(self) -> str: ...
    @property
    def zone(self) -> str: ...
    @property
    def address(self) -> Address: ...

    def arrive(self, source: Address, datagram: bytes) -> None:
        """A datagram reaches the node's socket."""


Matches = Callable[[End, End], bool]
"""Is it this link, from source to target?"""


def anywhere(_source: End, _target: End) -> bool:
    """Every link."""
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """What a link does to datagrams: probabilities of loss, duplication and being overtaken, seconds of delay and of
    jitter (evenly spread, on top of the delay). `refused`: the sender's kernel refuses them, and the sender is told.
    """

    matches: Matches = anywhere
    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    duplicates: float = 0.0
    overtaken: float = 0.0
    refused: bool = False

    @property
    def is_cut(self) -> bool:
        """True when nothing comes through."""
        return self.loss >= 1.0 or self.refused


CLEAR = Conditions()


class Network:
    """All links. Conditions add up: what each of them loses is lost, delays are summed."""

    def __init__(self, events: Events, rng: Random, delay_s: float, jitter_s: float) -> None:
        self._events = events
        self._rng = rng
        self._base = Conditions(delay_s=delay_s, jitter_s=jitter_s)
        self._conditions: list[Conditions] = []
        self._links: dict[tuple[str, str], Conditions] = {}
        self._ends: dict[Address, End] = {}
        self.on_change: Callable[[], None] = lambda: None

    def attach(self, end: End) -> None:
        """A node's address leads to it."""
        self._ends[end.address] = end

    @property
    def base(self) -> Conditions:
        """What holds on every link."""
        return self._base

    @base.setter
    def base(self, conditions: Conditions) -> None:
        self._base = conditions
        self._changed()

    def impose(self, conditions: Conditions) -> Conditions:
        """From now on these hold, too, on the links they match. Returns them, to be lifted by."""
        self._conditions.append(conditions)
        self._changed()
        return conditions

    def lift(self, conditions: Conditions) -> None:
        """These hold no more."""
        self._conditions.remove(conditions)
        self._changed()

    def heal(self) -> None:
        """Only what holds on every link is left."""
        self._conditions.clear()
        self._changed()

    @property
    def is_clear(self) -> bool:
        """True when nothing but the base holds."""
        return not self._conditions

    def _changed(self) -> None:
        self._links.clear()
        self.on_change()

    def link(self, source: End, target: End) -> Conditions:
        """What holds on this link now."""
        key = source.name, target.name
        known = self._links.get(key)
        if known is None:
            known = self._links[key] = self._combined(source, target)
        return known

    def _combined(self, source: End, target: End) -> Conditions:
        passed, delay_s, jitter_s, duplicates, overtaken, refused = 1.0, 0.0, 0.0, 0.0, 0.0, False
        for one in (self._base, *self._conditions):
            if one.matches(source, target):
                passed *= 1 - one.loss
                delay_s += one.delay_s
                jitter_s += one.jitter_s
                duplicates = max(duplicates, one.duplicates)
                overtaken = max(overtaken, one.overtaken)
                refused = refused or one.refused
        return Conditions(anywhere, 1 - passed, delay_s, jitter_s, duplicates, overtaken, refused)

    def send(self, source: End, address: Address, datagram: bytes) -> bool:
        """Send one datagram; False when the sender's kernel refuses it. Raises AssertionError for one too long."""
        assert len(datagram) <= DATAGRAM_BYTES_MAX, f"{source.name} sends a datagram of {len(datagram)} bytes"
        target = self._ends.get(address)
        if target is None:
            return True
        link = self.link(source, target)
        if link.refused:
            return False
        rng = self._rng
        if link.loss and rng.random() < link.loss:
            return True
        copies = 2 if link.duplicates and rng.random() < link.duplicates else 1
        for _ in range(copies):
            delay_s = link.delay_s + rng.random() * link.jitter_s
            if link.overtaken and rng.random() < link.overtaken:
                delay_s += rng.random() * OVERTAKEN_S
            self._events.at(self._events.now + delay_s, lambda: target.arrive(source.address, datagram))
        return True
