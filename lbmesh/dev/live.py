"""The live lines: what the clients see now."""

from collections import Counter
from collections.abc import Iterable

import trio

from lbmesh.dev.ledger import Ledger, tally
from lbmesh.dev.terminal import Terminal

REFRESH_S = 0.25


def live_lines(ledger: Ledger, now_s: float) -> tuple[str, ...]:
    """The totals and the last second's latencies; then who carried that second's requests, and who answered."""
    recent = ledger.since(now_s - 1.0)
    figures = tally(recent)
    answered = [call for call in recent if call.answered]
    totals = (
        f"{ledger.sent - ledger.lost} ok, {ledger.lost} lost, longest gap {ledger.longest_gap_s(now_s) * 1e3:.0f} ms"
    )
    latencies = f"last second: p50 {figures.p50_s * 1e3:.1f} ms, p99 {figures.p99_s * 1e3:.1f} ms"
    return (
        f"{totals}; {latencies}",
        f"by {_shares(call.balancer for call in answered)}",
        f"from {_shares(call.replica or '?' for call in answered)}",
    )


async def show_live(ledger: Ledger, terminal: Terminal) -> None:
    """Until cancelled."""
    while True:
        await trio.sleep(REFRESH_S)
        terminal.live(*live_lines(ledger, trio.current_time()))


def _shares(names: Iterable[str]) -> str:
    counted = sorted(Counter(names).items())
    return " ".join(f"{name} {times}" for name, times in counted) or "nobody"
