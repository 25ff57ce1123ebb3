"""The seeds: names among them are resolved again for ever, as what a name means may change while the node runs."""

import socket
from math import inf
from time import monotonic

import structlog
import trio

from lbmesh.gossip.core import Gossip
from lbmesh.model.address import Address

RESOLVE_S = 30.0
RETRY_S = 2.0
"""After a name that did not resolve: at boot, the resolver is often later than we are."""

SAY_AGAIN_S = 60.0
"""While a name does not resolve."""

log = structlog.get_logger(__name__)


async def keep_seeds(gossip: Gossip, seeds: tuple[Address, ...], remembered: tuple[Address, ...]) -> None:
    """Keep gossip's seeds up to date. `remembered`: where members were before this node restarted, dialled as well
    until somebody is found. Ends when no name is left to be resolved.
    """
    names = [seed for seed in seeds if not seed.is_literal]
    literal = tuple(seed for seed in seeds if seed.is_literal)
    known: dict[Address, tuple[Address, ...]] = {}
    said_s: dict[Address, float] = {}
    gossip.seeds_resolved(literal + remembered)
    while names or remembered:
        failed = False
        for name in names:
            try:
                known[name] = await _resolve(name)
            except OSError as error:
                failed = True
                if monotonic() - said_s.get(name, -inf) >= SAY_AGAIN_S:
                    said_s[name] = monotonic()
                    log.warning("a gossip seed does not resolve", seed=str(name), reason=str(error))
        if gossip.has_live_peer():
            remembered = ()
        gossip.seeds_resolved(literal + tuple(address for one in known.values() for address in one) + remembered)
        await trio.sleep(RETRY_S if failed or remembered else RESOLVE_S)


async def _resolve(name: Address) -> tuple[Address, ...]:
    found = await trio.socket.getaddrinfo(name.host, name.port, type=socket.SOCK_DGRAM)
    return tuple(Address(str(sockaddr[0]), int(sockaddr[1])) for *_, sockaddr in found)
