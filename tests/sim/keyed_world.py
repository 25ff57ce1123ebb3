"""A world whose nodes have key files: what they are to hold is written a moment later, and read at the next start."""

from collections.abc import Callable
from functools import partial

from lbmesh.gossip.core import Gossip, Output
from lbmesh.gossip.identity import KeyRing
from lbmesh.gossip.key_orders import KeyOrders, Said
from lbmesh.model.address import Address
from tests.sim.cores import RING, Birth, GossipOnly, MakeCore, Step
from tests.sim.world import World

KEY = RING.keys[0]
STORE_S = 0.02
"""What writing a key file takes."""


class KeyedWorld(World):
    """`key_files`: what stands in each node's, by its name; `read_only`: nodes whose file cannot be written.
    `refused`: datagrams of others that changed nothing: when, sender, receiver, reason.
    """

    def __init__(self, seed: int, zones: dict[str, int]) -> None:
        super().__init__(seed, zones)
        self.key_files = dict.fromkeys(self.nodes, RING.keys)
        self.read_only: set[str] = set()
        self.refused: list[tuple[float, str, str, str]] = []

    def _maker(self) -> MakeCore:
        return partial(KeyedGossip, self)

    def gossip(self, name: str) -> Gossip:
        """The gossip of a node that runs."""
        core = self.nodes[name].core
        assert core is not None
        return core.gossip

    def order(self, name: str, order: Callable[[KeyOrders], Said]) -> Said:
        """Have an operator order something of a node."""
        said = order(self.gossip(name).key_orders)
        self.nodes[name].wake()
        return said

    def name_of(self, address: Address) -> str:
        """Who lives there."""
        return next(node.name for node in self.nodes.values() if node.address == address)


class KeyedGossip(GossipOnly):
    """The gossip core of a node with a key file."""

    def __init__(self, world: KeyedWorld, birth: Birth) -> None:
        self._world = world
        self._name = birth.identity.name
        self.gossip = Gossip(
            identity=birth.identity,
            key_ring=KeyRing(world.key_files[self._name]),
            seeds=birth.seeds,
            rng=birth.rng,
            now=birth.now,
        )

    def receive(self, now: float, source: Address, datagram: bytes) -> Step:
        output = self.gossip.receive(now, source, datagram)
        if output.rejected:
            world = self._world
            world.refused.append((world.now, world.name_of(source), self._name, output.rejected))
        return self._step(output)

    def tick(self, now: float) -> Step:
        return self._step(self.gossip.tick(now))

    def _step(self, output: Output) -> Step:
        if output.keys_to_store is not None:
            self._world.at(self._world.now + STORE_S, partial(self._store, output.keys_to_store))
        return Step(output.datagrams, output.member_changes, output.notices, rejected=output.rejected)

    def _store(self, keys: tuple[bytes, ...]) -> None:
        world, node = self._world, self._world.nodes[self._name]
        if node.core is not self:
            return
        if self._name not in world.read_only:
            world.key_files[self._name] = keys
        self.gossip.keys_stored(keys, volatile=self._name in world.read_only)
        node.wake()
