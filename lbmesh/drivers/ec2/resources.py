"""What leads a front to an interface in EC2, of three kinds: how it is looked at, and how it is moved.

A move names what was seen, so that one whose time is over moves nothing: an elastic address is taken from the very
association that was seen, whose id is never used again, and given only if it has no other by then; a private address is
taken from the interface that was seen, and given only if no other has it. Routes know no such thing: there the last
call wins, and the holder finds out when it looks next.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from lbmesh.drivers.ec2.api import Answer, Api, Urgency
from lbmesh.drivers.ec2.choices import Choices
from lbmesh.drivers.ec2.device import is_local
from lbmesh.drivers.ec2.errors import Ec2Error, Fault
from lbmesh.drivers.ec2.limits import TAG
from lbmesh.failover.claims import EPOCH_MAX
from lbmesh.model.front import Ec2Driver, Ec2Kind, Front

_NODE_CHARACTERS_MAX = 63


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest claim, as the tag of the resource has it: "57 lb-b1"."""

    epoch: int
    node: str

    def __str__(self) -> str:
        return f"{self.epoch} {self.node}"

    def outdates(self, other: "Mark") -> bool:
        """Is it another node's, and no older?"""
        return self.epoch > other.epoch or (self.epoch == other.epoch and self.node != other.node)


@dataclass(frozen=True, slots=True)
class Seen:
    """`holder`: the id of the interface that the front leads to, or of whatever else; "" for none. `association`: what
    leads it there, "" for nothing. `mark`: None for none that can be read.
    """

    holder: str
    association: str
    mark: Mark | None


May = Callable[[], None]
"""Raises Ec2Error when the right to move anything has lapsed."""


class Resource(Protocol):
    """One front's."""

    async def look(self, urgency: Urgency = Urgency.ORDER) -> Seen:
        """As EC2 shows it now. Raises Ec2Error."""

    async def sign(self, mark: Mark) -> None:
        """Write who claims it. Raises Ec2Error."""

    async def lead(self, seen: Seen, own: str, may: May) -> None:
        """Lead the front from where it was seen to the interface `own`. Raises Ec2Error."""


def resource_of(front: Front, api: Api, choices: Choices) -> Resource:
    """The front's, by the kind of its id. `choices`: shared by all of the node."""
    assert isinstance(front.driver, Ec2Driver)
    match front.driver.kind:
        case Ec2Kind.ELASTIC:
            return Elastic(front.name, front.driver.resource, api, choices)
        case Ec2Kind.PRIVATE:
            return Private(front.name, front.driver.resource, api)
        case Ec2Kind.ROUTE:
            return Route(front.name, front.driver.resource, api)


class Elastic:
    """The allocation of an elastic address."""

    def __init__(self, address: str, allocation: str, api: Api, choices: Choices) -> None:
        self._address = address
        self._allocation = allocation
        self._api = api
        self._choices = choices

    async def look(self, urgency: Urgency = Urgency.ORDER) -> Seen:
        answer = await self._api.call("describe_addresses", urgency, AllocationIds=[self._allocation])
        found = _only(answer, "Addresses", self._allocation)
        if (public := _text(found, "PublicIp")) != self._address:
            raise Ec2Error(f"{self._allocation} is {public}, not {self._address}: correct options.resource")
        holder = _text(found, "NetworkInterfaceId") or _text(found, "InstanceId")
        return Seen(holder, _text(found, "AssociationId"), _mark(found, TAG))

    async def sign(self, mark: Mark) -> None:
        await _sign(self._api, self._allocation, TAG, mark)

    async def lead(self, seen: Seen, own: str, may: May) -> None:
        private = await self._free_address(own)
        self._choices.begin(private)
        try:
            await self._lead_to(private, seen, own, may)
        finally:
            self._choices.end(private, monotonic())

    async def _lead_to(self, private: str, seen: Seen, own: str, may: May) -> None:
        if seen.association:
            may()
            await self._api.call("disassociate_address", Urgency.ORDER, 2, AssociationId=seen.association)
        may()
        await self._api.call(
            "associate_address",
            Urgency.ORDER,
            0 if seen.association else 1,
            AllocationId=self._allocation,
            NetworkInterfaceId=own,
            PrivateIpAddress=private,
            AllowReassociation=False,
        )

    async def _free_address(self, own: str) -> str:
        """A private address that has no elastic one: EC2 would take that away. The first one comes last, as the node's
        own traffic goes by it.
        """
        looked_s = monotonic()
        listed = _dicts(await _interface(self._api, own), "PrivateIpAddresses")
        free = [
            one
            for one in listed
            if not _text(_dict(one, "Association"), "AllocationId")
            and self._choices.is_free(_text(one, "PrivateIpAddress"), looked_s)
        ]
        free.sort(key=lambda one: (bool(one.get("Primary")), bool(one.get("Association"))))
        if not free:
            raise Ec2Error(
                f"all private addresses of {own} have elastic ones: aws ec2 assign-private-ip-addresses "
                f"--network-interface-id {own} --secondary-private-ip-address-count 1, and add it to the machine"
            )
        local = next((text for one in free if is_local(text := _text(one, "PrivateIpAddress"))), "")
        if not local:
            raise Ec2Error(
                f"this machine has not {_text(free[0], 'PrivateIpAddress')}, a private address of {own}: add it with "
                "the system's network settings"
            )
        return local


