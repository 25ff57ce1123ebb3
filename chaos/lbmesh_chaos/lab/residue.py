"""What a fault may leave behind, looked for: each thing that a step can hold, as it must be when nothing holds it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import trio

from lbmesh_chaos.faults.filters import TABLE_PREFIX
from lbmesh_chaos.faults.steps import RELAY_PREFERENCE, Hold, Thing
from lbmesh_chaos.lab import clocks, paths
from lbmesh_chaos.lab.hands import Hands
from lbmesh_chaos.lab.processes import CommandError, Processes
from lbmesh_chaos.lab.programs import Programs
from lbmesh_chaos.lab.relay import INTERFACE
from lbmesh_chaos.model.world import UPLINK, Host, Role

SETTLE_S = 10.0
"""A balancer's sentinel starts a killed child again; it has so long."""
_LOOK_EVERY_S = 0.02
_MADE_WITH = "noqueue"
"""The queueing discipline of a veth interface (qdisc of a device without a queue)."""


@dataclass(slots=True)
class Residue:
    """Looks, and changes nothing."""

    processes: Processes
    programs: Programs
    hands: Hands

    async def of(self, hold: Hold) -> list[str]:
        """What is not as it was, of one thing; the processes have `SETTLE_S` to be."""
        try:
            return await self._of(hold)
        except (CommandError, OSError) as error:
            return [f"{hold} cannot be looked at: {error}"]

    async def _of(self, hold: Hold) -> list[str]:
        host = hold.host
        match hold.thing:
            case Thing.PROCESSES:
                return await self._of_processes(host)
            case Thing.FILTER:
                tables = await self._tables(host)
                return [f"{host} still has the table {hold.name}"] if hold.name in tables else []
            case Thing.QUEUE:
                shown = await self.processes.run(("tc", "qdisc", "show", "dev", UPLINK), host=host)
                return [] if _MADE_WITH in shown else [f"{UPLINK} of {host} has another queue: {shown.strip()}"]
            case Thing.RELAY:
                return [line async for line in self._of_relay(host)]
            case Thing.CLOCK | Thing.DISK | Thing.CONFIG | Thing.BEHAVIOUR:
                return list(_of_files(host, hold.thing))

    async def everywhere(self, hosts: tuple[Host, ...]) -> list[str]:
        """All that could be wrong with these hosts; for a lab in which no fault stands."""
        found: dict[str, list[str]] = {host.name: [] for host in hosts}

        async def look(host: Host) -> None:
            found[host.name] += await self._of_tables(host.name)
            if host.role in (Role.ROUTER, Role.BACKBONE, Role.SEGMENT):
                return
            for thing in Thing:
                if thing is not Thing.FILTER:
                    found[host.name] += await self.of(Hold(host.name, thing))

        async with trio.open_nursery() as nursery:
            for each in hosts:
                nursery.start_soon(look, each)
        return [line for lines in found.values() for line in lines]

    async def _of_tables(self, host: str) -> list[str]:
        try:
            tables = await self._tables(host)
        except CommandError as error:
            return [f"the tables of {host} cannot be looked at: {error}"]
        return [f"{host} still has the table {table}" for table in tables if table.startswith(TABLE_PREFIX)]

    async def _of_processes(self, host: str) -> list[str]:
        amiss = list(self.programs.amiss(host))
        with trio.move_on_after(SETTLE_S):
            while amiss:
                await trio.sleep(_LOOK_EVERY_S)
                amiss = list(self.programs.amiss(host))
        return amiss

    async def _tables(self, host: str) -> list[str]:
        shown = await self.processes.run(("nft", "list", "tables"), host=host)
        return [line.split()[-1] for line in shown.splitlines() if line]

    async def _of_relay(self, host: str) -> AsyncIterator[str]:
        if host in self.hands.relays:
            yield f"a relay runs on {host}"
        if f" {INTERFACE}:" in await self.processes.run(("ip", "link", "show"), host=host):
            yield f"{host} still has the interface {INTERFACE}"
        if await self.hands.relay_rules(host):
            yield f"{host} still has a routing rule of preference {RELAY_PREFERENCE}"


def _of_files(host: str, thing: Thing) -> Iterator[str]:
    config = paths.balancer_config(host)
    if thing is Thing.CLOCK and not clocks.is_true(host):
        yield f"the clock of {host} is not the machine's"
    elif thing is Thing.DISK and paths.filler(host).exists():
        yield f"{paths.filler(host)} is still there"
    elif thing is Thing.CONFIG and config.exists() and config.read_bytes() != paths.good(config).read_bytes():
        yield f"{config} is not the one that the lab wrote"
    elif thing is Thing.BEHAVIOUR and paths.behaviour(host).exists():
        yield f"{host} still behaves as a fault told it"
