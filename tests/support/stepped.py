"""A forwarder's engine in the test's own process, on real sockets: nothing moves but when the test steps it.

So a test can say what had not happened by the time that something else had, without waiting for either.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from time import monotonic

from lbmesh.forwarder.client import ClientConnection
from lbmesh.forwarder.engine import Engine
from lbmesh.forwarder.reactor import PAUSE_S, Reactor
from lbmesh.forwarder.replica_state import ReplicaState
from lbmesh.forwarder.service_state import ServiceState
from lbmesh.forwarder.tunnel import RESET_ON_CLOSE
from lbmesh.model.address import Address
from lbmesh.model.health import Availability
from lbmesh.model.traffic import TrafficPolicy
from lbmesh.model.view import View, ViewVersion
from lbmesh.observe.access_log import AccessLog
from tests.support.forwarders import a_view
from tests.support.tcp_pair import tcp_pair
from tests.support.wait import PATIENCE_S

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


class Peer:
    """One end of a connection that the engine has the other end of. `received`: all that has come; `ended`: no more
    will.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        self.socket = connection
        self.received = b""
        self.ended = False

    def look(self) -> None:
        """Read what is there."""
        with suppress(BlockingIOError):
            while not self.ended and self.socket.fileno() >= 0:
                try:
                    data = self.socket.recv(65536, socket.MSG_DONTWAIT)
                except ConnectionResetError:
                    data = b""
                self.received += data
                self.ended = not data

    def send(self, data: bytes) -> None:
        """All of it, to a kernel that is to have room for it."""
        self.socket.sendall(data)

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def reset(self) -> None:
        """Break it."""
        if self.socket.fileno() >= 0:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.socket.close()


class StillReplica:
    """A replica that answers when the test says so. `connections`: those that were made to it, in their order.
    `is_broken_off`: it has once closed them all.
    """

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self.is_broken_off = False
        self.address = Address(*self._listening.getsockname())
        self.connections: list[Peer] = []

    @property
    def requests(self) -> int:
        """Heads that have come here."""
        return sum(one.received.count(b"\r\n\r\n") for one in self.connections)

    def look(self) -> None:
        """Accept and read what is there."""
        with suppress(BlockingIOError):
            while True:
                self.connections.append(Peer(self._listening.accept()[0]))
        for connection in self.connections:
            connection.look()

    def answer(self, number: int = 0, body: bytes = b"ok", *, fields: bytes = b"", status: bytes = b"200 OK") -> None:
        """A whole response on the connection with this number."""
        head = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n" % (status, len(body), fields)
        self.connections[number].send(head + body)

    def break_off(self) -> None:
        """Close all connections without an answer; new ones are taken."""
        self.is_broken_off = True
        for connection in self.connections:
            connection.close()

    def close(self) -> None:
        """End all."""
        self._listening.close()
        for connection in self.connections:
            connection.close()


class Rounds:
    """Looks at a figure once in each of the reactor's next rounds: `seen`."""

    urgent = True

    def __init__(self, reactor: Reactor, figure: Callable[[], int], rounds: int = 10) -> None:
        self._reactor = reactor
        self._figure = figure
        self._rounds = rounds
        self.seen: list[int] = []
        reactor.again(self)

    def on_ready(self, events: int) -> None:
        """Look."""
        del events
        self.seen.append(self._figure())
        if len(self.seen) < self._rounds:
            self._reactor.again(self)

    def on_crash(self) -> None:
        """The figure could not be had."""
        raise AssertionError


