"""Choosing ports on real loopback addresses."""

import socket

import pytest

from lbmesh.dev.failure import CannotRunError
from lbmesh.dev.ports import PortChooser
from lbmesh.dev.world import Transport

HOST = "127.0.9.9"


@pytest.mark.parametrize("transport", list(Transport))
def test_the_wanted_port_when_it_is_free_else_another(transport: Transport) -> None:
    with PortChooser() as ports:
        free = ports.choose(HOST, 0, transport)
    with PortChooser() as ports:
        assert ports.choose(HOST, free, transport) == free
        assert ports.choose(HOST, free, transport) != free


def test_a_port_that_somebody_serves_is_not_chosen() -> None:
    with socket.create_server((HOST, 0)) as served, PortChooser() as ports:
        port = served.getsockname()[1]

        assert ports.choose(HOST, port, Transport.TCP) != port


def test_the_ports_are_given_back() -> None:
    with PortChooser() as ports:
        chosen = ports.choose(HOST, 0, Transport.TCP)

    socket.create_server((HOST, chosen)).close()


def test_an_address_that_this_machine_lacks_is_told() -> None:
    with PortChooser() as ports, pytest.raises(CannotRunError, match=r"192\.0\.2\.1 cannot be used"):
        ports.choose("192.0.2.1", 0, Transport.TCP)
