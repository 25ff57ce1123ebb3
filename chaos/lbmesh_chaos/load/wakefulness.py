"""Whether a client got to run when it wanted to: what it missed meanwhile is not the service's doing. Pure."""

STARVED_S = 0.05
"""A client that is later than this to its own schedule could not tell a slow service from itself. A loaded but fair
2-core machine stays under 20 ms; the failover plane promises words within 100 ms, and a drill must see those.
"""


class Wakefulness:
    """Of one client. Told of each turn of its loop, it says which stretches do not count."""

    __slots__ = ("_last_s", "_planned_s")

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s
        self._planned_s = now_s

    def sleeps_until(self, planned_s: float) -> None:
        """The loop is about to wait, at most until then."""
        self._planned_s = planned_s

    def turn(self, now_s: float) -> tuple[float, float] | None:
        """The loop runs. A stretch it should have run in and did not; None when it is in time.

        The stretch begins at the last turn, not at the planned one: an answer that came while it slept was not read.
        """
        late_s = now_s - max(self._planned_s, self._last_s)
        last_s, self._last_s, self._planned_s = self._last_s, now_s, now_s
        return (last_s, now_s) if late_s > STARVED_S else None

    def took_up(self, due_s: float, now_s: float) -> tuple[float, float] | None:
        """A request that was due then is only now taken up. The stretch that this makes void, if it does."""
        return (due_s, now_s) if now_s - due_s > STARVED_S else None
