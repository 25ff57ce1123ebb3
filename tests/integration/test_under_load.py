"""Reloads and drains while clients ask without pause: not one request is refused, broken or answered with an error.

The requests are POSTs, which nobody may repeat: neither the balancer nor the client hides a failure.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.load import Load, under_load
from tests.support.nodes import Node
from tests.support.origins import Origin, OriginConnection, running_origin
from tests.support.wait import wait_for

pytestmark = pytest.mark.alone

RELOADS = 20
DRAINS = 3


def answer(connection: OriginConnection) -> None:
    """Health checks and the clients' posts."""
    while head := connection.read_head():
        if head.startswith(b"POST "):
            connection.read_exactly(1)
        connection.answer()


@contextmanager
def running_node(directory: Path, origins: list[Origin]) -> Iterator[Node]:
    node = Node(directory, "lb-a1", "zone-a", [(origin.address, "zone-a") for origin in origins], workers=2)
    try:
        node.start()
        for origin in origins:
            node.wait_availability(origin.address, "up")
        yield node
    finally:
        node.clean_up()


def goes_on(load: Load) -> None:
    """Until some more requests were answered."""
    before = load.answered
    wait_for(lambda: load.answered >= before + 20 or load.failures, "answers")


def test_no_request_fails_while_the_configuration_is_reloaded(tmp_path: Path) -> None:
    with ExitStack() as stack:
        origins = [stack.enter_context(running_origin(answer)) for _ in range(3)]
        node = stack.enter_context(running_node(tmp_path, origins))
        everything = list(node.replicas)
        with under_load(node.address) as load:
            for number in range(RELOADS):
                node.replicas = everything[number % 3 :] if number % 2 else everything
                node.write_config()
                node.reload()
                goes_on(load)
        assert load.failures == []


def test_no_request_fails_while_a_node_drains_and_its_successor_starts(tmp_path: Path) -> None:
    """The sockets stay open, as the service manager keeps them: what comes between the two waits in the kernel."""
    with ExitStack() as stack:
        origins = [stack.enter_context(running_origin(answer)) for _ in range(2)]
        node = stack.enter_context(running_node(tmp_path, origins))
        with under_load(node.address) as load:
            for _ in range(DRAINS):
                goes_on(load)
                assert node.end() == 0
                node.start()
            goes_on(load)
        assert load.failures == []
