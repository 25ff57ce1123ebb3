"""The one trio task that drives the reactor."""

import trio

from lbmesh.forwarder.reactor import PAUSE_S, Reactor


async def run_reactor(reactor: Reactor) -> None:
    """Wait for readiness and step handlers, for ever."""
    try:
        while True:
            await trio.lowlevel.wait_readable(reactor.fileno())
            while not reactor.drain(PAUSE_S):
                await trio.lowlevel.checkpoint()
    finally:
        reactor.close_all()
