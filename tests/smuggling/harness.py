"""Puts clients, balancer, relay and origin in a row, and collects the accounts.

The origin's account is taken when every connection to it has ended by its own doing: then it has read all it will.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from lbmesh.model.traffic import Timeouts
from tests.smuggling.cases import Case
from tests.smuggling.client import Received, send_all
from tests.smuggling.judge import Accounts, Asked, asked
from tests.smuggling.origins import OriginServer
from tests.smuggling.relay import running_relay
from tests.support.forwarders import a_view, running_forwarder
from tests.support.wait import wait_for

TIMEOUTS = Timeouts(connect_s=10.0, response_s=20.0, idle_s=20.0)


def through_lbmesh(
    origin: OriginServer, cases: Sequence[Case], directory: Path, *, choice: random.Random | None = None
) -> Accounts:
    """Every case through a forwarder; the accounts are taken when all connections have ended."""
    mark = origin.mark()
    with (
        running_relay(origin.socket_path) as relay,
        running_forwarder(directory, a_view([relay.address], timeouts=TIMEOUTS)) as forwarder,
    ):
        received = send_all(cases, forwarder.address, choice=choice)
        wait_for(lambda: forwarder.latest_telemetry().connections == 0, "the end of every client's connection")
        forwarder.drain(5.0)
        assert forwarder.process.wait(30) == 0
        logged = forwarder.log_lines()
    return Accounts(received, logged, relay.streams(), origin.seen(mark))


def through_nothing(origin: OriginServer, cases: Sequence[Case]) -> tuple[list[Received], dict[str, tuple[Asked, ...]]]:
    """Every case through a proxy that does not read: what clients got, and by marker what the origin took it for."""
    mark = origin.mark()
    with running_relay(origin.socket_path) as relay:
        received = send_all(cases, relay.address)
    view: dict[str, list[Asked]] = defaultdict(list)
    for line in origin.seen(mark):
        if line["complete"]:
            view[str(line["marker"])].append(asked(line))
    return received, {marker: tuple(requests) for marker, requests in view.items()}
