"""A small cloud with three nodes' interfaces and one front, and what EC2 says of it."""

from dataclasses import replace
from math import inf

import trio

from lbmesh.drivers.ec2.caller import Caller
from lbmesh.drivers.ec2.driver import Ec2Fronts
from lbmesh.failover.orders import Acquire, Answer
from lbmesh.model.address import Address
from lbmesh.model.front import Ec2Driver, Front, FrontClass
from tests.support.ec2_cloud import Cloud

REGION = "eu-central-1"


class World:
    """A subnet with an interface each of lb-a1 and lb-b1 (addresses that this machine has), and one front."""

    def __init__(self, cloud: Cloud, caller: Caller, kind: str) -> None:
        import boto3  # An extra.

        self.cloud, self.caller = cloud, caller
        self.ec2 = boto3.client("ec2", region_name=REGION, endpoint_url=f"http://127.0.0.1:{cloud.moto_port}")
        vpc = self.ec2.create_vpc(CidrBlock="127.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="127.0.1.0/24")["Subnet"]["SubnetId"]
        self.own = self._interface("127.0.1.10")
        self.other = self._interface("127.0.1.20")
        self.third = self._interface("127.0.1.30")
        match kind:
            case "eipalloc":
                allocated = self.ec2.allocate_address(Domain="vpc")
                self.resource, address = allocated["AllocationId"], allocated["PublicIp"]
            case "subnet":
                self.resource, address = self.subnet, "127.0.1.50"
            case "subnet v6":
                self.resource, address = self.subnet, "2001:db8::50"
            case _:
                self.resource = self.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
                address = "192.0.2.9"
                for one in (self.own, self.other):
                    self.ec2.modify_network_interface_attribute(
                        NetworkInterfaceId=one, SourceDestCheck={"Value": False}
                    )
        interfaces = (("lb-a1", self.own), ("lb-b1", self.other), ("lb-c1", self.third))
        self.options = Ec2Driver(self.resource, REGION, cloud.url, interfaces)
        self.front = Front(Address(address, 80), "zone-a", front_class=FrontClass.EXCLUSIVE, driver=self.options)
        self.a1, self.b1, self.c1 = (Ec2Fronts(name, caller) for name in ("lb-a1", "lb-b1", "lb-c1"))

    def _interface(self, address: str) -> str:
        made = self.ec2.create_network_interface(SubnetId=self.subnet, PrivateIpAddress=address)
        name: str = made["NetworkInterface"]["NetworkInterfaceId"]
        return name

    def more_fronts(self, count: int) -> list[Front]:
        """So many with elastic addresses, and a private address for each on lb-a1's interface."""
        privates = [f"127.0.1.{100 + number}" for number in range(count)]
        self.ec2.assign_private_ip_addresses(NetworkInterfaceId=self.own, PrivateIpAddresses=privates)
        allocated = [self.ec2.allocate_address(Domain="vpc") for _ in range(count)]
        return [
            Front(
                Address(one["PublicIp"], 80),
                "zone-a",
                front_class=FrontClass.EXCLUSIVE,
                driver=replace(self.options, resource=one["AllocationId"]),
            )
            for one in allocated
        ]

    def led_here(self) -> set[str]:
        """The elastic addresses that are led to lb-a1's interface."""
        listed = self.ec2.describe_addresses()["Addresses"]
        return {one["PublicIp"] for one in listed if one.get("NetworkInterfaceId") == self.own}

    def order(self, epoch: int, until_s: float = inf, front: Front | None = None) -> Acquire:
        return Acquire(front or self.front, epoch, "why", epoch, ask_first=True, until_s=until_s)

    def acquire(self, epoch: int, until_s: float = inf, by: Ec2Fronts | None = None) -> Answer:
        outcome: list[Answer] = []

        async def run() -> None:
            outcome.append(await (by or self.a1).acquire(self.order(epoch, until_s)))

        trio.run(run)
        return outcome[0]

    def holder(self) -> str:
        """The interface that the front is led to, as moto says."""
        address = self.front.name
        if self.resource.startswith("eipalloc"):
            (found,) = self.ec2.describe_addresses(AllocationIds=[self.resource])["Addresses"]
            return found.get("NetworkInterfaceId") or ""
        if self.resource.startswith("rtb"):
            (table,) = self.ec2.describe_route_tables(RouteTableIds=[self.resource])["RouteTables"]
            routes = [one for one in table["Routes"] if one["DestinationCidrBlock"] == f"{address}/32"]
            return routes[0]["NetworkInterfaceId"] if routes else ""
        listed = self.ec2.describe_network_interfaces(NetworkInterfaceIds=[self.own, self.other])
        held = [one["NetworkInterfaceId"] for one in listed["NetworkInterfaces"] if address in str(one)]
        assert len(held) < 2, "it is in two places"
        return held[0] if held else ""

    def tag(self) -> str:
        """What the tag says."""
        listed = self.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [self.resource]}])["Tags"]
        values = [one["Value"] for one in listed if one["Key"].startswith("lbmesh:epoch")]
        return values[0] if values else ""
