"""Seeds: addresses that are dialled for ever, unless a live member answers there."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lbmesh.gossip.identity import Rng
from lbmesh.gossip.limits import SEEDS_MAX, GossipTiming
from lbmesh.model.address import Address


@dataclass(slots=True)
class _Seed:
    due_s: float
    nonce: int | None = None
    own: bool = False
    member: str | None = None


class Seeds:
    """When to dial which seed. Names among them wait until they are resolved."""

    def __init__(self, addresses: Collection[Address], now: float, timing: GossipTiming, rng: Rng) -> None:
        self._timing = timing
        self._rng = rng
        self._seeds: dict[Address, _Seed] = {}
        self._answered_s = now
        self.replace(addresses, now)

    def replace(self, addresses: Collection[Address], now: float) -> None:
        """Take these addresses instead; what is known of those that stay is kept. New ones are due now."""
        literal = [address for address in addresses if address.is_literal][:SEEDS_MAX]
        self._seeds = {address: self._seeds.get(address) or _Seed(now) for address in literal}

    def due(
        self, now: float, live_names: Collection[str], live_addresses: Collection[Address]
    ) -> Iterator[tuple[Address, int]]:
        """Seeds to dial now, with the nonce to send."""
        for address, seed in self._seeds.items():
            if now < seed.due_s:
                continue
            seed.due_s = now + self._timing.seed_interval_s * (0.75 + 0.5 * self._rng.random())
            if address not in live_addresses and seed.member not in live_names:
                seed.nonce = self._rng.getrandbits(64)
                yield address, seed.nonce

    def awaits(self, nonce: int) -> bool:
        """Is this what a seed was last asked to give back?"""
        return any(seed.nonce == nonce for seed in self._seeds.values())

    def answered(self, now: float, nonce: int, member: str) -> None:
        """A member gave a nonce back: if it was a seed's, that is who lives there."""
        for seed in self._seeds.values():
            if seed.nonce == nonce:
                seed.nonce, seed.member = None, member
                self._answered_s = now

    def others(self, own_address: Address) -> list[Address]:
        """The seeds but for this node."""
        return [address for address, seed in self._seeds.items() if not seed.own and address != own_address]

    def silent_for_s(self, now: float, *, alone: bool) -> float:
        """Seconds since a seed answered, or a member was live. `alone`: none is now."""
        if not alone:
            self._answered_s = now
        return now - self._answered_s

    def came_back(self, now: float, address: Address, nonces: Collection[int]) -> None:
        """A ping of this node came from there to itself. If it is what the seed was last asked, the address is our own:
        look again in a minute only. Any other may be a recording.
        """
        seed = self._seeds.get(address)
        if seed is not None and seed.nonce in nonces:
            seed.own = True
            seed.due_s = now + self._timing.own_seed_interval_s

    def deadline_s(self) -> float:
        """When the next seed is due; infinity without seeds."""
        return min((seed.due_s for seed in self._seeds.values()), default=float("inf"))
