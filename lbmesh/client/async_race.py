"""Connect to the first of several balancers that takes the connection, in tasks (RFC 8305 §5), on trio or
asyncio.

The next connect starts when one before it has failed, or was silent for the stagger. The first to succeed
wins, the others are cancelled and closed. Nothing is sent here, so a race is safe before any request.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import httpcore

from lbmesh.client.attempts import Failure
from lbmesh.client.translate import DialError, tell
from lbmesh.model.address import Address


@dataclass(frozen=True, slots=True)
class AsyncRaced:
    """The winner, those that failed before it, and those that had been silent longer than the stagger."""

    stream: httpcore.AsyncNetworkStream
    balancer: Address
    failed: tuple[Failure, ...]
    outrun: tuple[Address, ...]


async def race(order: Sequence[Address], *, stagger_s: float, timeout_s: float | None) -> AsyncRaced:
    """The first connection that stands. Raises DialError when none does within `timeout_s`."""
    running = _Race(order)
    with anyio.move_on_after(timeout_s):
        await running.run(stagger_s)
    if running.winner is None:
        silent = [Failure(balancer, "did not take the connection in time") for balancer in running.silent]
        raise DialError([*running.failed, *silent], timed_out=bool(silent))
    balancer, stream = running.winner
    before = order[: order.index(balancer)]
    outrun = tuple(b for b in before if b in running.silent)
    return AsyncRaced(stream, balancer, tuple(running.failed), outrun)


class _Race:
    def __init__(self, order: Sequence[Address]) -> None:
        self.winner: tuple[Address, httpcore.AsyncNetworkStream] | None = None
        self.failed: list[Failure] = []
        self.silent: dict[Address, None] = {}
        self._order = order
        self._backend = httpcore.AnyIOBackend()

    async def run(self, stagger_s: float) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                for balancer in self._order:
                    settled = anyio.Event()
                    self.silent[balancer] = None
                    tasks.start_soon(self._connect, balancer, settled, tasks.cancel_scope)
                    with anyio.move_on_after(stagger_s):
                        await settled.wait()
        except BaseException:
            if self.winner is not None:
                (_, stream), self.winner = self.winner, None
                with anyio.CancelScope(shield=True):
                    await stream.aclose()
            raise

    async def _connect(self, balancer: Address, settled: anyio.Event, race_scope: anyio.CancelScope) -> None:
        try:
            stream = await self._backend.connect_tcp(balancer.host, balancer.port)
        except (httpcore.ConnectError, httpcore.ConnectTimeout, OSError) as error:
            self.failed.append(Failure(balancer, tell(error)))
            self.silent.pop(balancer)
            settled.set()
            return
        if self.winner is not None:
            await stream.aclose()
            return
        self.winner = balancer, stream
        self.silent.pop(balancer)
        race_scope.cancel()
