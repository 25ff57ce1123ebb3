"""Letting go of a listener."""

import socket

import pytest

from lbmesh_chaos.load.closing import begin_no_more


def test_who_has_connected_is_taken_and_nobody_more_is_heard() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        with socket.create_connection(address):
            begin_no_more(listening)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.2)
            taken, _ = listening.accept()
            taken.close()
