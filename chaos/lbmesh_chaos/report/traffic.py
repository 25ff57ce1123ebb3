"""When traffic left a host that a fault struck, and when it came back, from what replicas wrote down. Pure."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

from lbmesh_chaos.model.outcome import FaultSpan, Outcome
from lbmesh_chaos.model.tally import Executions

SILENT_S = 0.5
"""Nothing for so long, and for three times as long as ever before the fault: the traffic has left."""
LOOKED_BACK_S = 10.0
"""How long before the fault counts as before."""
REQUESTS_MIN = 10
"""With fewer requests in that time nobody can tell a silence from a pause."""
STEADY_S = 0.5
"""Traffic is back where it goes on for so long as densely as before. What a frozen replica finds in its buffers when it
thaws, and carries out at once, are requests that nobody waits for any more."""
DENSE_S = 0.1


def absence(outcome: Outcome, fault: FaultSpan, until_s: float) -> tuple[float | None, float | None]:
    """When the last of the struck hosts that traffic left had been left, and when traffic was back at all of them, as
    times of the outcome. (None, None): it left none of them. A host is left with the last request that it carried, as a
    replica or as the balancer in front of one.
    """
    addresses = {place.host: place.address for place in outcome.places}
    found = [
        gone
        for host in fault.targets
        if (gone := _absence(_carried(outcome.tally.executions, host, addresses.get(host)), fault, until_s)) is not None
    ]
    if not found:
        return None, None
    back = [moment for _, moment in found if moment is not None]
    return max(left for left, _ in found), max(back) if len(back) == len(found) else None


def _carried(executions: Iterable[Executions], host: str, address: str | None) -> "array[float]":
    merged = array("d")
    for one in executions:
        if one.replica == host or one.peer == address:
            merged.extend(one.at_s)
    return array("d", sorted(merged))


def _absence(times: Sequence[float], fault: FaultSpan, until_s: float) -> tuple[float, float | None] | None:
    first = bisect_left(times, fault.applied_s)
    before = times[bisect_left(times, fault.applied_s - LOOKED_BACK_S) : first]
    if len(before) < REQUESTS_MIN:
        return None
    usual_s = max(later - earlier for earlier, later in pairwise(before))
    silent_s, dense_s = max(SILENT_S, 3 * usual_s), max(DENSE_S, 2 * usual_s)
    for at in range(first, len(times) + 1):
        last = times[at - 1]
        if last >= min(fault.healed_s, until_s):
            return None
        if at == len(times) or times[at] - last > silent_s:
            return max(last, fault.applied_s), _back(times, at, dense_s, until_s)
    return None


def _back(times: Sequence[float], first: int, dense_s: float, until_s: float) -> float | None:
    """When the first stretch of dense traffic began. One that the end cuts short counts."""
    began = first
    for at in range(first, len(times)):
        if times[at] > until_s:
            return times[began] if times[began] <= until_s and times[at] - times[at - 1] <= dense_s else None
        if at > began and times[at] - times[at - 1] > dense_s:
            began = at
        elif times[at] - times[began] >= STEADY_S:
            return times[began]
    return None
