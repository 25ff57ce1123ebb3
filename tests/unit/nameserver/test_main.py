"""A nameserver that no agent speaks to."""

import socket

import trio
import trio.testing

from lbmesh.control.processes import NAMESERVER_SLOT, NameserverOptions
from lbmesh.nameserver.limits import UNTOLD_S
from lbmesh.nameserver.main import Nameserver, everything
from lbmesh.observe.ticks import TickBoard
from tests.support.config_text import BASE, settings_of
from tests.support.dns_zone import CLIENT, query
from tests.unit.config.test_dns import ALL, FRONTS, LEAST

SHOP = query("shop.mesh.example.com").to_wire()
SERVFAIL, NOERROR = 2, 0


def test_it_sends_resolvers_away_first_and_then_publishes_all() -> None:
    sentinels, own = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    board = TickBoard.create()
    rcodes = []

    async def main() -> None:
        options = NameserverOptions(own.detach(), board.file_descriptor, -1, (), ())
        nameserver = Nameserver(options, everything(settings_of(BASE + FRONTS + LEAST)))

        async def ask() -> None:
            answer = nameserver.responder.respond(SHOP, CLIENT, 0.0, is_udp=True)
            assert answer is not None
            rcodes.append(answer[3] & 0xF)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(nameserver.run)
            await trio.sleep(UNTOLD_S - 0.01)
            await ask()
            await trio.sleep(0.02)
            await ask()
            nursery.cancel_scope.cancel()
        assert nameserver.responder.picture is not None
        assert {one.address for one in nameserver.responder.picture.addresses} == set(ALL)

    with sentinels:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert rcodes == [SERVFAIL, NOERROR]
    assert board.age_s(NAMESERVER_SLOT) is not None
    board.close()
