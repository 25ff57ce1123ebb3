"""The driver of addresses on an L2 alone, as a program: `NAME ZONE FRONT CLASS`, driven by lines of JSON.

Driver, agent's leases and sentinel's leases are the real ones, over a real channel; the orders are the test's. `serve`
(HTTP on port 80), `acquire`, `release`, `drain`, `renew`, `forget` (the sentinel ends the lease by itself), `hang` (all
forwarders do), and `stall` (the sentinel says "Asked" to what it is told next, and does nothing any more). What comes
of them, and what the driver tells, is written as lines of JSON.
"""

import json
import socket
import sys
import time
from math import inf
from typing import Any

import trio

from lbmesh.agent.front_leases import FrontLeases
from lbmesh.control.processes import (
    ControlMessage,
    EndLease,
    ExtendLease,
    HoldLease,
    LeaseAnswer,
    LeaseTrouble,
    decode_control,
    encode_control,
)
from lbmesh.drivers.vip.driver import VipFronts
from lbmesh.failover.orders import Acquire, Drain, Release, Renew, Told
from lbmesh.model.address import Address
from lbmesh.model.front import Front, FrontClass, VipDriver
from lbmesh.observe.child import ControlChannel
from lbmesh.sentinel.leases import Leases
from lbmesh.sentinel.log import LogWriter


def front_of(address: str, front_class: str) -> Front:
    """At home at node lb-1 of zone-1."""
    driver = VipDriver("eth0", 128 if ":" in address else 32)
    return Front(Address(address, 80), "zone-1", "lb-1", FrontClass(front_class), driver)


def say(**words: object) -> None:
    """To the test."""
    print(json.dumps(words), flush=True)


class Sentinel:
    """As much of it as leases need."""

    def __init__(self, channel: trio.socket.SocketType, agent: FrontLeases) -> None:
        self._channel = channel
        self._agent = agent
        self.leases = Leases(tell_agent=self._tell, hangs=lambda _: self.hangs, log=LogWriter("error"))
        self.hangs = self.is_stalled = False

    def _tell(self, message: ControlMessage) -> None:
        match decode_control(encode_control(message)):
            case LeaseAnswer() as answer:
                self._agent.answered(answer)
            case LeaseTrouble() as trouble:
                self._agent.troubled(trouble)
            case other:
                raise AssertionError(f"not of leases: {other}")

    async def run(self) -> None:
        """Orders and renewals."""
        while True:
            with trio.move_on_after(max(0.0, min(1.0, self.leases.next_deadline() - time.monotonic()))):
                received = await self._channel.recv(4096)
                if self.is_stalled:
                    say(outcome="Asked")
                    return
                match decode_control(received):
                    case HoldLease() as hold:
                        self.leases.hold(hold)
                    case ExtendLease() as extend:
                        self.leases.extend(extend)
                    case EndLease() as end:
                        self.leases.end(end)
                    case other:
                        raise AssertionError(f"not for leases: {other}")
            self.leases.step()


class Stage:
    """The driver and its front."""

    def __init__(self, fronts: VipFronts, front: Front, sentinel: Sentinel, nursery: trio.Nursery) -> None:
        self._fronts = fronts
        self._front = front
        self._sentinel = sentinel
        self._nursery = nursery

    async def do(self, order: dict[str, Any]) -> None:
        """One order, and what comes of it."""
        front, epoch = self._front, order.get("epoch", 1)
        match order["do"]:
            case "serve":
                await self._nursery.start(trio.serve_tcp, answer, 80)
                say(outcome="Done")
            case "acquire":
                asked = Acquire(front, epoch, "test", 1, order.get("ask_first", False), inf)
                acquired = await self._fronts.acquire(asked)
                say(outcome=type(acquired).__name__, said=str(acquired))
            case "release":
                released = await self._fronts.release(Release(front, epoch, "test", 1, is_fenced=False))
                say(outcome=type(released).__name__, said=str(released))
            case "drain":
                await self._fronts.drain(Drain(front, epoch, "lb-2", "test"))
                say(outcome="Done")
            case "renew":
                self._fronts.renew(Renew(front, epoch, time.monotonic() + order["for_s"]))
                say(outcome="Done")
            case "forget":
                self._sentinel.leases.end(EndLease(front.name, ticket=0))
                say(outcome="Done")
            case "hang":
                self._sentinel.hangs = True
                say(outcome="Done")
            case "stall":
                self._sentinel.is_stalled = True
                say(outcome="Done")
            case other:
                raise ValueError(other)

    def told(self, found: Told) -> None:
        """The driver tells something by itself."""
        say(told=type(found).__name__, said=str(found))


async def answer(stream: trio.SocketStream) -> None:
    """Any answer."""
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def main() -> None:
    """Until the input ends."""
    name, zone, address, front_class = sys.argv[1:]
    front = front_of(address, front_class)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    agent = FrontLeases(ControlChannel(ours.detach()))
    sentinel = Sentinel(trio.socket.from_stdlib_socket(theirs), agent)
    fronts = VipFronts(name, zone, agent, lambda _: ())
    async with trio.open_nursery() as nursery:
        stage = Stage(fronts, front, sentinel, nursery)
        nursery.start_soon(agent.run)
        nursery.start_soon(sentinel.run)
        nursery.start_soon(fronts.watch, front, stage.told)
        say(outcome="ready")
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            nursery.start_soon(stage.do, json.loads(line))
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
