"""Ejections: replicas that this node avoids for a while because live traffic fails there more than at their siblings.

Soft state beside the health checks, whose path may be fine while the app is not: no successful probe lifts an
ejection, only time does, and a slow start follows. It holds on this node alone. Where something else has taken
replicas out as well, ejections yield: together they never take out more than half of a service.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from lbmesh.health.merge import Merged, Rule
from lbmesh.health.outliers import Outlier, Tally, worst
from lbmesh.health.plan import Random
from lbmesh.model.health import Availability
from lbmesh.model.service import Outliers, ReplicaId, Service

GAP_S = 10.0
"""After an ejection, the siblings take over its load; this long they are not judged, lest one death pull the next."""

EJECTION_MAX_S = 300.0
"""However often it was ejected (Envoy's default). At least the time configured."""

JITTER = 0.2
"""An ejection may last longer by up to this part, so that not all nodes take a replica back together."""

STALE_MAX_S = 60.0
"""Requests to a replica that was down may still fail when it is back, each after its timeout: they are not held
against it for as long as that timeout, and no longer than this.
"""

FORGET_S = 60.0
"""So long in service without an ejection makes up for one ejection of the past."""


@dataclass(frozen=True, slots=True)
class Ejection:
    """`times`: how often of late, this time included."""

    since_s: float
    until_s: float
    times: int
    reason: str


@dataclass(slots=True)
class _Standing:
    """One replica's. `times`: ejections that are not made up for; `served_since_s`: since when it makes up.
    `judged_from_s`: what comes to an end before then may have begun before the replica was down.
    """

    tally: Tally = field(default_factory=Tally)
    ejection: Ejection | None = None
    times: int = 0
    served_since_s: float = -inf
    judged_from_s: float = -inf

    def times_left(self, now: float) -> int:
        """Ejections not made up for by now."""
        if not self.times or self.ejection:
            return self.times
        return max(0, self.times - int((now - self.served_since_s) / FORGET_S))


@dataclass(slots=True)
class _Watched:
    """One service. `stale_s`: how long a request may take to fail. `suspects`: replicas with failures since the last
    look.
    """

    service: Service
    rule: Outliers
    stale_s: float
    standings: dict[ReplicaId, _Standing]
    suspects: dict[ReplicaId, None] = field(default_factory=dict)
    looked_second: int = -1
    quiet_until_s: float = -inf

    def ejections(self) -> list[tuple[ReplicaId, Ejection]]:
        """Those that stand, the oldest first."""
        found = [(replica, one.ejection) for replica, one in self.standings.items() if one.ejection]
        return sorted(found, key=lambda pair: pair[1].since_s)


class Ejections:
    """Of all services that are watched. Times are this node's monotonic seconds."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._watched: dict[str, _Watched] = {}
        self._eager: dict[str, None] = {}
        self._next_end_s = inf

    def configure(self, services: Iterable[Service]) -> None:
        """Watch these services from now on; what is known about replicas that stay is kept."""
        before, self._watched = self._watched, {}
        for service in services:
            if service.outliers is None:
                continue
            known = before.get(service.name)
            if known is not None and known.service is service:
                self._watched[service.name] = known
                continue
            standings = known.standings if known else {}
            ids = [ReplicaId(service.name, one.address) for one in service.replicas]
            self._watched[service.name] = _Watched(
                service,
                service.outliers,
                min(STALE_MAX_S, service.traffic.timeouts.response_s),
                {replica: standings.get(replica) or _Standing() for replica in ids},
                quiet_until_s=known.quiet_until_s if known else -inf,
            )
        self._eager = {name: None for name in self._eager if name in self._watched}
        self._set_next_end()

    def take(self, replica: ReplicaId, finished: int, failed: int, now: float) -> None:
        """Take what a forwarder saw of late: requests to the replica that came to an end, and how many failed."""
        watched = self._watched.get(replica.service)
        standing = watched.standings.get(replica) if watched else None
        if watched is None or standing is None or standing.ejection or not finished or now < standing.judged_from_s:
            return
        standing.tally.add(finished, failed, int(now))
        if failed:
            watched.suspects[replica] = None
            self._eager[replica.service] = None

    def no_longer_down(self, replica: ReplicaId, now: float) -> None:
        """Checks or peers had it down until now: what its requests did before is no evidence any more."""
        watched = self._watched.get(replica.service)
        standing = watched.standings.get(replica) if watched else None
        if watched and standing:
            standing.tally = Tally()
            standing.judged_from_s = now + watched.stale_s

    def look(self, now: float, availability: Callable[[ReplicaId], Availability]) -> tuple[Outlier, ...]:
        """Judge the services that had failures, each once a second, and eject at most one replica of each.

        `availability`: by the health checks and peers.
        """
        found = []
        for name in list(self._eager):
            watched = self._watched[name]
            if watched.looked_second == int(now):
                continue
            del self._eager[name]
            watched.looked_second = int(now)
            suspects, watched.suspects = watched.suspects, {}
            if now < watched.quiet_until_s or not self._has_room(watched, availability):
                continue
            tallies = {replica: one.tally for replica, one in watched.standings.items() if not one.ejection}
            candidates = [one for one in suspects if one in tallies and availability(one) is Availability.UP]
            outlier = worst(tallies, candidates, watched.rule, int(now)) if candidates else None
            if outlier:
                self._eject(watched, outlier, now)
                found.append(outlier)
        return tuple(found)

    def _has_room(self, watched: _Watched, availability: Callable[[ReplicaId], Availability]) -> bool:
        """May one more go?"""
        gone = sum(
            one.ejection is not None or availability(replica) is Availability.DOWN
            for replica, one in watched.standings.items()
        )
        return (gone + 1) * 2 <= len(watched.standings)

    def _eject(self, watched: _Watched, outlier: Outlier, now: float) -> None:
        standing = watched.standings[outlier.replica]
        times = standing.times_left(now) + 1
        base_s = watched.rule.ejection_s
        length_s = min(base_s * times, max(base_s, EJECTION_MAX_S)) * (1 + JITTER * self._rng.random())
        standing.ejection = Ejection(now, now + length_s, times, outlier.reason)
        standing.times = times
        standing.tally = Tally()
        watched.quiet_until_s = now + GAP_S
        self._next_end_s = min(self._next_end_s, now + length_s)

    def end(self, now: float) -> tuple[ReplicaId, ...]:
        """Take back the replicas whose time is over."""
        if now < self._next_end_s:
            return ()
        back = []
        for watched in self._watched.values():
            for replica, ejection in watched.ejections():
                if ejection.until_s <= now:
                    standing = watched.standings[replica]
                    standing.ejection, standing.served_since_s = None, now
                    back.append(replica)
        self._set_next_end()
        return tuple(back)

    def _set_next_end(self) -> None:
        self._next_end_s = min(
            (one.until_s for watched in self._watched.values() for _, one in watched.ejections()), default=inf
        )

    def next_deadline(self) -> float:
        """When `end` has something to do; infinite when never."""
        return self._next_end_s

    def ejection(self, replica: ReplicaId) -> Ejection | None:
        """The one that stands, if any."""
        watched = self._watched.get(replica.service)
        standing = watched.standings.get(replica) if watched else None
        return standing.ejection if standing else None

    def apply(self, service: str, replicas: Sequence[tuple[ReplicaId, Merged]]) -> tuple[Merged, ...]:
        """All replicas of a service as traffic should see them: the ejected are unknown, so that they serve only when
        no other can. Of them, only as many are as leaves half of the service, the oldest ejections first.
        """
        watched = self._watched.get(service)
        merged = tuple(one for _, one in replicas)
        ejected = watched.ejections() if watched else []
        if not ejected:
            return merged
        down = sum(one.availability is Availability.DOWN for one in merged)
        is_up = {replica for replica, one in replicas if one.availability is Availability.UP}
        standing = [pair for pair in ejected if pair[0] in is_up]
        honoured = dict(standing[: max(0, min(len(merged) // 2 - down, len(is_up) - 1))])
        return tuple(
            replace(
                one, availability=Availability.UNKNOWN, rule=Rule.EJECTED, reason=f"ejected: {honoured[replica].reason}"
            )
            if replica in honoured
            else one
            for replica, one in replicas
        )

    def words(self, replica: ReplicaId, now: float) -> tuple[str, ...]:
        """What an explanation of the replica should say about it."""
        watched = self._watched.get(replica.service)
        standing = watched.standings.get(replica) if watched else None
        if standing is None:
            return ()
        if one := standing.ejection:
            left_s = max(0.0, one.until_s - now)
            nth = f"ejection {one.times} of late" if one.times > 1 else "its first ejection of late"
            return (f"ejected {now - one.since_s:.0f} s ago, for {left_s:.0f} s more ({nth}): {one.reason}",)
        if times := standing.times_left(now):
            counted = "once" if times == 1 else f"{times} times"
            return (f"was ejected {counted} of late; each further ejection lasts longer",)
        return ()
