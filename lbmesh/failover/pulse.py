"""From tick ages to what a node says of itself."""

from collections.abc import Sequence

from lbmesh.failover.limits import HUNG_FORWARDER_S
from lbmesh.failover.words import Vitals


class Pulse:
    """Counts the forwarders that do not get on: hung, or dead and not back. Until one has ever ticked, none is counted:
    a node that starts has clients nowhere else.
    """

    def __init__(self, workers: int) -> None:
        self._ticked_s: list[float | None] = [None] * workers

    def take(
        self,
        now: float,
        agent_age_s: float | None,
        forwarder_ages_s: Sequence[float | None],
        *,
        leaving: bool = False,
        draining: bool = False,
    ) -> Vitals:
        """Ages of the newest ticks; None for a process that has not ticked yet, or has died."""
        for worker, age_s in enumerate(forwarder_ages_s):
            if age_s is not None:
                self._ticked_s[worker] = now - age_s
        has_served = any(ticked_s is not None for ticked_s in self._ticked_s)
        ages_s = [now - ticked_s for ticked_s in self._ticked_s if ticked_s is not None]
        hung = sum(age_s > HUNG_FORWARDER_S for age_s in ages_s)
        return Vitals(
            agent_age_s=agent_age_s or 0.0,
            forwarder_age_s=max(ages_s, default=0.0),
            forwarders=len(ages_s) if has_served else 0,
            hung=hung,
            leaving=leaving,
            draining=draining,
        )
