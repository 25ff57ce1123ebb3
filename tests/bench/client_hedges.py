"""How many GETs `lbmesh.client` asks twice although nothing is wrong, by what the service is like: run `python -m
tests.bench.client_hedges`.

The decisions are the client's own, the time is simulated: nothing is sent, and the same comes out each time. All
balancers are well; one request comes after the other.
"""

import argparse
import random
from collections.abc import Callable

from lbmesh.client.attempts import Attempts, Start
from lbmesh.client.budget import AttemptBudget
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.pace import Pace
from lbmesh.client.policy import Policy, Repeat
from lbmesh.model.address import Address

BALANCERS = tuple(Address(f"10.0.{zone}.10", 80) for zone in (1, 2, 3))
FIXED, MEASURED = Policy(spread=False, hedge_quantile=None), Policy(spread=False)
CONNECT_S = 0.001


Service = Callable[[random.Random], float]
"""For a request, how long its answers take in the median, at whichever balancer."""


def like(median_s: float) -> Service:
    """The same for all."""
    return lambda _: median_s


def mixed(slow_share: float) -> Service:
    """Some are slow."""
    return lambda rng: 2.0 if rng.random() < slow_share else 0.005


SERVICES = {
    "5 ms": like(0.005),
    "30 ms": like(0.03),
    "100 ms": like(0.1),
    "400 ms": like(0.4),
    "2 s": like(2.0),
    "5 ms, 1 of 20: 2 s": mixed(0.05),
    "5 ms, 1 of 3: 2 s": mixed(0.33),
}


def is_asked_twice(policy: Policy, memory: BalancerMemory, pace: Pace, service: Service, rng: random.Random) -> bool:
    """One request, at time 0 of its own clock. Times are log-normal: the slowest in a hundred take twice the median."""
    attempts = Attempts(
        policy, memory, AttemptBudget(policy.budget_share, policy.budget_floor), pace, 0.0, repeat=Repeat.HEDGED
    )
    median_s = service(rng)
    answers: dict[int, float] = {}
    now = 0.0
    while True:
        step = attempts.step(now)
        if isinstance(step, Start):
            attempts.connected(step.attempt, step.order[0], now, connect_s=CONNECT_S)
            answers[step.attempt] = now + median_s * rng.lognormvariate(0.0, 0.3)
            continue
        first = min(answers, key=lambda attempt: answers[attempt])
        until = getattr(step, "until", None)
        if until is None or answers[first] <= until:
            attempts.answered(first, 200, answers[first])
            attempts.close()
            return attempts.started > 1
        now = until


def share(policy: Policy, service: Service, requests: int, *, kept: bool, known: bool) -> float:
    """Per cent. `kept`: one transport; else one for each request, in one process where the pace is `known`."""
    rng = random.Random(1)
    memory, pace, twice = BalancerMemory(BALANCERS, policy, rng), Pace(policy), 0
    for _ in range(requests):
        if not kept:
            memory = BalancerMemory(BALANCERS, policy, rng)
        if not known:
            pace = Pace(policy)
        twice += is_asked_twice(policy, memory, pace, service, rng)
    return 100.0 * twice / requests


def main() -> None:
    """The table, in Markdown."""
    parser = argparse.ArgumentParser(description="GETs that lbmesh.client asks twice although all is well")
    parser.add_argument("--requests", type=int, default=10_000)
    requests = parser.parse_args().requests
    print(
        "| answers take | a fixed 250 ms | one transport | a transport each | a process each |\n|---|---|---|---|---|"
    )
    for name, service in SERVICES.items():
        shares = (
            share(FIXED, service, requests, kept=True, known=True),
            share(MEASURED, service, requests, kept=True, known=True),
            share(MEASURED, service, requests, kept=False, known=True),
            share(MEASURED, service, requests, kept=False, known=False),
        )
        print(f"| {name} | {' | '.join(f'{each:.1f} %' for each in shares)} |", flush=True)


if __name__ == "__main__":
    main()
