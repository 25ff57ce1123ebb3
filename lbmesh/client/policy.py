"""What the client may do when a balancer refuses, breaks off or keeps silent: every number in one place."""

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import httpx

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110 §9.2.2: the safe methods, PUT and DELETE. Names of methods are case-sensitive (§9.1)."""

KEYED_METHODS = frozenset({"POST", "PATCH"})
"""Repeated only with an idempotency key: the origin has promised to carry out one key once."""

PROBE_S = 1.0
"""While one request tries a balancer that has rested, the others leave it alone this long."""

BUDGET_POLL_S = 0.01
"""How often an attempt that found the budget empty looks again."""

DEFAULT_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0)
"""httpx's own defaults. `max_connections` bounds the requests under way; rivals come on top, within the
budget.
"""


class Uniform(Protocol):
    """The part of `random.Random` that is used: floats from [0, 1)."""

    def random(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """How hard the client tries. Times in seconds.

    Raises ValueError for values with which it could not work.
    """

    stagger_s: float = 0.05
    """A connect, or a TLS handshake, that is still silent after this gets a rival (RFC 8305 §5 calls it Connection
    Attempt Delay).
    """

    hedge_delay_s: float | None = 0.25
    """An idempotent request without the head of its answer after this (or all of one that is held) goes to another
    balancer too; sooner where answers are quicker, later only where more than `budget_share` of them take longer.
    None: never.
    """

    hedge_quantile: float | None = 0.99
    """This quantile of the times that the service's answers took is the delay. None: it is `hedge_delay_s`, always."""

    hedge_min_s: float = 0.04
    """A measured delay is at least so long; where nothing is measured, that is the delay, and two round trips."""

    idempotency_field: str | None = "Idempotency-Key"
    """A POST or PATCH with this field is sent again when its connection broke, or the answer says that it was not
    carried out; it is never hedged. The origin must honour it. None: never.
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

    unproven_s: float | None = 1.0
    """A request that must not be repeated uses a kept connection only if its balancer has answered something so
    recently; else it races anew, which finds out before anything is sent. None: always the kept one.
    """

    refresh_s: float = 5.0
    """Names, or the admin API, are looked up again when a request comes so long after they were."""

    stale_s: float = 60.0
    """Addresses older than this are used only when the look-up that is under way has failed."""

    attempts_max: int = 4
    """Times one request is sent, over all balancers."""

    rest_s: float = 1.0
    """How long a balancer is left alone after its first failure; doubles with each further one."""

    rest_max_s: float = 30.0
    """The longest rest, before a jitter of 0.5 to 1.5 times."""

    budget_share: float = 0.2
    """Attempts beyond the first that may be under way, as a share of the requests under way."""

    budget_floor: int = 10
    """That many are always allowed, however few the requests."""

    budget_wait_s: float = 1.0
    """How long an attempt waits for the budget before it is given up."""

    spread: bool = True
    """Each transport begins at a random balancer of the list; False: at the first."""

    def __post_init__(self) -> None:
        if self.stagger_s <= 0 or (self.hedge_delay_s is not None and self.hedge_delay_s <= 0):
            raise ValueError("stagger_s and hedge_delay_s must be above 0; hedge_delay_s=None switches hedging off")
        if self.hold_bytes < 0 or (self.stall_s is not None and self.stall_s <= 0):
            raise ValueError("hold_bytes must be 0 or more, stall_s above 0; stall_s=None switches it off")
        if self.hedge_quantile is not None and not 0 < self.hedge_quantile < 1:
            raise ValueError(f"hedge_quantile is {self.hedge_quantile}: write a share like 0.99; None: a fixed delay")
        if self.hedge_min_s <= 0 or (self.unproven_s is not None and self.unproven_s < 0):
            raise ValueError("hedge_min_s must be above 0, unproven_s 0 or more; unproven_s=None switches it off")
        if not 0 < self.refresh_s <= self.stale_s:
            raise ValueError(f"refresh_s is {self.refresh_s}: write more than 0 and at most stale_s ({self.stale_s})")
        if self.attempts_max < 1:
            raise ValueError(f"attempts_max is {self.attempts_max}: write 1 (never send again) or more")
        if not 0 < self.rest_s <= self.rest_max_s:
            raise ValueError(f"rest_s is {self.rest_s}: write more than 0 and at most rest_max_s ({self.rest_max_s})")
        if self.budget_share < 0 or self.budget_floor < 0 or self.budget_wait_s < 0:
            raise ValueError("budget_share, budget_floor and budget_wait_s must be 0 or more")


class Repeat(Enum):
    """How often a request may be sent."""

    ONCE = auto()
    AFTER_FAILURE = auto()
    """Again when the attempt before has ended: two at one time with one idempotency key are refused by many origins."""
    HEDGED = auto()
    """Also while another attempt is under way."""


def repeat_of(method: str, field_names: Container[str], policy: Policy, *, replayable: bool) -> Repeat:
    """By method and body. `field_names`: of the request. `replayable`: the body can be read again."""
    if not replayable:
        return Repeat.ONCE
    if method in IDEMPOTENT_METHODS:
        return Repeat.HEDGED
    if method in KEYED_METHODS and policy.idempotency_field is not None and policy.idempotency_field in field_names:
        return Repeat.AFTER_FAILURE
    return Repeat.ONCE
