"""How soon a survivor leads a dead node's front to itself by EC2's API: run `python -m tests.bench.ec2`.

Three nodes on loopback, one a zone, with one elastic address; EC2 is moto's server, which answers in some milliseconds,
and between them a proxy that is slow, fails or lies. Each round kills or stops the holder. Milliseconds from the fault,
median and worst: until the first call arrives (the votes have lapsed, and are another's), until EC2 leads the address
to the survivor, and until the survivor says that it holds it. What a real cloud takes for a call is not in it.
"""

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.ec2_cloud import Cloud, Fault, Fields, Reply, error, running_cloud, success
from tests.support.nodes import Node
from tests.support.origins import answering, running_origin
from tests.support.wait import wait_for

REGION = "eu-central-1"
SLOW_S, FAILS_S = 2.0, 5.0
ROUND_S = 90.0
QUIET_S = 3.0
"""In which, too, who votes hears of a mesh that is whole again."""

LIE = "<return>true</return><associationId>eipassoc-0123456789abcdef0</associationId>"


def _no_fault() -> Fault:
    return lambda _: None


def _slow() -> Fault:
    def wait(_: Fields) -> None:
        time.sleep(SLOW_S)

    return wait


def _fails_for_a_while() -> Fault:
    """From the first call on."""
    until_s: list[float] = []

    def fail(_: Fields) -> Reply | None:
        until_s.append(time.monotonic() + FAILS_S)
        return error("ServiceUnavailable", 503) if time.monotonic() < until_s[0] else None

    return fail


def _lies_once() -> Fault:
    """The first association is said to be done, and is not."""
    told: list[Fields] = []

    def lie(fields: Fields) -> Reply | None:
        if fields["Action"] != "AssociateAddress" or told:
            return None
        told.append(fields)
        return success("AssociateAddress", LIE)

    return lie


@dataclass(frozen=True, slots=True)
class Scenario:
    """`rounds`: the share of those asked for, as some take long."""

    name: str
    signal: signal.Signals
    fault: Callable[[], Fault]
    share: float = 1.0


