"""`lbmesh dev demo`: the drill under traffic, then its report. Ends by itself within a minute."""

import json
import sys

import httpx
import trio

from lbmesh.dev.drill import SCRIPT, Fault, run_step
from lbmesh.dev.ledger import Ledger, duplicates
from lbmesh.dev.live import show_live
from lbmesh.dev.report import Report, make_report, to_json, to_table
from lbmesh.dev.session import Session, open_session, run_session
from lbmesh.dev.terminal import BOLD, Terminal
from lbmesh.dev.traffic import Traffic, order_keys

CALM_S = 3.0
END_BY_S = 45.0
"""No wait of the drill goes beyond; then the last requests may take their 10 s, and cleaning up a moment."""


def run_demo(*, as_json: bool) -> int:
    """Run it; 0 when no idempotent request was lost and the mesh came back."""
    terminal = Terminal(sys.stderr if as_json else sys.stdout)

    async def body() -> int:
        report = await _demo(terminal)
        if as_json:
            print(json.dumps(to_json(report), indent=2))
        else:
            terminal.say("", *to_table(report, terminal.paint))
        return 0 if report.passed else 1

    return run_session(body, terminal)


async def _demo(terminal: Terminal) -> Report:
    end_by_s = trio.current_time() + END_BY_S
    terminal.say("Starting three zones: a balancer and two replicas of a small shop in each …")
    async with open_session(terminal) as session:
        began_s = trio.current_time()
        ledger = Ledger()
        faults = await _drill_under_traffic(session, ledger, terminal, end_by_s)
        return make_report(
            list(ledger.calls),
            faults,
            balancers=tuple(one.name for one in session.world.balancers),
            duplicates=await _count_duplicates(session),
            whole=session.watch.all_whole_since is not None,
            began_s=began_s,
            ended_s=trio.current_time(),
        )


async def _drill_under_traffic(session: Session, ledger: Ledger, terminal: Terminal, end_by_s: float) -> list[Fault]:
    faults: list[Fault] = []
    traffic = Traffic(session.world, ledger)
    async with trio.open_nursery() as showing:
        showing.start_soon(show_live, ledger, terminal)
        async with trio.open_nursery() as calling:
            calling.start_soon(traffic.run)
            terminal.say(terminal.paint("calm", BOLD))
            await trio.sleep(CALM_S)
            for step in SCRIPT:
                if trio.current_time() < end_by_s:
                    terminal.say(terminal.paint(step.title, BOLD))
                    faults.append(await run_step(step, session, end_by_s))
            traffic.stop()
        showing.cancel_scope.cancel()
    return faults


async def _count_duplicates(session: Session) -> int | None:
    try:
        return duplicates(await order_keys(session.world))
    except httpx.TransportError:
        return None
