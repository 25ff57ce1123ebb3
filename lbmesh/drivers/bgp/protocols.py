"""BIRD's protocols, asked for and turned off one by one."""

import trio

from lbmesh.drivers.bgp import tables
from lbmesh.drivers.bgp.bird import Bird, Trouble
from lbmesh.drivers.bgp.limits import WITHDRAWN_LOOK_S, WITHDRAWN_S
from lbmesh.drivers.bgp.tables import ProtocolRow


async def find(bird: Bird, protocol: str) -> ProtocolRow | Trouble | None:
    """How it is; None when BIRD has none of this name."""
    said = await bird.ask(tables.show_protocol(protocol))
    return said if isinstance(said, Trouble) else next(iter(tables.protocol_rows(said)), None)


async def disable(bird: Bird, protocol: str) -> str:
    """Turn it off, and wait until it is; what is wrong, "" if nothing. What is not there announces nothing."""
    said = await bird.ask(tables.disable(protocol))
    if isinstance(said, Trouble):
        return "" if said.is_absent else said.words
    if said.code == tables.NO_SUCH_PROTOCOL:
        return ""
    if said.is_fault:
        return f'BIRD does not disable "{protocol}": {said.text}'
    with trio.move_on_after(WITHDRAWN_S):
        while True:
            row = await find(bird, protocol)
            if not isinstance(row, ProtocolRow) or row.state == "down":
                return ""
            await trio.sleep(WITHDRAWN_LOOK_S)
    return f'"{protocol}" in BIRD is not down yet'
