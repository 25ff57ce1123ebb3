"""Keeping what belongs together at one replica: requests with one key by ring_hash, those of one client by a cookie."""

from collections.abc import Collection, Generator, Mapping, Sequence
from math import inf
from typing import Generic, Protocol, TypeVar

from lbmesh.routing.hashing import MANY, REPLICAS_MAX, HashTable, hash_of, hash_table, rendezvous
from lbmesh.routing.steps import collect, finish, sort

LOAD_FLOOR = 4
"""So many requests in flight from here never make a replica of mean weight give up its keys: of a few, any is more than
the mean.
"""


class Owner(Protocol):
    """What a key may belong to."""

    @property
    def in_flight(self) -> int: ...
    @property
    def weight(self) -> int: ...


T = TypeVar("T", bound=Owner)


class KeyRing(Generic[T]):
    """Leads keys to replicas. Made anew when the replicas or their weights change; `key_ring` makes one.

    Zones mean nothing to it: a key has one home in the mesh, as with Envoy.
    """

    __slots__ = ("_names", "_replicas", "_table")

    def __init__(self, names: Sequence[str], replicas: Sequence[T], table: HashTable | None) -> None:
        """`names`: in their order. `table`: None until there is a key."""
        self._names = names
        self._replicas = replicas
        self._table = table

    def pick(
        self,
        key: bytes,
        usable: Collection[T],
        *,
        warmths: Mapping[T, float],
        in_flight_max: float,
        tried: Sequence[T] = (),
    ) -> T | None:
        """The replica that the key belongs to, or the first that stands in for it.

        `usable`: who may serve, to be looked up quickly. `warmths`: of those that warm up, who take their keys back one
        after the other. `in_flight_max`: for each unit of weight; who has more leaves its keys to others. `tried`: who
        has failed this request. None when nobody usable is left.
        """
        table = self._table
        if table is None:
            table = self._table = finish(hash_table(self._names, [one.weight for one in self._replicas]))
        hashed = hash_of(key)
        replicas = self._replicas
        number = table.home(hashed)
        if number is not None and not warmths and not tried:
            home = replicas[number]
            if home in usable and home.in_flight < in_flight_max * home.weight:
                return home
        full: list[T] = []
        cold: T | None = None
        for number in table.owners(hashed):
            one = replicas[number]
            if one not in usable or one in tried:
                continue
            if one.in_flight >= in_flight_max * one.weight:
                full.append(one)
            elif warmths and (hashed & 0xFFFF) >= warmths.get(one, 1.0) * 0x10000:
                cold = cold or one
            else:
                return one
        if full and cold is None:
            return min(full, key=lambda one: one.in_flight / one.weight)
        return cold or self._any(hashed, usable, tried)

    def _any(self, hashed: int, usable: Collection[T], tried: Sequence[T]) -> T | None:
        left = [index for index, one in enumerate(self._replicas) if one in usable and one not in tried]
        if not left:
            return None
        return self._replicas[left[rendezvous(hashed, [self._names[index] for index in left])]]


def key_ring(names: Sequence[str], replicas: Sequence[T]) -> Generator[None, None, KeyRing[T]]:
    """Made in small steps. `names`: the same on every balancer. Those beyond REPLICAS_MAX, by name, own nothing.

    A small table comes with the first key, for most services never have one; that of many replicas takes too long then.
    """
    pairs = yield from sort(list(zip(names, replicas, strict=True)), _name)
    del pairs[REPLICAS_MAX:]
    ordered = yield from collect(pairs, lambda part: [name for name, _ in part])
    owners = yield from collect(pairs, lambda part: [replica for _, replica in part])
    if len(ordered) <= MANY:
        return KeyRing(ordered, owners, None)
    weights = yield from collect(owners, lambda part: [one.weight for one in part])
    return KeyRing(ordered, owners, (yield from hash_table(ordered, weights)))


def _name(pair: tuple[str, object]) -> str:
    return pair[0]


def in_flight_max(balance_factor: int, in_flight: int, replicas: int, weight: int) -> float:
    """How much each unit of weight may have in flight before keys go elsewhere (Mirrokni, Thorup and Zadimoghaddam
    2018). `balance_factor`: percent of the mean, 0 for no bound; the others: of all that serve.
    """
    if not balance_factor:
        return inf
    return max(LOAD_FLOOR * replicas, balance_factor / 100 * (in_flight + 1)) / max(1, weight)