class Private:
    """A subnet, of whose interfaces one has the front as a secondary private address."""

    def __init__(self, address: str, subnet: str, api: Api) -> None:
        self._address = address
        self._subnet = subnet
        self._api = api
        self._is_v6 = ":" in address
        self._tag = f"{TAG}/{address}"

    async def look(self, urgency: Urgency = Urgency.ORDER) -> Seen:
        answer = await self._api.call("describe_subnets", urgency, SubnetIds=[self._subnet])
        subnet = _only(answer, "Subnets", self._subnet)
        by = "ipv6-addresses.ipv6-address" if self._is_v6 else "addresses.private-ip-address"
        filters = [{"Name": "subnet-id", "Values": [self._subnet]}, {"Name": by, "Values": [self._address]}]
        answer = await self._api.call("describe_network_interfaces", urgency, Filters=filters)
        holders = _dicts(answer, "NetworkInterfaces")
        holder = _text(holders[0], "NetworkInterfaceId") if holders else ""
        if holder and _text(holders[0], "PrivateIpAddress") == self._address:
            raise Ec2Error(f"{self._address} is the first address of {holder}, which cannot move: use another")
        return Seen(holder, holder, _mark(subnet, self._tag))

    async def sign(self, mark: Mark) -> None:
        await _sign(self._api, self._subnet, self._tag, mark)

    async def lead(self, seen: Seen, own: str, may: May) -> None:
        mine = await _interface(self._api, own)
        if (subnet := _text(mine, "SubnetId")) != self._subnet:
            raise Ec2Error(f"{own} is in {subnet}, not in {self._subnet}: write one of that in options.interfaces")
        if seen.association:
            may()
            await self._unassign(seen.association)
        may()
        counted = 0 if seen.association else 1
        if self._is_v6:
            await self._api.call(
                "assign_ipv6_addresses",
                Urgency.ORDER,
                counted,
                NetworkInterfaceId=own,
                Ipv6Addresses=[self._address],
            )
        else:
            await self._api.call(
                "assign_private_ip_addresses",
                Urgency.ORDER,
                counted,
                NetworkInterfaceId=own,
                PrivateIpAddresses=[self._address],
                AllowReassignment=False,
            )

    async def _unassign(self, interface: str) -> None:
        if self._is_v6:
            action, key = "unassign_ipv6_addresses", "Ipv6Addresses"
        else:
            action, key = "unassign_private_ip_addresses", "PrivateIpAddresses"
        where: dict[str, object] = {"NetworkInterfaceId": interface, key: [self._address]}
        await self._api.call(action, Urgency.ORDER, 2, **where)


class Route:
    """A route table with a route for the front alone."""

    def __init__(self, address: str, table: str, api: Api) -> None:
        self._table = table
        self._api = api
        self._tag = f"{TAG}/{address}"
        is_v6 = ":" in address
        self._key = "DestinationIpv6CidrBlock" if is_v6 else "DestinationCidrBlock"
        self._network = str(ipaddress.ip_network(address))

    async def look(self, urgency: Urgency = Urgency.ORDER) -> Seen:
        answer = await self._api.call("describe_route_tables", urgency, RouteTableIds=[self._table])
        table = _only(answer, "RouteTables", self._table)
        route = next((one for one in _dicts(table, "Routes") if one.get(self._key) == self._network), {})
        targets = (_text(route, key) for key in ("NetworkInterfaceId", "InstanceId", "GatewayId", "NatGatewayId"))
        return Seen(next(filter(None, targets), ""), self._network if route else "", _mark(table, self._tag))

    async def sign(self, mark: Mark) -> None:
        await _sign(self._api, self._table, self._tag, mark)

    async def lead(self, seen: Seen, own: str, may: May) -> None:
        if (await _interface(self._api, own)).get("SourceDestCheck"):
            raise Ec2Error(
                f"{own} drops what is not for its own addresses: aws ec2 modify-network-interface-attribute "
                f"--network-interface-id {own} --no-source-dest-check"
            )
        may()
        where: dict[str, object] = {"RouteTableId": self._table, self._key: self._network, "NetworkInterfaceId": own}
        if seen.association:
            await self._api.call("replace_route", **where)
        else:
            await self._api.call("create_route", **where)


async def _interface(api: Api, own: str) -> Answer:
    answer = await api.call("describe_network_interfaces", NetworkInterfaceIds=[own])
    return _only(answer, "NetworkInterfaces", own)


async def _sign(api: Api, resource: str, key: str, mark: Mark) -> None:
    tags = [{"Key": key, "Value": str(mark)}]
    await api.call("create_tags", Resources=[resource], Tags=tags)


# What EC2 answers is not believed to have the shape that it should have.


def _only(answer: Answer, key: str, about: str) -> Mapping[str, Any]:
    found = _dicts(answer, key)
    if len(found) != 1:
        raise Ec2Error(f"EC2 told of {len(found)} when it was asked about {about}", Fault.ILL)
    return found[0]


def _dicts(answer: Answer, key: str) -> list[Mapping[str, Any]]:
    listed = answer.get(key)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _dict(answer: Answer, key: str) -> Mapping[str, Any]:
    found = answer.get(key)
    return found if isinstance(found, dict) else {}


def _text(answer: Answer, key: str) -> str:
    found = answer.get(key)
    return found if isinstance(found, str) else ""


def _mark(tagged: Answer, key: str) -> Mark | None:
    """The tag's; None when there is none, or somebody has written something else there."""
    tags: Iterable[Mapping[str, Any]] = _dicts(tagged, "Tags")
    value = next((_text(one, "Value") for one in tags if one.get("Key") == key), "")
    number, _, node = value.partition(" ")
    if not (number.isascii() and number.isdecimal() and len(number) <= 16) or int(number) >= EPOCH_MAX:
        return None
    return Mark(int(number), node[:_NODE_CHARACTERS_MAX])