class SteppedForwarder:
    """An engine with still replicas of one service, "app", and clients."""

    def __init__(self, replicas: int, traffic: TrafficPolicy) -> None:
        draws = count()
        self.engine = Engine(
            access_log=AccessLog("off"),
            random=lambda: next(draws) * 0.618 % 1.0,
            id_prefix=b"0" * 16,
            wall_clock=lambda: 0.0,
        )
        self.replicas = [StillReplica() for _ in range(replicas)]
        self.clients: list[Peer] = []
        view = a_view([one.address for one in self.replicas])
        self.view = replace(view, services=(replace(view.services[0], traffic=traffic),))
        self.adopt(self.view)

    def adopt(self, view: View) -> None:
        """Serve from this View, whose number rises by itself."""
        number = self.engine.serving.version.number + 1 if self.engine.serving else 1
        self.view = replace(view, version=ViewVersion(1, number))
        for _ in self.engine.adopt(self.view):
            continue

    def let_down(self, *down: StillReplica) -> None:
        """Have the View say that these are down, and no others."""
        addresses = {one.address for one in down}
        views = tuple(
            replace(one, availability=Availability.DOWN if one.replica.address in addresses else Availability.UP)
            for one in self.view.services[0].replicas
        )
        self.adopt(replace(self.view, services=(replace(self.view.services[0], replicas=views),)))

    @property
    def service(self) -> ServiceState:
        """The one there is."""
        assert self.engine.serving is not None
        return self.engine.serving.services["app"]

    def state_of(self, replica: StillReplica) -> ReplicaState:
        """What the engine knows of it."""
        return next(one for one in self.service.replicas if one.id.address == replica.address)

    def connections(self) -> list[ClientConnection]:
        """The engine's ends of the clients' connections."""
        return [one for one in self.engine.wheel.everything() if isinstance(one, ClientConnection)]

    def send(self, request: bytes = GET) -> Peer:
        """A new client that has sent this, which the engine has not seen yet."""
        there, here = tcp_pair()
        assert self.engine.serving is not None
        ClientConnection(self.engine, here, "127.0.0.1", self.engine.serving.listener(0))
        client = Peer(there)
        self.clients.append(client)
        client.send(request)
        return client

    def ask(self, request: bytes = GET) -> Peer:
        """A new client that has sent this, and the engine has begun with it."""
        begun = self.engine.counters.active
        client = self.send(request)
        self.until(lambda: self.engine.counters.active > begun or bool(client.received), "the request to begin")
        return client

    def ask_at(self, replica: StillReplica, request: bytes = GET) -> Peer:
        """As `ask`, while the View has no other replica up; the request has come there. All are up thereafter."""
        before = replica.requests
        self.let_down(*(one for one in self.replicas if one is not replica))
        client = self.ask(request)
        self.until(lambda: replica.requests > before, "the request at its replica")
        self.let_down()
        return client

    def attempts(self) -> int:
        """Made so far, by all requests and copies."""
        assert self.engine.serving is not None
        return sum(one.requests for each in self.engine.serving.services.values() for one in each.replicas)

    def step(self) -> None:
        """Have the engine do all that there is to do now, and look at what came of it."""
        while not self.engine.reactor.drain():
            continue
        for replica in self.replicas:
            replica.look()
        for client in self.clients:
            client.look()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Step until this is so."""
        gives_up_s = monotonic() + PATIENCE_S
        self.step()
        while not condition():
            assert monotonic() < gives_up_s, f"no {what}"
            self.engine.reactor.drain(PAUSE_S)
            self.step()

    def answered(self, client: Peer, body: bytes = b"ok") -> None:
        """Until this body has come to the client."""
        self.until(lambda: client.received.endswith(b"\r\n\r\n" + body), f"answer {body!r}")

    def reached(self, replica: StillReplica, requests: int = 1) -> None:
        """Until so many requests have come to the replica."""
        self.until(lambda: replica.requests == requests, f"{requests} requests at a replica")

    def is_told(self, client: Peer, status: int) -> None:
        """Until an answer with this status has come to the client."""
        self.until(lambda: client.received.startswith(b"HTTP/1.1 %d " % status), f"answer {status}")

    def close(self) -> None:
        """End all, and see that nothing is left over."""
        self._let_go()
        services = self.engine.serving.services.values() if self.engine.serving else ()
        counters = self.engine.counters
        self.until(
            lambda: (
                not (counters.connections or counters.mirrors_in_flight)
                and not any(one.idle for each in services for one in each.replicas)
            ),
            "end of all connections",
        )
        assert counters.active == 0
        for service in services:
            assert (service.budget.active, service.budget.retrying, len(service.room)) == (0, 0, 0)
            assert not any(one.in_flight or one.connecting for one in service.replicas)

    def abandon(self) -> None:
        """End all that is ours, and the engine with it."""
        self._let_go()
        self.engine.reactor.close_all()
        for replica in self.replicas:
            replica.close()

    def _let_go(self) -> None:
        for client in self.clients:
            client.reset()
        for replica in self.replicas:
            replica.break_off()


@contextmanager
def stepped_forwarder(replicas: int, traffic: TrafficPolicy = TrafficPolicy()) -> Iterator[SteppedForwarder]:
    """One that ends with the block, with nothing under way any more."""
    forwarder = SteppedForwarder(replicas, traffic)
    try:
        yield forwarder
        forwarder.close()
    finally:
        forwarder.abandon()
