"""The links inside the agent: a forwarder that does not read makes nothing pile up."""

import random
import socket
from dataclasses import replace
from time import monotonic

import trio
import trio.testing

from lbmesh.agent.forwarder_links import ForwarderLinks
from lbmesh.agent.hub import Hub
from lbmesh.control.plane import Plane
from lbmesh.control.view_codec import ViewDecoder
from lbmesh.model.limits import ForwarderLimits
from lbmesh.model.view import View
from tests.support.planes import settings, shop

VIEWS = 50


def test_a_forwarder_that_does_not_read_gets_the_newest_view_and_few_before_it() -> None:
    big = settings(*(shop(50, None, name=f"service-{number}") for number in range(40)))
    plane = Plane(big, generation=1, gossip=None, rng=random.Random(1), now=monotonic())
    hub = Hub(plane)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    async def scenario() -> list[View]:
        async with trio.open_nursery() as nursery:
            links = ForwarderLinks(hub, nursery)
            hub.do(plane.start(monotonic()))
            links.add(0, 1, theirs.detach())
            for number in range(VIEWS):
                changed = replace(big, limits=ForwarderLimits(connections_max=number + 1))
                hub.do(plane.reload(changed, (), monotonic()))
                await trio.testing.wait_all_tasks_blocked()
            received = await read_until_newest()
            nursery.cancel_scope.cancel()
        return received

    async def read_until_newest() -> list[View]:
        decoder, unread = ViewDecoder(), b""
        views: list[View] = []
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        with trio.fail_after(30):
            while not views or views[-1].limits.connections_max != VIEWS:
                *lines, unread = (unread + await stream.receive_some(65536)).split(b"\n")
                views += [view for line in lines if (view := decoder.feed(line))]
        await stream.aclose()
        return views

    views = trio.run(scenario)
    assert len(views) <= 3, "the first, at most one more, and the newest"
    assert [view.version for view in views] == sorted({view.version for view in views})
