"""Seeds that are names: resolved again for ever, as what a name means may change while the node runs."""

import socket

import structlog
import trio

from lbmesh.gossip.core import Gossip
from lbmesh.model.address import Address

RESOLVE_S = 30.0
RETRY_S = 2.0
"""After a name that did not resolve: at boot, the resolver is often later than we are."""

log = structlog.get_logger(__name__)


async def resolve_seeds(gossip: Gossip, seeds: tuple[Address, ...]) -> None:
    """Keep gossip's seeds up to date. Ends at once when none is a name."""
    names = [seed for seed in seeds if not seed.is_literal]
    literal = tuple(seed for seed in seeds if seed.is_literal)
    known: dict[Address, tuple[Address, ...]] = {}
    while names:
        failed = False
        for name in names:
            try:
                known[name] = await _resolve(name)
            except OSError as error:
                failed = True
                log.warning("a gossip seed does not resolve", seed=str(name), reason=str(error))
        gossip.seeds_resolved(literal + tuple(address for one in known.values() for address in one))
        await trio.sleep(RETRY_S if failed else RESOLVE_S)


async def _resolve(name: Address) -> tuple[Address, ...]:
    found = await trio.socket.getaddrinfo(name.host, name.port, type=socket.SOCK_DGRAM)
    return tuple(Address(str(sockaddr[0]), int(sockaddr[1])) for *_, sockaddr in found)
