"""A listener that is told to go on while its forwarder is behind takes nobody."""

import socket

from lbmesh.forwarder.acceptor import Listener
from lbmesh.forwarder.engine import Engine
from lbmesh.observe.access_log import AccessLog
from tests.support.forwarders import a_view


def test_who_is_behind_goes_on_accepting_only_once_it_has_caught_up() -> None:
    engine = Engine(access_log=AccessLog("off"), random=lambda: 0.5, id_prefix=b"0" * 16, wall_clock=lambda: 0.0)
    for _ in engine.adopt(a_view([])):
        continue
    listening = socket.create_server(("127.0.0.1", 0))
    listener = Listener(engine, listening, 0)
    with socket.create_connection(listening.getsockname()):
        engine.overload.behind = True
        listener.resume()
        engine.reactor.drain()
        assert listener.accepted == 0
        engine.overload.behind = False
        listener.resume()
        engine.reactor.drain()
        assert listener.accepted == 1
    engine.reactor.drain()
    assert engine.counters.connections == 0
    listener.close()
    engine.reactor.close_all()