SCENARIOS = (
    Scenario("killed", signal.SIGKILL, _no_fault),
    Scenario("stopped", signal.SIGSTOP, _no_fault),
    Scenario(f"killed, EC2 takes {SLOW_S:g} s a call", signal.SIGKILL, _slow, 0.7),
    Scenario(f"killed, EC2 says 503 for {FAILS_S:g} s", signal.SIGKILL, _fails_for_a_while, 0.7),
    Scenario("killed, EC2 lies once", signal.SIGKILL, _lies_once, 0.7),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds from the fault. `calls`: how many it took."""

    called_ms: float
    led_ms: float
    held_ms: float
    calls: int


@dataclass(slots=True)
class World:
    """`nodes` by name, and the front, which leads to the interface of one of them."""

    cloud: Cloud
    ec2: Any
    allocation: str
    address: str
    interfaces: dict[str, str]
    nodes: dict[str, Node] = field(default_factory=dict)

    def led_to(self) -> str:
        """The node, as EC2 says; "" for none."""
        (found,) = self.ec2.describe_addresses(AllocationIds=[self.allocation])["Addresses"]
        by_interface = {interface: name for name, interface in self.interfaces.items()}
        return by_interface.get(found.get("NetworkInterfaceId") or "", "")

    def is_held_by(self, name: str) -> bool:
        """Does that node say so?"""
        return any(one["state"] == "held" for one in self.nodes[name].state().get("fronts", ()))


@contextmanager
def running_world(directory: Path) -> Iterator[World]:
    """A mesh whose front is held."""
    import boto3  # An extra.

    with running_cloud() as cloud, running_origin(answering()) as origin:
        ec2 = boto3.client("ec2", region_name=REGION, endpoint_url=f"http://127.0.0.1:{cloud.moto_port}")
        vpc = ec2.create_vpc(CidrBlock="127.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="127.0.1.0/24")["Subnet"]["SubnetId"]
        allocated = ec2.allocate_address(Domain="vpc")
        interfaces = {}
        for number, zone in enumerate("abc", 10):
            made = ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=f"127.0.1.{number}")
            interfaces[f"lb-{zone}1"] = made["NetworkInterface"]["NetworkInterfaceId"]
        world = World(cloud, ec2, allocated["AllocationId"], allocated["PublicIp"], interfaces)
        try:
            for zone in "abc":
                node = Node(directory, f"lb-{zone}1", f"zone-{zone}", [(origin.address, "zone-a")])
                world.nodes[node.name] = node
            for node in world.nodes.values():
                node.seeds = tuple(one.gossip_address for one in world.nodes.values() if one is not node)
                node.write_config(_front(world))
                node.start()
            wait_whole(world)
            wait_for(lambda: (name := world.led_to()) and world.is_held_by(name), "a holder")
            yield world
        finally:
            for node in world.nodes.values():
                node.clean_up()


def _front(world: World) -> str:
    interfaces = ", ".join(f'{name} = "{interface}"' for name, interface in world.interfaces.items())
    return f"""
[failover.zones]
zone-a = ["lb-a1"]
zone-b = ["lb-b1"]
zone-c = ["lb-c1"]
[[front]]
address = "{world.address}"
zone = "zone-a"
driver = "ec2"
hold_down = "10m"
[front.options]
resource = "{world.allocation}"
region = "{REGION}"
endpoint = "{world.cloud.url}"
interfaces = {{ {interfaces} }}
"""


def wait_whole(world: World) -> None:
    """Until each sees all."""
    for node in world.nodes.values():
        node.wait_all_alive(world.nodes)


def _wait_quiet(world: World) -> None:
    """Until nobody calls EC2: who starts looks whether it could take the front, and the holder looks every 10 s."""
    heard_s = [time.monotonic()]

    def note(_: Fields) -> None:
        heard_s.append(time.monotonic())

    world.cloud.faults["*"] = note
    wait_for(lambda: time.monotonic() > heard_s[-1] + QUIET_S, "nobody to call")


def one_round(world: World, scenario: Scenario) -> Taken:
    """Who holds it dies; when it is another's, that one is started again."""
    holder = world.led_to()
    _wait_quiet(world)
    fault, called_s = scenario.fault(), list[float]()

    def note(fields: Fields) -> Reply | None:
        called_s.append(time.monotonic())
        return fault(fields)

    world.cloud.faults["*"] = note
    world.nodes[holder].signal_all(scenario.signal)
    began_s = time.monotonic()
    heir = wait_for(lambda: (name := world.led_to()) != holder and name, "the address elsewhere", ROUND_S)
    led_s = time.monotonic()
    wait_for(lambda: world.is_held_by(heir), "a holder", ROUND_S)
    held_s = time.monotonic()
    world.cloud.faults.clear()
    first_ms, led_ms, held_ms = (1e3 * (one - began_s) for one in (called_s[0], led_s, held_s))
    taken = Taken(first_ms, led_ms, held_ms, len(called_s))
    node = world.nodes[holder]
    node.signal_all(signal.SIGCONT)
    node.signal_all(signal.SIGKILL)
    assert node.process is not None
    node.process.wait(30)
    node.start()
    wait_whole(world)
    return taken


def table(rows: Sequence[tuple[str, Sequence[Taken]]]) -> str:
    """In Markdown."""
    lines = [
        "| the holder is | rounds | first call, ms | led to the survivor, ms | held there, ms | calls |",
        "|---|---|---|---|---|---|",
    ]
    for name, rounds in rows:
        spans = [
            f"{statistics.median(one):.0f}, {max(one):.0f}"
            for one in zip(*((each.called_ms, each.led_ms, each.held_ms) for each in rounds), strict=True)
        ]
        calls = f"{statistics.median(one.calls for one in rounds):.0f}"
        lines.append(f"| {name} | {len(rounds)} | {' | '.join(spans)} | {calls} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.ec2", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each; with an EC2 that is ill two thirds of it")
    parser.add_argument("--only", default="", metavar="TEXT", help="only those with this in their name")
    order = parser.parse_args()
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    rows = []
    with tempfile.TemporaryDirectory() as directory, running_world(Path(directory)) as world:
        for scenario in SCENARIOS:
            if order.only in scenario.name:
                rounds = []
                for _ in range(max(1, round(order.rounds * scenario.share))):
                    rounds.append(one_round(world, scenario))
                    print(scenario.name, rounds[-1], file=sys.stderr, flush=True)
                rows.append((scenario.name, rounds))
    print(table(rows))


if __name__ == "__main__":
    main()
