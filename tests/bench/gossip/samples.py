"""What one measurement gave. Times in seconds; `inf`: not within the limit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Crash:
    """One node killed. `seen_s`: by each survivor that declared it failed, in order; `unseen`: survivors that did not.

    `healed_s`: from its new start until everybody held everybody alive; `spread_s`: from its first word on, which
    leaves out how long a process takes to start.
    """

    nodes: int
    system: str
    seen_s: tuple[float, ...]
    unseen: int
    false_failures: int
    healed_s: float
    spread_s: float

    @property
    def first_s(self) -> float:
        return self.seen_s[0] if self.seen_s else float("inf")

    @property
    def last_s(self) -> float:
        return float("inf") if self.unseen or not self.seen_s else self.seen_s[-1]


@dataclass(frozen=True, slots=True)
class Rest:
    """A mesh at rest: of each member what it sent, and the share of a core that each of its processes took.

    `restless`: members that lost a process meanwhile, and are left out. `cpu`: {process: shares}, with "node" for all
    of a member's processes together.
    """

    nodes: int
    system: str
    window_s: float
    restless: int
    bytes_per_s: tuple[float, ...]
    packets_per_s: tuple[float, ...]
    cpu: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the network, for `length_s`. `seen_s`: a split's larger side had declared all of the smaller failed;
    `condemned`: pairs (observer on the smaller side, subject on the larger) declared failed, of `condemnable`.
    """

    nodes: int
    system: str
    what: str
    length_s: float
    false_failures: int
    false_impaired: int
    culprit_failures: int
    healed_s: float
    seen_s: float | None = None
    condemned: int = 0
    condemnable: int = 0
