"""`lbmesh dev` without a verb: the mesh, clients that call it, and live lines, until Ctrl-C."""

import os
import sys

import trio

from lbmesh.dev.ledger import Ledger
from lbmesh.dev.live import show_live
from lbmesh.dev.picture import Picture
from lbmesh.dev.place import running_meshes
from lbmesh.dev.session import SIGNALLED, Session, open_session, run_session
from lbmesh.dev.terminal import BOLD, DIM, Terminal
from lbmesh.dev.traffic import Traffic
from lbmesh.dev.world import Balancer


def run_up() -> int:
    """Run it; 0 when it was ended by a signal, which is the way it ends."""
    terminal = Terminal(sys.stdout)

    async def body() -> int:
        await _up(terminal)
        return 0

    code = run_session(body, terminal)
    return 0 if code > SIGNALLED else code


async def _up(terminal: Terminal) -> None:
    terminal.say("Starting three zones: a balancer and two replicas of a small shop in each …")
    news = _News(terminal)
    async with open_session(terminal, news.tell) as session, trio.open_nursery() as nursery:
        terminal.say(*_what_to_open(session, terminal))
        news.is_told = True
        ledger = Ledger()
        nursery.start_soon(show_live, ledger, terminal)
        await Traffic(session.world, ledger).run()


class _News:
    """Says what each balancer comes to believe. Quiet while the mesh starts, when it is much and of no use."""

    def __init__(self, terminal: Terminal) -> None:
        self.is_told = False
        self._terminal = terminal

    def tell(self, balancer: Balancer, picture: Picture) -> None:
        if not self.is_told:
            return
        if balancer.name in picture.amiss:
            what = "does not answer on its admin address"
        elif picture.whole:
            what = "sees everyone alive and up"
        else:
            what = f"sees down: {_names(picture.down)}"
            doubtful = picture.amiss - picture.down
            what += f"; in doubt: {_names(doubtful)}" if doubtful else ""
        self._terminal.say(f"{balancer.name} {what}")


def _names(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"


def _what_to_open(session: Session, terminal: Terminal) -> list[str]:
    lines = [""]
    for balancer in session.world.balancers:
        lines.append(
            f"  {terminal.paint(balancer.zone, BOLD)}  {balancer.name}  shop {balancer.url:<24}"
            f"metrics http://{balancer.admin}/metrics"
        )
        replicas = [one for one in session.world.replicas if one.zone == balancer.zone]
        lines.append(terminal.paint("          " + "  ".join(f"{one.name} {one.address}" for one in replicas), DIM))
    first = session.world.balancers[0]
    return [
        *lines,
        "",
        "Try, from another terminal:",
        "  lbmesh dev kill app-a1        a replica dies;        lbmesh dev heal app-a1",
        "  lbmesh dev cut zone-b         a zone freezes;        lbmesh dev heal zone-b",
        "  lbmesh dev names              all that can be killed, cut and healed",
        *_which_mesh(),
        f"  lbmesh status --admin {first.admin}",
        f"  curl {first.url}whoami",
        f'  curl {first.url}orders -H \'Idempotency-Key: mine-1\' -d \'{{"item": "pretzel", "count": 2}}\'',
        "",
        f"Configurations and logs are in {session.place} while it runs. Ctrl-C ends it.",
        "",
    ]


def _which_mesh() -> list[str]:
    """Another mesh may have been there first; then an order must say which it is for."""
    if len(running_meshes()) == 1:
        return []
    return [f"  … each with --mesh {os.getpid()}: another `lbmesh dev` runs as well"]
