"""How the time for a hostile head grows with its length: `python -m tests.bench.hostile_heads`.

Twice the bytes should take twice the time. Prints, for each head, microseconds at three lengths and the growth over the
last doubling; what grows more than threefold is marked.
"""

import sys
from collections.abc import Callable
from time import perf_counter

from lbmesh.http1 import fast_lane, h11_lane
from lbmesh.model.limits import HEAD_BYTES_MAX
from tests.support.hostile import hostile_requests, hostile_responses

SIZES = (HEAD_BYTES_MAX // 4, HEAD_BYTES_MAX // 2, HEAD_BYTES_MAX)
GROWTH_MAX = 3.0
NOISE_US = 300.0
"""Below this a figure says more about the machine than about the pattern."""

LANES: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("fast", fast_lane.parse_request),
    ("h11", h11_lane.parse_request),
)
RESPONSE_LANES: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("fast", lambda head: fast_lane.parse_response(head, to_head=False)),
    ("h11", lambda head: h11_lane.parse_response(head, method=b"GET")),
)


def microseconds(parse: Callable[[bytes], object], head: bytes) -> float:
    """The best of five."""
    best = float("inf")
    for _ in range(5):
        began = perf_counter()
        parse(head)
        best = min(best, perf_counter() - began)
    return best * 1e6


def main() -> int:
    """Print the table; 1 when something grew too fast."""
    marked = 0
    for kind, heads, lanes in (
        ("request", hostile_requests, LANES),
        ("response", hostile_responses, RESPONSE_LANES),
    ):
        by_size = [dict(heads(size)) for size in SIZES]
        for name in by_size[0]:
            for lane, parse in lanes:
                times = [microseconds(parse, heads_of_size[name]) for heads_of_size in by_size]
                growth = times[-1] / times[-2]
                too_fast = growth > GROWTH_MAX and times[-1] > NOISE_US
                marked += too_fast
                figures = "".join(f"{time_us:10.0f}" for time_us in times)
                print(f"{kind:9}{name:50}{lane:5}{figures} µs {growth:6.1f}×{'  TOO FAST' if too_fast else ''}")
    return 1 if marked else 0


if __name__ == "__main__":
    sys.exit(main())
