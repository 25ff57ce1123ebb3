"""Connect to the first of several balancers that takes the connection, in tasks (RFC 8305 §5), on trio or
asyncio.

The next connect starts when one before it has failed, or was silent for the stagger. Over TLS the handshake is a part
of it: a frozen balancer's kernel takes connections, but shakes no hands. The first to succeed wins, the others are
cancelled and closed. No part of a request is sent here, so a race is safe before any.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import httpcore

from lbmesh.client.attempts import Failure
from lbmesh.client.translate import DialError, Tls, patience_s, tell, tell_late
from lbmesh.model.address import Address


@dataclass(frozen=True, slots=True)
class AsyncRaced:
    """The winner and the seconds it took, those that failed before it, and those that had been silent longer than the
    stagger.
    """

    stream: httpcore.AsyncNetworkStream
    balancer: Address
    connect_s: float
    failed: tuple[Failure, ...]
    outrun: tuple[Address, ...]


async def race(order: Sequence[Address], tls: Tls | None, *, stagger_s: float, timeout_s: float | None) -> AsyncRaced:
    """The first connection that stands; with `tls`, whose handshake is done. Raises DialError when none does within
    `timeout_s`.
    """
    running = _Race(order, tls, stagger_s)
    with anyio.move_on_after(timeout_s):
        await running.run()
    if running.winner is None:
        late = [Failure(balancer, tell_late(shakes=shakes)) for balancer, shakes in running.silent.items()]
        raise DialError([*running.failed, *late], timed_out=bool(late))
    balancer, stream, connect_s = running.winner
    before = order[: order.index(balancer)]
    outrun = tuple(b for b in before if b in running.silent)
    return AsyncRaced(stream, balancer, connect_s, tuple(running.failed), outrun)


class _Race:
    def __init__(self, order: Sequence[Address], tls: Tls | None, stagger_s: float) -> None:
        self.winner: tuple[Address, httpcore.AsyncNetworkStream, float] | None = None
        self.failed: list[Failure] = []
        self.silent: dict[Address, bool] = {}
        """Those that are neither connected nor failed; True: the handshake has begun."""
        self._order = order
        self._tls = tls
        self._stagger_s = stagger_s
        self._backend = httpcore.AnyIOBackend()

    async def run(self) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                for balancer in self._order:
                    self.silent[balancer] = False
                    with anyio.CancelScope(deadline=anyio.current_time() + self._stagger_s) as alone:
                        failed = anyio.Event()
                        tasks.start_soon(self._run_one, balancer, alone, failed, tasks.cancel_scope)
                        await failed.wait()
        except BaseException:
            if self.winner is not None:
                (_, stream, _), self.winner = self.winner, None
                await _close(stream)
            raise

    async def _run_one(
        self, balancer: Address, alone: anyio.CancelScope, failed: anyio.Event, race_scope: anyio.CancelScope
    ) -> None:
        """`alone`: until its deadline no rival begins."""
        began = anyio.current_time()
        try:
            stream = await self._backend.connect_tcp(balancer.host, balancer.port)
            if self._tls is not None:
                now = anyio.current_time()
                alone.deadline = now + patience_s(self._stagger_s, now - began)
                self.silent[balancer] = True
                stream = await _secured(stream, self._tls)
        except (httpcore.ConnectError, httpcore.ConnectTimeout, OSError) as error:
            self.failed.append(Failure(balancer, tell(error)))
            self.silent.pop(balancer)
            failed.set()
            return
        if self.winner is not None:
            await _close(stream)
            return
        self.winner = balancer, stream, anyio.current_time() - began
        self.silent.pop(balancer)
        race_scope.cancel()


async def _secured(stream: httpcore.AsyncNetworkStream, tls: Tls) -> httpcore.AsyncNetworkStream:
    try:
        return await stream.start_tls(tls.context, tls.name)
    except BaseException:
        await _close(stream)
        raise


async def _close(stream: httpcore.AsyncNetworkStream) -> None:
    """Even while being cancelled."""
    with anyio.CancelScope(shield=True):
        await stream.aclose()
