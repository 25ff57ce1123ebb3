"""Replicas as the routing policies see them, and balancers over them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from lbmesh.model.traffic import Balance
from lbmesh.routing.balancer import Balancer, Group
from lbmesh.routing.policies import policy_over
from lbmesh.routing.steps import finish
from lbmesh.routing.warming import warming_policy_over


@dataclass(slots=True, eq=False)
class Candidate:
    """`name` tells it from its siblings."""

    name: str
    in_flight: int = 0
    cost_s: float = 0.001
    weight: int = 1


def candidates(names: str) -> list[Candidate]:
    """One for each letter."""
    return [Candidate(name) for name in names]


def group_of(
    policy: Balance,
    members: Sequence[Candidate],
    *,
    share: float = 1.0,
    warmths: Mapping[Candidate, float] | None = None,
    random: Random,
) -> Group[Candidate] | None:
    """A zone's group; None when nobody is in it."""
    if not members:
        return None
    steps = warming_policy_over(
        members, warmths or {}, lambda warm: policy_over(policy, warm, random.random), random.random
    )
    pick = finish(steps)
    return Group(tuple(members), pick, share)


def balancer(
    policy: Balance,
    local: Sequence[Candidate] = (),
    remote: Sequence[Candidate] = (),
    unproven: Sequence[Candidate] = (),
    *,
    local_share: float = 1.0,
    warmths: Mapping[Candidate, float] | None = None,
    seed: int = 1,
) -> Balancer[Candidate]:
    """With one other zone."""
    random = Random(seed)
    far = group_of(policy, remote, share=1 - local_share, warmths=warmths, random=random)
    return Balancer(
        local=group_of(policy, local, share=local_share, warmths=warmths, random=random),
        remote=(far,) if far else (),
        unproven=group_of(policy, unproven, random=random),
        random=random.random,
    )


def shares_of(made: Balancer[Candidate], times: int) -> dict[str, float]:
    """How often each was picked, of all picks, nobody ever being busy."""
    picked = Counter(one.name for one, _ in (made.pick() for _ in range(times)) if one is not None)
    return {name: count / times for name, count in picked.items()}
