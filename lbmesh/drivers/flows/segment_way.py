"""Copies over one segment: to neighbours, who say each second who they are."""

from collections.abc import Iterator, Mapping, Sequence

import structlog
import trio

from lbmesh.drivers.flows import flow_rules
from lbmesh.drivers.flows.flow_elements import family_of
from lbmesh.drivers.flows.greeter import Greeter
from lbmesh.drivers.flows.hellos import Hello, digest
from lbmesh.drivers.flows.limits import TICKLE_ROUNDS_S
from lbmesh.drivers.kernel.kernel import Kernel

log = structlog.get_logger(__name__)


class SegmentWay:
    """`name`: this node's."""

    table = flow_rules.TABLE
    rules = flow_rules.RULES
    rounds_s: tuple[float, ...] = TICKLE_ROUNDS_S

    def __init__(self, name: str, kernel: Kernel) -> None:
        self._name = name
        self._kernel = kernel
        self._fronts: Mapping[str, str] = {}
        self._greeters: dict[str, Greeter] = {}

    def families(self, fronts: Mapping[str, str]) -> frozenset[str]:
        """Those that the fronts are of."""
        return frozenset(map(family_of, fronts))

    def script(self, fronts: Mapping[str, str]) -> str:
        """The rules."""
        return flow_rules.script(fronts.items())

    def prepare(self) -> tuple[str, int]:
        """Nothing: the segment is there."""
        return "", 0

    async def meet(self, fronts: Mapping[str, str], nursery: trio.Nursery) -> None:
        """Greet the neighbours on each interface."""
        self._fronts = fronts
        for interface in self._greeters.keys() - set(fronts.values()):
            self._greeters.pop(interface).close()
        for interface in sorted(set(fronts.values())):
            await self._greet(interface, digest(fronts), nursery)

    def close(self) -> None:
        """Greet nobody any more."""
        for greeter in self._greeters.values():
            greeter.close()
        self._greeters.clear()

    async def _greet(self, interface: str, fronts: bytes, nursery: trio.Nursery) -> None:
        link = self._kernel.link(interface)
        greeter = self._greeters.get(interface)
        if greeter is not None and (greeter.link != link or not greeter.is_open):
            self._greeters.pop(interface).close()
            greeter = None
        if link is None or not link.mac or not link.is_up:
            return
        try:
            if greeter is None:
                greeter = self._greeters[interface] = Greeter(interface, link)
                nursery.start_soon(greeter.run)
            own = self._kernel.own_addresses(link.index)
            four, six = (next((one for one in own if (":" in one) is is_six), "") for is_six in (False, True))
            await greeter.say(Hello(self._name, four, six, fronts))
        except (OSError, trio.ClosedResourceError) as error:
            log.debug("no hello could be said", interface=interface, problem=str(error))

    def ends(self, family: str, front: str, names: Sequence[str]) -> Iterator[str]:
        """Addresses on the segment. A copy to what is not on it would go to a router, which would send it back here."""
        greeter = self._greeters.get(self._fronts[front])
        for name in names:
            hello = greeter.heard.get(name) if greeter is not None else None
            address = hello.address(family) if hello is not None else ""
            if not address or greeter is None or hello is None or hello.fronts != digest(self._fronts):
                continue
            route = self._kernel.route(address)
            if route is not None and route.gateway is None and route.index == greeter.link.index:
                yield address
