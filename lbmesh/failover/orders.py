"""What the core of fronts asks of drivers, and what drivers say. Values only: the shell carries them there and back.

Of one front, orders are carried out one after the other; a later Acquire or Release makes what came of an earlier one
meaningless, so a driver may drop what it has not begun. All of them may come twice, and must then do no harm.
"""

from dataclasses import dataclass

from lbmesh.model.front import Front


@dataclass(frozen=True, slots=True)
class Acquire:
    """Make this node hold the front. `ticket`: to be named in the outcome. `ask_first`: somebody may still hold it, so
    that the driver must look whether it answers elsewhere, and then say Occupied. `until_s`: as in Renew.
    """

    front: Front
    epoch: int
    reason: str
    ticket: int
    ask_first: bool
    until_s: float


@dataclass(frozen=True, slots=True)
class Release:
    """Let it go, held or half acquired. `is_fenced`: the right to it is lost, so first of all be silent."""

    front: Front
    epoch: int
    reason: str
    ticket: int
    is_fenced: bool


@dataclass(frozen=True, slots=True)
class Renew:
    """Let what is silent by itself without that (a set element with a timeout in the kernel) go on until then, on this
    node's monotonic clock. Infinite for a front that tolerates two holders: the sentinel alone decides, so that it
    outlives an agent.
    """

    front: Front
    epoch: int
    until_s: float


@dataclass(frozen=True, slots=True)
class Drain:
    """Have clients go elsewhere as far as the driver can (withdraw an announcement, close idle connections), and say
    Drained when nobody is left. Acquire takes it back. `heir`: "" when this node leaves, and nobody has taken it.
    """

    front: Front
    epoch: int
    heir: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tickle:
    """Reset the connections that the holder before had: their clients would wait for it for ever."""

    front: Front
    epoch: int
    holder_before: str


Order = Acquire | Release | Renew | Drain | Tickle


@dataclass(frozen=True, slots=True)
class Done:
    """The order has been carried out, and the world looked like it afterwards. `note`: what is not as it should be, and
    yet no failure.
    """

    front: str
    ticket: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """It has not, for this reason: missing rights, an interface that is not there, a provider's error."""

    front: str
    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class Occupied:
    """The front still answers elsewhere: `by` whom, such as a hardware address. Nothing was taken."""

    front: str
    ticket: int
    by: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The order is under way, or somebody asks for patience: `reason`. No failure; it is to be given again soon."""

    front: str
    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class Outdated:
    """The world remembers a claim with this epoch, which is no older than the order's: `by` whom. Nothing was taken."""

    front: str
    ticket: int
    epoch: int
    by: str


@dataclass(frozen=True, slots=True)
class Drained:
    """Nobody uses the front here any more."""

    front: str


@dataclass(frozen=True, slots=True)
class Drifted:
    """The world is not as it was left: `what`, such as "the address is not on eth0"."""

    front: str
    what: str


@dataclass(frozen=True, slots=True)
class Found:
    """This node holds the front already, from before this agent started."""

    front: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Unready:
    """As things are, this node could not take the front, or not all that belongs to it: `what` is missing; "" when it
    could again.
    """

    front: str
    what: str


Answer = Done | Failed | Occupied | Unfinished | Outdated
"""What comes of an Acquire or a Release."""

Told = Drifted | Found | Unready
"""What a driver tells by itself, while it watches a front."""

Outcome = Answer | Drained | Told
"""`front`: its name."""
