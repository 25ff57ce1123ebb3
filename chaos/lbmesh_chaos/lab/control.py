"""The lab's control server: a request is a line of JSON, and so is its answer. Runs in the lab's first process.

A connection is a lifetime: when it ends, however it ends, what was started over it is killed, and the faults that were
ordered over it are undone. Descriptors come and go beside the lines (SCM_RIGHTS, unix(7)).

{"do": "state"}                                         the world as it is
{"do": "apply", "fault", "arguments", "seed"}           do a fault; its number, and since when it stands
{"do": "heal", "fault"}, {"do": "heal-all"}             undo; what was left behind
{"do": "residue"}                                       what is not as the lab made it
{"do": "start", "host", "command", "environment"}       with stdin, stdout and stderr; answers with "pid", and, when the
                                                        program ends, once more with "ended", its status
{"do": "stop", "pid"}                                   SIGTERM to such a program
{"do": "dial", "host", "address", "port"}               answers with a TCP connection from within the host
{"do": "enter", "host"}                                 answers with the namespaces of a host: mnt, net, uts, ipc, pid
{"do": "watch"}                                         all events from the first on, a line for each, as they come

An answer has "ok": true, or "error", a text for people.
"""

import json
import os
import signal
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import trio

from lbmesh_chaos.lab import paths
from lbmesh_chaos.lab.events import Events
from lbmesh_chaos.lab.hands import StepError
from lbmesh_chaos.lab.kernel import in_network
from lbmesh_chaos.lab.processes import Child, Processes, state_of
from lbmesh_chaos.lab.programs import Programs
from lbmesh_chaos.lab.ready import family_of
from lbmesh_chaos.lab.residue import Residue
from lbmesh_chaos.lab.standing import Faults, RefusedError
from lbmesh_chaos.model.world import World

CONNECTIONS_MAX = 256
LINE_BYTES_MAX = 1024 * 1024
DESCRIPTORS_MAX = 3
DIAL_WITHIN_S = 5.0
_CHUNK = 64 * 1024
_INT_BYTES = struct.calcsize("i")
_CREDENTIALS = struct.Struct("3i")


@dataclass(slots=True)
class Lab:
    """All that the server speaks for."""

    world: World
    processes: Processes
    programs: Programs
    faults: Faults
    residue: Residue
    events: Events

    def state(self) -> dict[str, Any]:
        """The world as it is, for JSON. Times are seconds of the machine's monotonic clock."""
        return {
            "name": self.world.name,
            "service": {"name": self.world.service.name, "host": self.world.service.host},
            "clocks": list(self.world.clocks),
            "ipv6": self.world.ipv6,
            "hosts": [
                {
                    "name": host.name,
                    "zone": host.zone,
                    "role": str(host.role),
                    "address": host.address,
                    "programs": [
                        {
                            "name": one.program.name,
                            "pid": one.child.pid if one.child is not None and one.is_alive else None,
                            "status": one.child.status if one.child is not None else None,
                            "stopped": one.child is not None and state_of(one.child.pid) == "T",
                            "starts": one.starts,
                        }
                        for one in self.programs.of(host.name)
                    ],
                }
                for host in self.world.everywhere
            ],
            "faults": [
                {
                    "fault": one.number,
                    "label": one.plan.label,
                    "since_s": self.events.clock(one.since_s),
                    "until_s": self.events.clock(one.until_s),
                }
                for one in self.faults
            ],
        }


async def serve(lab: Lab, listener: socket.socket) -> None:
    """Answer everybody, until cancelled."""
    accepting = trio.socket.from_stdlib_socket(listener)
    async with trio.open_nursery() as nursery:
        while True:
            accepted, _ = await accepting.accept()
            if _is_root(accepted) and len(nursery.child_tasks) < CONNECTIONS_MAX:
                nursery.start_soon(_converse, lab, accepted)
            else:
                accepted.close()


def _is_root(accepted: trio.socket.SocketType) -> bool:
    """An abstract socket has no mode, so that everybody of the machine can connect."""
    raw = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(raw)
    return bool(uid == 0)


async def _converse(lab: Lab, accepted: trio.socket.SocketType) -> None:
    talk = Conversation(lab, accepted)
    with accepted:
        try:
            async with trio.open_nursery() as nursery:
                await talk.run(nursery)
                nursery.cancel_scope.cancel()
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            with trio.CancelScope(shield=True):
                await talk.end()


