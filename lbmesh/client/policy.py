"""What the client may do when a balancer refuses, breaks off or keeps silent: every number in one place."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx

from lbmesh.model.address import Address, parse_address

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 §9.2.2: the safe methods, PUT and DELETE. Names of methods are case-sensitive (§9.1)."""

BALANCERS_MAX = 64
"""More addresses than this in one transport are refused: a race over them would outlast any caller's
patience.
"""

PROBE_S = 1.0
"""While one request tries a balancer that has rested, the others leave it alone this long."""

BUDGET_POLL_S = 0.01
"""How often an attempt that found the budget empty looks again."""

DEFAULT_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0)
"""httpx's own defaults. `max_connections` bounds the requests under way; rivals come on top, within the
budget.
"""

IDLE_MAX = 100
"""Connections kept when the limits say None, which elsewhere means no bound."""


class Uniform(Protocol):
    """The part of `random.Random` that is used: floats from [0, 1)."""

    def random(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """How hard the client tries. Times in seconds.

    Raises ValueError for values with which it could not work.
    """

    stagger_s: float = 0.05
    """A connect that is still silent after this gets a rival (RFC 8305 §5 calls it Connection Attempt
    Delay).
    """

    handshake_s: float = 1.0
    """A TLS handshake that takes longer is given up while other balancers are left: nothing was asked yet."""

    hedge_delay_s: float | None = 0.25
    """An idempotent request without the head of its answer after this (or all of one that is held) goes to another
    balancer too. None: never.
    """

    retry_statuses: frozenset[int] = frozenset({502, 503, 504})
    """Answers to idempotent requests that are put aside while another balancer may give a better one."""

    hold_bytes: int = 65_536
    """An answer to an idempotent request that promises at most so long a body is held until it is whole, so that one
    that breaks off is asked for again. Longer ones, and those that do not say how long they are, are passed on as
    they come. 0: none is held.
    """

    stall_s: float | None = 1.0
    """A body that is passed on as it comes and is silent for so long is asked for from another balancer, too.
    None: never.
    """

    attempts_max: int = 4
    """Times one request is sent, over all balancers."""

    rest_s: float = 1.0
    """How long a balancer is left alone after its first failure; doubles with each further one."""

    rest_max_s: float = 30.0
    """The longest rest, before a jitter of 0.5 to 1.5 times."""

    budget_share: float = 0.2
    """Attempts beyond the first that may be under way, as a share of the requests under way."""

    budget_floor: int = 3
    """That many are always allowed, however few the requests."""

    budget_wait_s: float = 1.0
    """How long an attempt waits for the budget before it is given up."""

    spread: bool = True
    """Each transport begins at a random balancer of the list; False: at the first."""

    def __post_init__(self) -> None:
        if min(self.stagger_s, self.handshake_s) <= 0 or (self.hedge_delay_s is not None and self.hedge_delay_s <= 0):
            raise ValueError(
                "stagger_s, handshake_s and hedge_delay_s must be above 0; hedge_delay_s=None switches hedging off"
            )
        if self.hold_bytes < 0 or (self.stall_s is not None and self.stall_s <= 0):
            raise ValueError("hold_bytes must be 0 or more, stall_s above 0; stall_s=None switches it off")
        if self.attempts_max < 1:
            raise ValueError(f"attempts_max is {self.attempts_max}: write 1 (never send again) or more")
        if not 0 < self.rest_s <= self.rest_max_s:
            raise ValueError(f"rest_s is {self.rest_s}: write more than 0 and at most rest_max_s ({self.rest_max_s})")
        if self.budget_share < 0 or self.budget_floor < 0 or self.budget_wait_s < 0:
            raise ValueError("budget_share, budget_floor and budget_wait_s must be 0 or more")


def parse_balancers(balancers: Sequence[str]) -> tuple[Address, ...]:
    """The balancers' addresses, in the order given, each once.

    Raises ValueError, with what to write, for no address, too many, or a malformed one.
    """
    if isinstance(balancers, str):
        raise ValueError(f'balancers is the text "{balancers}": write a list, for example ["{balancers}"]')
    parsed = tuple(dict.fromkeys(parse_address(text) for text in balancers))
    if not 1 <= len(parsed) <= BALANCERS_MAX:
        raise ValueError(f"{len(parsed)} balancers given: write 1 to {BALANCERS_MAX} addresses")
    return parsed


def may_repeat(method: str, *, replayable: bool) -> bool:
    """True when a request may be sent more than once: idempotent, and its body can be read again."""
    return replayable and method in IDEMPOTENT_METHODS
