"""What `lbmesh dev` and its demo share: the place, the ports, the mesh, and an end that leaves nothing."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import trio

from lbmesh.dev.control_server import serve_orders
from lbmesh.dev.failure import CannotRunError
from lbmesh.dev.mesh import DevMesh, running_mesh
from lbmesh.dev.place import SOCKET, own_place
from lbmesh.dev.ports import PortChooser
from lbmesh.dev.terminal import RED, Terminal
from lbmesh.dev.watch import OnChange, Watch
from lbmesh.dev.world import World, make_world

START_TIMEOUT_S = 20.0
"""Eighteen processes on two busy cores have taken 8."""

SIGNALLED = 128
"""Exit codes above it: ended by the signal of that number more."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Session:
    """A mesh that is up, every balancer's picture whole, and somebody watching it."""

    world: World
    mesh: DevMesh
    watch: Watch
    place: str


def run_session(body: Callable[[], Awaitable[int]], terminal: Terminal) -> int:
    """Run `body` in trio until it returns its exit code, or a signal ends it: then 128 and its number.

    A second signal does not disturb the cleaning up.
    """
    code = trio.run(_until_signal, body, terminal)
    if code > SIGNALLED:
        with suppress(OSError):  # the terminal itself may have gone
            terminal.say("Ended: no process and no file is left.")
    return code


async def _until_signal(body: Callable[[], Awaitable[int]], terminal: Terminal) -> int:
    code = 1
    with trio.open_signal_receiver(*ENDING) as signals:
        async with trio.open_nursery() as nursery:
            until_signal = trio.CancelScope()

            async def listen() -> None:
                nonlocal code
                # On and on: what is not taken here strikes when the receiver is closed.
                async for number in signals:
                    code = SIGNALLED + number
                    until_signal.cancel()

            nursery.start_soon(listen)
            with until_signal:
                try:
                    code = await body()
                except* (CannotRunError, OSError) as problems:
                    terminal.say(*(terminal.paint(str(one), RED) for one in _leaves(problems)))
            nursery.cancel_scope.cancel()
    return code


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for one in group.exceptions:
        found += _leaves(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found


@asynccontextmanager
async def open_session(terminal: Terminal, on_change: OnChange | None = None) -> AsyncIterator[Session]:
    """Raises CannotRunError or OSError, inside an exception group, when the mesh cannot come up."""

    is_up = False

    def tell_end(name: str, how: str) -> None:
        told = f"{name} {how}. The end of its log:\n{mesh.log_tail(name)}"
        if not is_up:
            raise CannotRunError(told)
        terminal.say(terminal.paint(told, RED))

    with own_place() as place:
        with PortChooser() as ports:
            world = make_world(ports.choose)
        async with running_mesh(world, place, tell_end) as mesh, trio.open_nursery() as nursery:
            watch = Watch(world, on_change)
            nursery.start_soon(mesh.watch)
            nursery.start_soon(watch.run)
            nursery.start_soon(serve_orders, place / SOCKET, mesh.obey)
            await _wait_whole(watch, mesh)
            is_up = True
            yield Session(world, mesh, watch, str(place))
            nursery.cancel_scope.cancel()


async def _wait_whole(watch: Watch, mesh: DevMesh) -> None:
    with trio.move_on_after(START_TIMEOUT_S):
        await watch.until_whole(0.0)
        return
    logs = "\n".join(
        f"{one.name} misses {', '.join(sorted(watch.sightings.now(one.name).amiss))}; the end of its log:\n"
        f"{mesh.log_tail(one.name)}"
        for one in mesh.world.balancers
        if not watch.sightings.now(one.name).whole
    )
    raise CannotRunError(f"the mesh did not come up within {START_TIMEOUT_S:g} s.\n{logs}")
