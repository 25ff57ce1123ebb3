"""A connection that is over leaves nothing behind for the garbage collector, which hardly ever runs in a forwarder."""

import gc
from time import monotonic

import pytest

from lbmesh.forwarder.client import ClientConnection
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.exchange import Exchange
from lbmesh.observe.access_log import AccessLog
from tests.support.forwarders import a_view
from tests.support.tcp_pair import tcp_pair

REQUESTS = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\n",
    "a bad head": b"GET\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a request, and close": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "half a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
}


@pytest.mark.parametrize("request_name", REQUESTS)
def test_it_is_freed_at_once(request_name: str) -> None:
    engine = Engine(access_log=AccessLog("off"), random=lambda: 0.5, id_prefix=b"0" * 16, wall_clock=lambda: 0.0)
    for _ in engine.adopt(a_view([])):
        continue
    assert engine.serving is not None
    there, here = tcp_pair()
    gc.collect()
    gc.disable()
    try:
        ClientConnection(engine, here, "127.0.0.1", engine.serving.listener(0))
        there.sendall(REQUESTS[request_name])
        engine.reactor.drain()
        there.close()
        engine.reactor.drain()
        assert engine.counters.connections == 0
        engine.wheel.expired(monotonic() + 60.0)  # the timers have looked at it, and let go of it
        left = [each for each in gc.get_objects() if isinstance(each, ClientConnection | Exchange)]
        assert left == []
    finally:
        gc.enable()
