"""What a run that did not end well left in the kernel, of fronts that no driver looks after by now.

Each driver puts its own fronts in order when it begins to watch them. A front that is gone from the settings, or is of
another kind by now, has nobody who would: its address might answer, or be silenced though somebody else gave it to this
machine.
"""

import os
from collections.abc import Collection
from errno import EPERM

import structlog

from lbmesh.drivers.flows import flow_rules, tunnel_rules
from lbmesh.drivers.flows.limits import TUNNEL
from lbmesh.drivers.kernel.addresses import Assigned
from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.kernel.lease_places import FRONTS_TABLE
from lbmesh.drivers.kernel.nft import run_nft
from lbmesh.model.front import BgpDriver, Ec2Driver, Front, VipDriver

log = structlog.get_logger(__name__)

_PUT_ADDRESSES = VipDriver | BgpDriver | Ec2Driver
_TABLES = {FRONTS_TABLE: ("arp", "inet"), flow_rules.TABLE: ("ip", "ip6")}
"""Of addresses on a shared L2, by the families that they are of."""


async def take_away_leftovers(kernel: Kernel, fronts: Collection[Front]) -> None:
    """To be called once, before any driver watches. `fronts`: all that this node may hold."""
    addressed = {front.name for front in fronts if isinstance(front.driver, _PUT_ADDRESSES)}
    for stray in kernel.ours():
        if stray.address not in addressed:
            _take_away(kernel, stray)
    if not any(isinstance(front.driver, VipDriver) for front in fronts):
        for table, families in _TABLES.items():
            await _delete(kernel, table, families)
    if not any(isinstance(front.driver, BgpDriver) for front in fronts):
        # Those about BGP go when BIRD has been told (`bgp/driver.py`).
        await _delete(kernel, tunnel_rules.TABLE, tunnel_rules.FAMILIES)
        kernel.delete_link(TUNNEL)


def _take_away(kernel: Kernel, stray: Assigned) -> None:
    failed = kernel.delete(stray)
    if not failed:
        log.warning("took away an address that a former run left", address=stray.address)
        return
    why = "give the service CAP_NET_ADMIN once" if failed == EPERM else os.strerror(failed).lower()
    log.warning("an address that a former run left cannot be taken away", address=stray.address, problem=why)


async def _delete(kernel: Kernel, table: str, families: Collection[str]) -> None:
    left = [family for family in families if kernel.count_rules(family, table)]
    if not left:
        return
    problem = await run_nft("".join(f"delete table {family} {table}\n" for family in left))
    if problem:
        log.warning("rules that a former run left cannot be taken away", table=table, problem=problem)
    else:
        log.warning("took away rules that a former run left", table=table)
