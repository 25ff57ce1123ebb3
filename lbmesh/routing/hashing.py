"""Consistent hashing: which replica a key belongs to, the same on every balancer that knows the same replicas.

The table is Maglev's (Eisenbud et al., NSDI 2016), filled to fifteen sixteenths only, and made of the replicas'
addresses and weights alone. Who is down is passed over at each look-up: so a death moves no keys but the dead one's.
"""

from array import array
from collections.abc import Generator, Iterator, Sequence
from hashlib import blake2b
from heapq import heappush, heapreplace
from itertools import cycle

from lbmesh.routing.steps import ITEMS_PER_STEP, collect

SLOTS = 16_381
SLOTS_OF_MANY = 65_537
MANY = 1_000
"""Primes, as Maglev needs. Crossing from MANY replicas to more moves all keys, once; each slot more of the small table
would cost every forwarder and service memory and time.
"""

EMPTY = 0xFFFF
REPLICAS_MAX = EMPTY
FILLED = 15 / 16
"""Half of the work of filling a table goes into the last few slots, and these are those that change hands most. Whose
key meets an empty slot goes on to its next one, as with a replica that is down.
"""

_MULTIPLIER = 6_364_136_223_846_793_005
_MASK = 2**64 - 1
"""A linear congruential generator leads from slot to slot (Knuth's MMIX). Equal steps would not do: a replica's own
permutation takes such, and a key that steps alike meets hardly another one.
"""

PROBES_MAX = 32
"""Slots that a key tries; it ends there only when most replicas cannot serve."""


def hash_of(key: bytes) -> int:
    """64 bits of a key or a name, well mixed."""
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big")


class HashTable:
    """Slots that lead to replicas by their number. `hash_table` makes one.

    Measured with equal weights: 3.6 ms to make and 32 KB (of more than MANY: 17 to 27 ms, 128 KB); 10 replicas have the
    same share within 1 %, 1,000 within 5. A replica that is added or removed for good moves, beyond the keys that it
    takes or leaves, 1 to 4 % of the others'.
    """

    __slots__ = ("_size", "_slots")

    def __init__(self, slots: "array[int]") -> None:
        self._size = len(slots)
        self._slots = slots

    def home(self, key: int) -> int | None:
        """The number of the first replica that a hashed key belongs to; None when its slot is empty."""
        number = self._slots[(key >> 16) % self._size]
        return None if number == EMPTY else number

    def owners(self, key: int) -> Iterator[int]:
        """The numbers of the replicas that a hashed key belongs to, the first before who stands in for it; some come
        more than once, and of many not all.
        """
        size, slots = self._size, self._slots
        for _ in range(PROBES_MAX):
            number = slots[(key >> 16) % size]
            if number != EMPTY:
                yield number
            key = (key * _MULTIPLIER + 1) & _MASK


def hash_table(names: Sequence[str], weights: Sequence[int]) -> Generator[None, None, HashTable]:
    """Filled in small steps, and by turns: each replica takes the next slot of its own permutation that is free.

    `names`: of at most REPLICAS_MAX replicas, in any order; they and their weights decide everything.
    """
    size = SLOTS if len(names) <= MANY else SLOTS_OF_MANY
    slots = array("H", [EMPTY]) * size
    hashes = yield from collect(names, lambda part: [hash_of(name.encode()) for name in part])
    positions = yield from collect(hashes, lambda part: [each % size for each in part])
    strides = yield from collect(hashes, lambda part: [(each >> 32) % (size - 1) + 1 for each in part])
    turns = yield from _turns(names, weights)
    for filled in range(int(size * FILLED) if names else 0):
        number = next(turns)
        position, stride = positions[number], strides[number]
        while slots[position] != EMPTY:
            position += stride
            if position >= size:
                position -= size
        slots[position] = number
        position += stride
        positions[number] = position - size if position >= size else position
        if filled % ITEMS_PER_STEP == 0:
            yield
    return HashTable(slots)


def rendezvous(key: int, names: Sequence[str]) -> int:
    """The number of the name with the highest hash together with the key (Thaler and Ravishankar 1998). Takes half a
    microsecond a name: for when the table leads to nobody.
    """
    prefix = key.to_bytes(8, "big")
    return max(range(len(names)), key=lambda number: hash_of(prefix + names[number].encode()))


def _turns(names: Sequence[str], weights: Sequence[int]) -> Generator[None, None, Iterator[int]]:
    """Numbers without end, by weight, each spread evenly; in the order of the names where they are level."""
    order = sorted(range(len(names)), key=names.__getitem__)
    if len(set(weights)) <= 1:
        return cycle(order)
    due: list[tuple[float, int, int]] = []
    for turn, number in enumerate(order, 1):
        heappush(due, (1.0 / weights[number], turn, number))
        if turn % ITEMS_PER_STEP == 0:
            yield
    return _by_deadline(due, weights)


def _by_deadline(due: list[tuple[float, int, int]], weights: Sequence[int]) -> Iterator[int]:
    while True:
        at, turn, number = due[0]
        yield number
        heapreplace(due, (at + 1.0 / weights[number], turn, number))
