"""The tables in BIRD's replies, as far as fronts need them, and the commands that bring them. Pure."""

from dataclasses import dataclass

from lbmesh.drivers.bgp.replies import Reply

NO_SUCH_PROTOCOL = 8003
_PROTOCOLS, _ROUTES, _DETAILS, _BFD_SESSIONS = 1002, 1007, 1006, 1020
_COLUMNS = 4
_NEIGHBOUR = "Neighbor address:"


@dataclass(frozen=True, slots=True)
class ProtocolRow:
    """One line of "show protocols". `kind`: such as "Static"; `state`: up, start, stop or down; `info`: all that
    follows, of BGP such as "Established" or "Active        Socket: Connection refused".
    """

    name: str
    kind: str
    state: str
    info: str

    @property
    def is_static(self) -> bool:
        """Is it of the kind that has a front's route?"""
        return self.kind == "Static"

    @property
    def is_established(self) -> bool:
        """Is it a BGP session over which routes pass? Of BGP, BIRD calls nothing else up."""
        return self.kind == "BGP" and self.state == "up"


def show_protocol(name: str) -> str:
    """The line of one protocol."""
    return f'show protocols "{name}"'


def show_protocol_all(name: str) -> str:
    """All about one protocol."""
    return f'show protocols all "{name}"'


def show_own_route(prefix: str, protocol: str) -> str:
    """The route to this network that the protocol brings."""
    return f"show route {prefix} protocol '{protocol}'"


def show_exported_route(prefix: str, session: str) -> str:
    """The route to this network as it passes the filter to this session; a fault while that is down."""
    return f"show route {prefix} export '{session}'"


def enable(protocol: str) -> str:
    """Start it."""
    return f'enable "{protocol}"'


def disable(protocol: str) -> str:
    """Stop it."""
    return f'disable "{protocol}"'


def protocol_rows(reply: Reply) -> tuple[ProtocolRow, ...]:
    """All protocols that are shown, in BIRD's order."""
    rows = []
    for line in reply.under(_PROTOCOLS):
        words = line.rstrip().split(maxsplit=_COLUMNS)
        if len(words) >= _COLUMNS:
            rows.append(ProtocolRow(words[0], words[1], words[3], words[_COLUMNS] if len(words) > _COLUMNS else ""))
    return tuple(rows)


def has_route_of(reply: Reply, protocol: str) -> bool:
    """Is a route of this protocol's among those that are shown?"""
    return any(f"[{protocol} " in line for line in reply.under(_ROUTES))


def neighbour_of(reply: Reply) -> str:
    """The address of a BGP session's other end; "" if that is not shown."""
    found = (line.partition(_NEIGHBOUR)[2].strip() for line in reply.under(_DETAILS) if _NEIGHBOUR in line)
    return next(found, "").partition("%")[0]


def guarded_by_bfd(reply: Reply) -> frozenset[str]:
    """The neighbours with whom a session of "show bfd sessions" is up."""
    rows = (line.split() for line in reply.under(_BFD_SESSIONS))
    return frozenset(row[0].partition("%")[0] for row in rows if "Up" in row[2:3])
