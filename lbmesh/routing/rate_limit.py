"""Rate limits as token buckets for many keys in a table of fixed size.

The generic cell rate algorithm (ITU-T I.371): a bucket is one number, the time at which it will be full again. The
table is set-associative, as a processor's cache is: a key may stand in eight places, and a new one takes the place of
the bucket that is nearest to full. So nobody who floods the table with keys makes it grow, or frees another key that
has used up its tokens: what is forgotten is a bucket that has hardly been drawn from.
"""

from array import array
from collections.abc import Hashable, Sequence
from dataclasses import replace
from math import ceil

from lbmesh.model.limits import RATE_LIMIT_KEYS_MAX, RATE_LIMIT_KEYS_MIN
from lbmesh.model.route import Route
from lbmesh.model.route_rules import KeySource, RateLimit

WAYS = 8
_ROUNDING_S = 1e-9


class TokenBuckets:
    """The buckets of one rate limit."""

    __slots__ = ("_full_at_s", "_interval_s", "_keys", "_sets", "_slack_s")

    def __init__(self, limit: RateLimit, keys_max: int) -> None:
        """`keys_max`: buckets that are kept apart; rounded up to a power of two of at least WAYS."""
        self._sets = 1 << max(0, ceil(keys_max / WAYS) - 1).bit_length()
        self._keys = array("q", bytes(8 * WAYS * self._sets))
        self._full_at_s = array("d", bytes(8 * WAYS * self._sets))
        self.update(limit)

    def update(self, limit: RateLimit) -> None:
        """Go on under another limit: how long each bucket still needs to be full stays as it is."""
        self._interval_s = limit.per_s / limit.requests
        self._slack_s = self._interval_s * (limit.burst - 1) + _ROUNDING_S

    @property
    def size(self) -> int:
        """Buckets that there are room for."""
        return len(self._keys)

    def take(self, key: Hashable, now: float) -> float:
        """Draw one token: 0.0 when there was one, else the seconds until there is. `now`: monotonic, above 0."""
        # Python's hash of a str is keyed anew in each process: nobody can choose keys that share a set.
        name = hash(key) or 1
        slot = self._slot(name, now)
        full_at_s = self._full_at_s[slot]
        if full_at_s < now:
            full_at_s = now
        wait_s = full_at_s - self._slack_s - now
        if wait_s > 0.0:
            return wait_s
        self._full_at_s[slot] = full_at_s + self._interval_s
        return 0.0

    def _slot(self, name: int, now: float) -> int:
        first = (name & (self._sets - 1)) * WAYS
        try:
            return self._keys.index(name, first, first + WAYS)
        except ValueError:
            pass
        times = self._full_at_s[first : first + WAYS]
        slot = first + times.index(min(times))
        self._keys[slot] = name
        self._full_at_s[slot] = now
        return slot


RouteIdentity = tuple[object, ...]
Buckets = dict[RouteIdentity, TokenBuckets]


def route_identity(route: Route) -> RouteIdentity:
    """What makes a route the same in two Views, so that its buckets live on."""
    return route.hosts, route.paths, route.exact_paths, route.conditions


def buckets_for(routes: Sequence[Route], workers: int, before: Buckets) -> Buckets:
    """The buckets of every route that has a rate limit; those of `before` live on. `workers`: forwarders of this node,
    each with buckets of its own.

    A limit on the route as a whole is divided by them, since they share its requests out; one client may well have all
    its requests in one connection, and so in one forwarder.
    """
    limited = {route_identity(each): each.rules.rate_limit for each in routes if each.rules and each.rules.rate_limit}
    keys_max = max(RATE_LIMIT_KEYS_MIN, RATE_LIMIT_KEYS_MAX // max(1, len(limited)))
    buckets: Buckets = {}
    for identity, limit in limited.items():
        is_whole = limit.by.source is KeySource.ROUTE
        share = replace(limit, per_s=limit.per_s * workers, burst=ceil(limit.burst / workers)) if is_whole else limit
        known = before.get(identity)
        if known is None:
            known = TokenBuckets(share, 1 if is_whole else keys_max)
        else:
            known.update(share)
        buckets[identity] = known
    return buckets


def limit_fields(limit: RateLimit, wait_s: float) -> tuple[bytes, ...]:
    """Field lines of an answer to a request that was one too many: Retry-After (RFC 9110 §10.2.3), and those of
    draft-ietf-httpapi-ratelimit-headers-10, where w and t are whole seconds.
    """
    after_s = max(1, ceil(wait_s))
    return (
        b"Retry-After: %d" % after_s,
        b'RateLimit-Policy: "route";q=%d;w=%d' % (limit.requests, max(1, ceil(limit.per_s))),
        b'RateLimit: "route";r=0;t=%d' % after_s,
    )
