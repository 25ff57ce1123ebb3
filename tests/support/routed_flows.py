"""What an agent does for connections behind routers, once, as a program.

Its words: NAME HOSTS SUCCESSORS FRONTS HELD [again] [tickle]. HOSTS: {name: address} in JSON; the next three are lists
with commas, of which each may be empty. The rules and the tunnel are made; the connections of all fronts are known to
the successors where they are held. With `again`, the tunnel is taken away, and all is looked at again; with `tickle`,
what is known here is reset. Problems go to the log, on standard output.
"""

import json
import sys

import trio

from lbmesh.drivers.flows.flows import Flows
from lbmesh.drivers.flows.limits import TUNNEL
from lbmesh.drivers.flows.tunnel_way import TunnelWay
from lbmesh.drivers.kernel.kernel import Kernel


def listed(text: str) -> list[str]:
    """A list with commas."""
    return text.split(",") if text else []


async def main() -> None:
    """Once."""
    name, hosts, *rest = sys.argv[1:]
    successors, fronts, held = map(listed, rest[:3])
    kernel, members = Kernel(), json.loads(hosts)
    flows = Flows(kernel, TunnelWay(name, kernel, lambda: members), lambda _: successors)
    async with trio.open_nursery() as nursery:
        await flows.keep(dict.fromkeys(fronts, ""), held, nursery)
        if "again" in rest:
            kernel.delete_link(TUNNEL)
            await flows.keep(dict.fromkeys(fronts, ""), held, nursery)
        for front in held if "tickle" in rest else ():
            await flows.tickle(front, lambda: True)


trio.run(main)