class Conversation:
    """One connection."""

    def __init__(self, lab: Lab, accepted: trio.socket.SocketType) -> None:
        self._lab = lab
        self._socket = accepted
        self._started: list[Child] = []
        self._descriptors: list[int] = []
        self._sending = trio.Lock()

    async def run(self, nursery: trio.Nursery) -> None:
        """Answer line by line until the other side is gone."""
        buffer = b""
        while True:
            data, ancillary, _, _ = await self._socket.recvmsg(_CHUNK, socket.CMSG_SPACE(DESCRIPTORS_MAX * _INT_BYTES))
            self._descriptors += _descriptors(ancillary)
            if not data:
                return
            buffer += data
            if len(buffer) > LINE_BYTES_MAX:
                return
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                await self._answer(line, nursery)

    async def end(self) -> None:
        """What was begun over this connection is ended."""
        self._close_descriptors()
        for child in self._started:
            child.signal(signal.SIGKILL)
        await self._lab.faults.heal_all(owner=self)

    async def _answer(self, line: bytes, nursery: trio.Nursery) -> None:
        try:
            request = json.loads(line)
            answer, descriptors = await self._do(request, nursery)
        except (RefusedError, StepError, OSError) as error:
            answer, descriptors = {"error": str(error)}, ()
        except (KeyError, TypeError, ValueError) as error:
            answer, descriptors = {"error": f"not understood: {error!r}"}, ()
        try:
            await self._send({"ok": "error" not in answer, **answer}, descriptors)
        finally:
            for each in descriptors:
                os.close(each)
            self._close_descriptors()

    def _close_descriptors(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())

    async def _send(self, answer: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        data = json.dumps(answer).encode() + b"\n"
        rights = struct.pack(f"{len(descriptors)}i", *descriptors)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
        async with self._sending:
            sent = await self._socket.sendmsg([data], ancillary)
            while sent < len(data):
                sent += await self._socket.send(data[sent:])

    async def _do(self, request: dict[str, Any], nursery: trio.Nursery) -> tuple[dict[str, Any], Sequence[int]]:
        lab = self._lab
        match request["do"]:
            case "state":
                return lab.state(), ()
            case "apply":
                fault = await lab.faults.apply(request["fault"], request["arguments"], request.get("seed", 0), self)
                return {"fault": fault.number, "since_s": lab.events.clock(fault.since_s)}, ()
            case "heal":
                return {"residue": list(await lab.faults.heal(request["fault"]))}, ()
            case "heal-all":
                return {"residue": list(await lab.faults.heal_all())}, ()
            case "residue":
                return {"residue": await lab.residue.everywhere(lab.world.everywhere)}, ()
            case "watch":
                nursery.start_soon(self._watch)
                return {}, ()
            case _:
                return await self._do_in_host(request, nursery)

    async def _do_in_host(self, request: dict[str, Any], nursery: trio.Nursery) -> tuple[dict[str, Any], Sequence[int]]:
        match request["do"]:
            case "start":
                child = self._start(request)
                nursery.start_soon(self._await, child)
                return {"pid": child.pid}, ()
            case "stop":
                for child in self._started:
                    if child.pid == request["pid"]:
                        child.signal(signal.SIGTERM)
                return {}, ()
            case "dial":
                return {}, (await _dial(self._host(request), request["address"], request["port"]),)
            case "enter":
                return {}, _namespaces(self._host(request))
            case unknown:
                raise RefusedError(f"nobody knows how to {unknown!r}")

    def _host(self, request: dict[str, Any]) -> str:
        name: str = request["host"]
        if self._lab.world.host(name) is None:
            raise RefusedError(self._lab.world.explain_unknown(name))
        return name

    def _start(self, request: dict[str, Any]) -> Child:
        host = self._host(request)
        if len(self._descriptors) != DESCRIPTORS_MAX:
            raise RefusedError("send stdin, stdout and stderr along")
        stdin, stdout, stderr = self._descriptors
        child = self._lab.processes.start(
            request["command"],
            host=host,
            environment=request.get("environment", {}),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
        self._started.append(child)
        return child

    async def _await(self, child: Child) -> None:
        status = await child.wait()
        self._started.remove(child)
        await self._send({"ok": True, "pid": child.pid, "ended": status})

    async def _watch(self) -> None:
        async for event in self._lab.events.all():
            await self._send(event)


async def _dial(host: str, address: str, port: int) -> int:
    with in_network(paths.network(host)):
        plain = socket.socket(family_of(address), socket.SOCK_STREAM)
    with trio.socket.from_stdlib_socket(plain) as dialled:
        with trio.move_on_after(DIAL_WITHIN_S) as scope:
            await dialled.connect((address, port))
        if scope.cancelled_caught:
            raise RefusedError(f"{address}:{port} does not answer {host} within {DIAL_WITHIN_S:g} s")
        return os.dup(dialled.fileno())


def _namespaces(host: str) -> tuple[int, ...]:
    files = (
        paths.NAMESPACES / f"{host}.mnt",
        paths.network(host),
        paths.NAMESPACES / f"{host}.uts",
        "/proc/self/ns/ipc",
        "/proc/self/ns/pid",
    )
    return tuple(os.open(file, os.O_RDONLY | os.O_CLOEXEC) for file in files)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            count = len(data) // _INT_BYTES
            found += struct.unpack(f"{count}i", data[: count * _INT_BYTES])
    for each in found:
        os.set_inheritable(each, False)
    return found
