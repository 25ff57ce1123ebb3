"""What both transports know of their balancers, and share among all their requests."""

import os
import random
from collections.abc import Hashable, Mapping

from lbmesh.client.attempts import Answered, Attempts
from lbmesh.client.budget import AttemptBudget
from lbmesh.client.directory import Directory, Slot
from lbmesh.client.finder import Finder
from lbmesh.client.listing import ZONE_VARIABLE, Admin, Balancers, parse_listing
from lbmesh.client.memory import BalancerMemory
from lbmesh.client.pace import PACES
from lbmesh.client.policy import Policy, Repeat, Uniform
from lbmesh.client.sources import AdminApi, Ask, resolver
from lbmesh.model.address import Address


class Fleet:
    """The directory, the memory and the budget; the paces are the process's. All but `finder` under the transport's
    lock.
    """

    def __init__(self, balancers: Balancers, policy: Policy, zone: str | None, rng: Uniform | None) -> None:
        """`zone`: the client's; None: what the environment says. Raises ValueError for balancers that make no sense."""
        rng = rng or random.Random()
        slots, asks = _slots_of(balancers, rng.random() if policy.spread else None)
        own_zone = os.environ.get(ZONE_VARIABLE, "") if zone is None else zone
        start = int(rng.random() * len(slots)) if policy.spread else 0
        self.policy = policy
        self.finder = Finder(Directory(slots, zone=own_zone, start=start), asks, policy)
        self._home = self.finder.home
        self._memory = BalancerMemory(self._home, policy, rng)
        self.start_afresh()

    def start_afresh(self) -> None:
        """No request is under way: at the start, and in the child of a fork."""
        self.finder.start_afresh()
        self._budget = AttemptBudget(self.policy.budget_share, self.policy.budget_floor)

    def settle(self) -> tuple[Address, ...]:
        """Take over what look-ups have found since; the balancers that are no longer there."""
        home = self.finder.home
        if home is self._home:
            return ()
        self._home = home
        return self._memory.settle(home)

    def attempts(self, origin: Hashable, now: float, repeat: Repeat, after: Answered | None = None) -> Attempts:
        """Of one request to `origin`. There must be an address."""
        pace = PACES.of(origin, self.policy)
        return Attempts(self.policy, self._memory, self._budget, pace, now, repeat=repeat, after=after)


def _slots_of(balancers: Balancers, seed: float | None) -> tuple[list[Slot], Mapping[str, Ask]]:
    if isinstance(balancers, Admin):
        name = f"admin API of {', '.join(balancers.addresses)}"
        return [Slot(name)], {name: AdminApi(balancers, seed)}
    slots: list[Slot] = []
    asks: dict[str, Ask] = {}
    for entry in parse_listing(balancers):
        name = str(entry.address)
        slots.append(Slot(name, [entry] if entry.address.is_literal else ()))
        if not entry.address.is_literal:
            asks[name] = resolver(entry)
    return slots, asks
