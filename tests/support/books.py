"""Health books of a whole mesh on one simulated clock: words travel after a delay, to whoever is not cut off. No gossip
and no sockets, so that a mesh of a hundred costs seconds.
"""

import random
from collections.abc import Callable
from heapq import heappop, heappush

from lbmesh.health.book import HealthBook
from lbmesh.health.outcome import Flip
from lbmesh.model.address import Address
from lbmesh.model.health import Availability, Opinion
from lbmesh.model.member import Member, MemberState
from lbmesh.model.service import HealthCheck, Replica, ReplicaId, Service

PROBE_S = 0.01
SPREAD_S = 0.05
CHECK = HealthCheck(interval_s=1.0, timeout_s=0.5)


def replica_id(number: int) -> ReplicaId:
    return ReplicaId("shop", Address("10.0.0.1", 1 + number))


def shop(count: int, zones: int = 3) -> Service:
    replicas = (Replica(replica_id(number).address, f"zone-{'abcdef'[number % zones]}") for number in range(count))
    return Service("shop", tuple(replicas), health=CHECK)


class Books:
    """Balancers lb-<zone letter><number>, the replicas they probe, and the time.

    `fails`: (node, number of a replica) whose probes fail; None for every node. `told`: words written, by node.
    """

    def __init__(self, zone_sizes: tuple[int, ...], replicas: int = 3, seed: int = 1) -> None:
        self.now = 100.0
        self.fails: set[tuple[str | None, int]] = set()
        self.service = shop(replicas, len(zone_sizes))
        self.zones = {
            f"lb-{letter}{number}": f"zone-{letter}"
            for letter, size in zip("abcdef", zone_sizes, strict=False)
            for number in range(size)
        }
        self.cut: set[str] = set()
        self.books = {name: HealthBook(name, zone, random.Random(f"{seed}{name}")) for name, zone in self.zones.items()}
        self.probes: list[tuple[float, str, ReplicaId]] = []
        self.told: list[tuple[float, str, ReplicaId]] = []
        self.flips: dict[str, list[tuple[float, Flip]]] = {name: [] for name in self.zones}
        self.rows: dict[tuple[str, ReplicaId], Opinion] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._check: Callable[[str], None] | None = None
        self.trust()
        for name, book in self.books.items():
            book.configure([self.service], self.now)
            self._step(name)

    def trust(self, states: dict[str, MemberState] | None = None) -> None:
        """Tell every book who is there, and whose words count there: all who are not cut off, as it is not itself."""
        members = [
            Member(name, zone, Address("10.9.9.9", 1), 1, (states or {}).get(name, MemberState.ALIVE), 0.0, "")
            for name, zone in self.zones.items()
        ]
        for name, book in self.books.items():
            trusted = frozenset() if name in self.cut else self.zones.keys() - self.cut - {name}
            book.set_members(members, trusted)
            self._later(0.0, lambda name=name: self._step(name))  # type: ignore[misc]

    def write(self, observer: str, number: int, *, up: bool, reason: str = "as it pleases") -> None:
        """A row in the name of this observer, whatever its book thinks."""
        word = Opinion(observer, self.zones[observer], replica_id(number), up, self.now, reason)
        self._tell(observer, word)

    def run(self, seconds: float, check: Callable[[str], None] | None = None) -> None:
        """Let time pass; `check` is called after every step with the node that made it."""
        self._check = check
        end = self.now + seconds
        while True:
            deadline, name = min((book.next_deadline(), name) for name, book in self.books.items())
            if self._due and self._due[0][0] <= deadline:
                if self._due[0][0] > end:
                    break
                at_s, _, action = heappop(self._due)
                self.now = max(self.now, at_s)
                action()
            elif deadline <= end:
                self.now = max(self.now, deadline)
                self._step(name)
            else:
                break
        self.now, self._check = end, None

    def forget(self) -> None:
        """Begin the notes anew."""
        self.told.clear()
        self.probes.clear()
        for flips in self.flips.values():
            flips.clear()

    def seen(self, node: str) -> str:
        """A letter for each replica: U up, D down, ? unknown."""
        letters = {Availability.UP: "U", Availability.DOWN: "D", Availability.UNKNOWN: "?"}
        merged = (self.books[node].merged(replica_id(number)) for number in range(len(self.service.replicas)))
        return "".join(letters[one.availability] for one in merged if one)

    def all_seen(self) -> set[str]:
        return {self.seen(node) for node in self.zones}

    def probes_of(self, number: int, since_s: float) -> int:
        return sum(at_s >= since_s and replica == replica_id(number) for at_s, _, replica in self.probes)

    def _step(self, name: str) -> None:
        ready = self.books[name].ready(self.now)
        self.flips[name] += [(self.now, flip) for flip in ready.flips]
        for order in ready.probes:
            self.probes.append((self.now, name, order.replica))
            self._later(PROBE_S, lambda replica=order.replica: self._finish(name, replica))  # type: ignore[misc]
        for word in ready.words:
            self.told.append((self.now, name, word.replica))
            self._tell(name, word)
        for replica in ready.withdrawn:
            self.told.append((self.now, name, replica))
            self.rows.pop((name, replica), None)
            for other in self.books:
                self._later(SPREAD_S, lambda other=other, replica=replica: self._unhear(name, other, replica))  # type: ignore[misc]
        if self._check:
            self._check(name)

    def _tell(self, name: str, word: Opinion) -> None:
        self.rows[name, word.replica] = word
        for other in self.books:
            self._later(SPREAD_S, lambda other=other: self._hear(name, other, word))  # type: ignore[misc]

    def _hear(self, sender: str, receiver: str, word: Opinion) -> None:
        if self._reaches(sender, receiver):
            received = Opinion(word.observer, word.observer_zone, word.replica, word.up, self.now, word.reason)
            self.books[receiver].hear(received, self.now)
            self._step(receiver)

    def _unhear(self, sender: str, receiver: str, replica: ReplicaId) -> None:
        if self._reaches(sender, receiver):
            self.books[receiver].unhear(sender, replica)
            self._step(receiver)

    def _reaches(self, sender: str, receiver: str) -> bool:
        return sender != receiver and not {sender, receiver} & self.cut

    def _finish(self, name: str, replica: ReplicaId) -> None:
        number = replica.address.port - 1
        success = not {(name, number), (None, number)} & self.fails
        reason = "status 200" if success else "connection refused"
        self.books[name].probe_finished(replica, success=success, reason=reason, now=self.now)
        self._step(name)

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._due, (self.now + delay_s, self._order, action))
