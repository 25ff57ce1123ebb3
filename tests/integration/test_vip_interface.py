"""One front's interface at a node, on a real segment: what is heard on it, whatever becomes of it."""

import os
import shutil
import socket
from collections.abc import Iterator

import pytest
import trio

from lbmesh.drivers.kernel.kernel import Kernel
from lbmesh.drivers.vip.frames import BROADCAST, ETHER_ARP, Claim, Mark, announcement
from lbmesh.drivers.vip.interface import Interface
from lbmesh.drivers.vip.others import Others
from lbmesh.model.address import Address
from lbmesh.model.front import Front, VipDriver
from lbmesh_chaos.lab.kernel import in_network
from tests.support.segment import Segment, segment
from tests.support.wait import PATIENCE_S

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2")

FRONT, OTHER_MAC = "10.0.0.100", bytes.fromhex("020000000002")


@pytest.fixture
def place() -> Iterator[Segment]:
    with segment(2) as made:
        yield made


def test_a_node_that_holds_nothing_hears_again_after_its_interface_was_made_anew(place: Segment) -> None:
    listening, other = place.nodes
    with in_network(other.path):
        speaking = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)

    async def hear_before_and_after() -> None:
        kernel = Kernel()
        interface = Interface(FRONT, VipDriver("eth0", 32), kernel)
        heard, to_hear = trio.open_memory_channel[Claim](64)
        with trio.fail_after(2 * PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(interface.listen, heard.send)
                nursery.start_soon(_announce, speaking)
                assert (await to_hear.receive()).mac == OTHER_MAC
                place.plug_anew(listening)
                while to_hear.statistics().current_buffer_used:
                    to_hear.receive_nowait()
                assert (await to_hear.receive()).mac == OTHER_MAC
                nursery.cancel_scope.cancel()
        interface.close()
        kernel.close()

    with speaking, in_network(listening.path):
        trio.run(hear_before_and_after)


def test_an_answer_that_nobody_had_time_to_hear_is_heard_before_the_address_is_taken(place: Segment) -> None:
    """Nothing listens here meanwhile, as if the loop lagged."""
    asking, stranger = place.nodes
    stranger.run("ip", "address", "add", f"{FRONT}/24", "dev", "eth0")

    async def who_answers() -> str:
        kernel, options = Kernel(), VipDriver("eth0", 32)
        interface = Interface(FRONT, options, kernel)
        assert interface.open() == ""
        others = Others(Front(Address(FRONT, 80), "zone-1", driver=options), interface)
        found = await others.who_answers()
        interface.close()
        kernel.close()
        return found

    with in_network(asking.path):
        assert stranger.mac in trio.run(who_answers)


async def _announce(speaking: socket.socket) -> None:
    while True:
        speaking.sendto(announcement(FRONT, OTHER_MAC, Mark(0, 1, 1)), ("eth0", ETHER_ARP, 0, 0, BROADCAST))
        await trio.sleep(0.05)
