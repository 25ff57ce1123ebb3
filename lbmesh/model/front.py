"""A front: an address that clients use, where it is at home, and how it is moved."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lbmesh.model.address import Address

HOLD_DOWN_S = 30.0
COMMAND_TIMEOUT_S = 10.0
COMMAND_CHECK_S = 10.0
BIRD_SOCKET = Path("/run/bird/bird.ctl")


class FrontClass(StrEnum):
    """What two holders at one time would cost: OVERLAP some flows, so that it may be taken over at once; EXCLUSIVE
    more than that, so that it needs a majority of zones and a lease.
    """

    OVERLAP = "overlap"
    EXCLUSIVE = "exclusive"


class DriverKind(StrEnum):
    """What moves a front. The names are the configuration's."""

    VIP = "vip"
    BGP = "bgp"
    EC2 = "ec2"
    COMMAND = "command"
    NONE = "none"


class Ec2Kind(StrEnum):
    """What leads an address to a node in EC2, by how ids of it begin: the allocation of an elastic address; a subnet,
    of whose interfaces one has the front as a secondary private address; a route table with a route for the front.
    """

    ELASTIC = "eipalloc"
    PRIVATE = "subnet"
    ROUTE = "rtb"


@dataclass(frozen=True, slots=True)
class VipDriver:
    """An address on an interface of a shared L2, told by gratuitous ARP (RFC 5227) or unsolicited NA (RFC 4861, 7.2.6).
    `prefix_length`: the address's on the interface.
    """

    interface: str
    prefix_length: int


@dataclass(frozen=True, slots=True)
class BgpDriver:
    """A route that BIRD announces while its `protocol`, a static one, is enabled over the control `socket`. `prefix`:
    the network that holds the front. `takeover`: a second protocol with the same route, which routers prefer; it is
    enabled in place of the first where the front is not at home.
    """

    protocol: str
    prefix: str
    socket: Path = BIRD_SOCKET
    takeover: str | None = None

    @property
    def protocols(self) -> tuple[str, ...]:
        """All that are this front's."""
        return (self.protocol, self.takeover) if self.takeover else (self.protocol,)


@dataclass(frozen=True, slots=True)
class Ec2Driver:
    """Calls to EC2 that lead the front to this node's interface by `resource`, the id of an elastic address's
    allocation, a subnet or a route table. `region`, `endpoint` (a URL): None for what boto3 finds. `interfaces`: (node,
    id of its interface), for nodes that shall not ask the instance metadata. `device`: the kernel's interface on which
    the address is put while it is led here; None when somebody else does that.
    """

    resource: str
    region: str | None = None
    endpoint: str | None = None
    interfaces: tuple[tuple[str, str], ...] = ()
    device: str | None = None

    @property
    def kind(self) -> Ec2Kind:
        """What sort of thing the resource is."""
        return Ec2Kind(self.resource.partition("-")[0])


@dataclass(frozen=True, slots=True)
class CommandDriver:
    """A program that is run with a verb, the address and the epoch (docs/FRONTS-CLOUD.md); exit status 0 within
    `timeout_s` is success. `check_s`: between two questions whether the front is still led here, 0 for none.
    """

    run: Path
    timeout_s: float = COMMAND_TIMEOUT_S
    check_s: float = COMMAND_CHECK_S


@dataclass(frozen=True, slots=True)
class NoDriver:
    """Nothing moves: the answers of the mesh's DNS name whom clients should ask."""


Driver = VipDriver | BgpDriver | Ec2Driver | CommandDriver | NoDriver

KINDS: dict[type[Driver], DriverKind] = {
    VipDriver: DriverKind.VIP,
    BgpDriver: DriverKind.BGP,
    Ec2Driver: DriverKind.EC2,
    CommandDriver: DriverKind.COMMAND,
    NoDriver: DriverKind.NONE,
}

CLASS_OF: dict[DriverKind, FrontClass] = {
    DriverKind.VIP: FrontClass.OVERLAP,
    DriverKind.BGP: FrontClass.OVERLAP,
    DriverKind.NONE: FrontClass.OVERLAP,
    DriverKind.EC2: FrontClass.EXCLUSIVE,
    DriverKind.COMMAND: FrontClass.EXCLUSIVE,
}
"""What a driver's fronts are unless the configuration says otherwise."""


@dataclass(frozen=True, slots=True)
class Front:
    """`address`: with the port on which it answers HTTP. `zone`: its home, whose nodes hold it while one lives. `node`:
    the node that holds it while that one lives; None for a front that no node is preferred for. `hold_down_s`: a better
    home must have lived for so long before the front returns there. `weight`: of several fronts that may move one at a
    time only, the heaviest moves first.
    """

    address: Address
    zone: str
    node: str | None = None
    front_class: FrontClass = FrontClass.OVERLAP
    driver: Driver = NoDriver()
    hold_down_s: float = HOLD_DOWN_S
    weight: int = 1

    @property
    def name(self) -> str:
        """Its address without the port: what rows, the log and operators call it."""
        return self.address.host

    @property
    def is_exclusive(self) -> bool:
        """True when it must never have two holders."""
        return self.front_class is FrontClass.EXCLUSIVE
