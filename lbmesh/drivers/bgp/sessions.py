"""BIRD's BGP sessions, as far as one network concerns them: does a router have it, and does BFD watch over it?"""

from lbmesh.drivers.bgp import tables
from lbmesh.drivers.bgp.bird import Bird, Trouble
from lbmesh.drivers.bgp.limits import SESSIONS_MAX
from lbmesh.drivers.bgp.replies import Reply

_SHOW_PROTOCOLS = "show protocols"
_SHOW_BFD = "show bfd sessions"


class Sessions:
    """Of one BIRD, about one network."""

    def __init__(self, bird: Bird, prefix: str) -> None:
        self._bird = bird
        self._prefix = prefix
        self._announced: tuple[str, ...] = ()

    async def unannounced(self, protocol: str) -> str:
        """Why no router has the route of this protocol; "" when one has."""
        said = await self._bird.ask(_SHOW_PROTOCOLS)
        if isinstance(said, Trouble):
            return said.words
        rows = [row for row in tables.protocol_rows(said) if row.kind == "BGP"]
        if not rows:
            return "BIRD has no BGP session: write a protocol bgp for each router in bird.conf"
        up = [row.name for row in rows if row.is_established][:SESSIONS_MAX]
        if not up:
            listed = ", ".join(f"{row.name}: {' '.join(row.info.split()) or row.state}" for row in rows[:SESSIONS_MAX])
            return f'no BGP session of BIRD\'s is up ({listed}): see birdc show protocols all "{rows[0].name}"'
        self._announced = tuple([name for name in up if await self._has(name, protocol)])
        if self._announced:
            return ""
        return (
            f"BIRD announces {self._prefix} to no router ({', '.join(up)}): let the export of their channel accept "
            f'what is from proto "{protocol}"'
        )

    async def _has(self, session: str, protocol: str) -> bool:
        said = await self._bird.ask(tables.show_exported_route(self._prefix, session))
        return isinstance(said, Reply) and tables.has_route_of(said, protocol)

    async def unguarded(self) -> str:
        """Which of the routers that have the route do without BFD, and what that means; "" for none."""
        said = await self._bird.ask(_SHOW_BFD)
        guarded = frozenset() if isinstance(said, Trouble) else tables.guarded_by_bfd(said)
        lacking = [f"{name} ({at})" for name in self._announced if (at := await self._neighbour(name)) not in guarded]
        if not lacking:
            return ""
        return (
            f"no BFD with {', '.join(lacking)}: a node that is killed or frozen keeps its route there for BGP's hold "
            "time; write bfd yes; in its protocol, protocol bfd {} beside it, and the same at the router"
        )

    async def _neighbour(self, session: str) -> str:
        said = await self._bird.ask(tables.show_protocol_all(session))
        return "" if isinstance(said, Trouble) else tables.neighbour_of(said)
