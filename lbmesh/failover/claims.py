"""What nodes tell each other about fronts: claims, and votes on them. Each is one gossip row with one writer."""

from dataclasses import dataclass
from enum import StrEnum

EPOCH_MAX = 2**52
"""Epochs are counted up; what says that it is a higher one is none."""


class FrontState(StrEnum):
    """Of one front at one node. CLAIMING: it wants it, but does not hold it yet. DRAINING: it holds it, and is about to
    let go. RELEASING: it lets go. FENCED: it has lost the right to it, and is silent. IDLE: it has nothing to do with
    it.
    """

    IDLE = "idle"
    CLAIMING = "claiming"
    HELD = "held"
    DRAINING = "draining"
    RELEASING = "releasing"
    FENCED = "fenced"

    @property
    def answers(self) -> bool:
        """True while clients may be answered there."""
        return self in (FrontState.HELD, FrontState.DRAINING)


@dataclass(frozen=True, slots=True)
class Bid:
    """One request for votes. `session`: of the start of an agent; `round` rises within it. `electorate`: the
    fingerprint of who may vote, as the bidder knows it.
    """

    session: str
    round: int
    electorate: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a node says of a front. `epoch`: higher than any that a holder had before it, as far as it knows. `heir`: to
    whom it is being handed over, "" for nobody. `is_firm`: a better home does not get it from this one before the
    hold-down is over. `is_unfit`: its driver fails, so that others should have the front. `bid`: of an exclusive front
    only; with state IDLE, that this session has let it go.
    """

    state: FrontState
    epoch: int
    reason: str
    heir: str = ""
    is_firm: bool = False
    is_unfit: bool = False
    bid: Bid | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A vote: for LEASE_S from when the voter took this bid, it gives none to anybody but `holder`."""

    holder: str
    epoch: int
    bid: Bid
