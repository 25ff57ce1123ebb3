"""A service some of whose requests belong to a certain replica: by a key, by the cookie that it gave, or by both.

A service without either has none of this, and its requests pay one attribute test.
"""

from collections.abc import Collection, Generator, Mapping, Sequence

from lbmesh.forward.retry import RetryBudget
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.http1.message import RequestHead, ResponseHead
from lbmesh.http1.response_rewrite import via
from lbmesh.model.traffic import HashKey, Sticky, TrafficPolicy
from lbmesh.routing.affinity import KeyRing, in_flight_max, key_ring
from lbmesh.routing.balancer import REASON_COOKIE, REASON_KEY, Balancer
from lbmesh.routing.request_fields import Read, cookie_reader, header_reader
from lbmesh.routing.steps import UPDATES_PER_STEP, collect, in_parts
from lbmesh.routing.sticky import cookie_line, replica_token

Picked = tuple[ReplicaState | None, str]


class Affinity:
    """Chooses replicas for the requests of one service; what belongs nowhere goes where the balancer says.
    `made_for`: all that it depends on for as long as it lives.
    """

    __slots__ = (
        "_balancer",
        "_budget",
        "_hash",
        "_lines",
        "_readers",
        "_ring",
        "_sticky",
        "_token_of",
        "_tokens",
        "_usable",
        "_usable_weight",
        "_warmths",
        "made_for",
    )

    _balancer: Balancer[ReplicaState]

    @classmethod
    def of(
        cls,
        policy: TrafficPolicy,
        service: str,
        replicas: Sequence[ReplicaState],
        budget: RetryBudget,
        before: "Affinity | None",
    ) -> Generator[None, None, "Affinity | None"]:
        """In small steps. None when the policy asks for nothing of the kind; what was `before` while it is right."""
        if policy.hash is None and policy.sticky is None:
            return None
        weights = yield from collect(replicas, lambda part: [(replica, replica.weight) for replica in part])
        known = (policy.hash, policy.sticky, dict(weights))
        if before is not None and before.made_for == known:
            return before
        ring = None
        if policy.hash:
            names = yield from collect(replicas, lambda part: [str(each.id.address) for each in part])
            ring = yield from key_ring(names, replicas)
        made = cls(policy.hash, policy.sticky, budget, ring)
        if policy.sticky:
            for part in in_parts(replicas, UPDATES_PER_STEP):
                for replica in part:
                    made.give_cookie(policy.sticky, service, replica)
                yield
        made.made_for = known
        return made

    def __init__(
        self,
        hash_key: HashKey | None,
        sticky: Sticky | None,
        budget: RetryBudget,
        ring: KeyRing[ReplicaState] | None,
    ) -> None:
        self.made_for: object = None
        self._hash = hash_key
        self._sticky = sticky
        self._budget = budget
        self._usable: Collection[ReplicaState] = ()
        self._usable_weight = 0
        self._warmths: Mapping[ReplicaState, float] = {}
        self._readers = _readers(hash_key) if hash_key else ()
        self._ring = ring
        self._token_of: Read = cookie_reader(sticky.cookie) if sticky else lambda _: None
        self._tokens: dict[bytes, ReplicaState] = {}
        self._lines: dict[ReplicaState, tuple[bytes, bytes]] = {}

    def give_cookie(self, sticky: Sticky, service: str, replica: ReplicaState) -> None:
        """Have a cookie lead to this replica."""
        token = replica_token(sticky, service, replica.id.address)
        self._tokens[token] = replica
        self._lines[replica] = token, cookie_line(sticky, token)

    def rebalance(
        self,
        balancer: Balancer[ReplicaState],
        usable: Collection[ReplicaState],
        usable_weight: int,
        warmths: Mapping[ReplicaState, float],
    ) -> None:
        """Take over who may serve, to be looked up quickly, the balancer over them, and who of them warms up."""
        self._balancer = balancer
        self._usable = usable
        self._usable_weight = usable_weight
        self._warmths = warmths

    def pick(self, head: RequestHead, source: str) -> Picked:
        """A replica for a first attempt, and why. `source`: the client's address."""
        if self._sticky is not None:
            token = self._token_of(head)
            replica = self._tokens.get(token) if token is not None else None
            if replica is not None and replica in self._usable:
                return replica, REASON_COOKIE
        return self._by_key(head, source, ()) or self._balancer.pick()

    def pick_other(self, head: RequestHead, source: str, tried: Sequence[ReplicaState]) -> Picked:
        """A replica for a retry: the one that stands in for those tried."""
        return self._by_key(head, source, tried) or self._balancer.pick_other(tried)

    def _by_key(self, head: RequestHead, source: str, tried: Sequence[ReplicaState]) -> Picked | None:
        ring, hash_key = self._ring, self._hash
        if ring is None or hash_key is None:
            return None
        key = self._key(head) or (source.encode() if hash_key.source else None)
        if key is None:
            return None
        bound = in_flight_max(hash_key.balance_factor, self._budget.active, len(self._usable), self._usable_weight)
        replica = ring.pick(key, self._usable, warmths=self._warmths, in_flight_max=bound, tried=tried)
        return (replica, REASON_KEY) if replica is not None else None

    def _key(self, head: RequestHead) -> bytes | None:
        for read in self._readers:
            key = read(head)
            if key:
                return key
        return None

    def with_cookie(
        self, asked: RequestHead, replica: ReplicaState, head_out: bytes, head: ResponseHead
    ) -> tuple[bytes, ResponseHead]:
        """A response's head, in both its forms, with the cookie that keeps the client at this replica, unless the
        client has it already. `head_out`: as a keep-alive HTTP/1.1 client gets it.
        """
        given = self._lines.get(replica)
        if given is None or self._token_of(asked) == given[0]:
            return head_out, head
        head = head._replace(head=head.head + given[1])
        return head.head + via(head.minor_version) + b"\r\n", head


def _readers(hash_key: HashKey) -> tuple[Read, ...]:
    readers: list[Read] = []
    if hash_key.header is not None:
        readers.append(header_reader(hash_key.header))
    if hash_key.cookie is not None:
        readers.append(cookie_reader(hash_key.cookie))
    if hash_key.path:
        readers.append(_path)
    return tuple(readers)


def _path(head: RequestHead) -> bytes:
    """As it came, without its query."""
    return head.target.partition(b"?")[0]
