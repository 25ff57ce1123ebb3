"""A child process that speaks the sentinel's protocol and nothing else: the other side of a process boundary.

`python fake_child.py ROLE OPTIONS_JSON`. What happens to it goes to the file that FAKE_JOURNAL names, a JSON line
each. FAKE_EXITS names a role that exits with status 7 at once, FAKE_DEAF a message kind that is not heeded.
"""

import json
import os
import select
import socket
import sys
from dataclasses import replace

from lbmesh.config.handover import settings_from_memory, settings_to_memory
from lbmesh.control.processes import (
    AGENT_SLOT,
    AgentLink,
    ControlMessage,
    Drain,
    Drained,
    ForwarderLink,
    LameDuck,
    Leave,
    Left,
    Ready,
    Reload,
    Reloaded,
    decode_control,
    encode_control,
    tick_slot,
)
from lbmesh.observe.child import end_with_sentinel
from lbmesh.observe.ticks import TickBoard

TICK_S = 0.02


class FakeChild:
    """An agent or a forwarder without a trade."""

    def __init__(self, role: str, options: dict[str, object]) -> None:
        self.role = role
        self.options = options
        self.deaf_to = os.environ.get("FAKE_DEAF", "")
        self.control = socket.socket(fileno=int(str(options["control_fd"])))
        self.board = TickBoard(int(str(options["ticks_fd"])))
        self.slot = AGENT_SLOT if role == "agent" else tick_slot(int(str(options["worker"])))
        listen_fds = options.get("listen_fds", [])
        assert isinstance(listen_fds, list)
        self.listeners = [socket.socket(fileno=descriptor) for descriptor in listen_fds]
        for listener in self.listeners:
            listener.listen()
        self.links: list[socket.socket] = []

    def note(self, event: str, **fields: object) -> None:
        line = json.dumps({"role": self.role, "slot": self.slot, "pid": os.getpid(), "event": event, **fields})
        journal = os.open(os.environ["FAKE_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(journal, line.encode() + b"\n")
        os.close(journal)

    def run(self) -> None:
        self.note("started", options=self.options, environment=sorted(os.environ), parent=os.getppid())
        if self.role == "agent":
            self.note("settings", zone=settings_from_memory(int(str(self.options["settings_fd"]))).node.zone)
            self.say(Ready())
        while True:
            self.board.stamp(self.slot)
            for readable in select.select([self.control, *self.listeners], [], [], TICK_S)[0]:
                if readable is self.control:
                    self.take_message()
                else:
                    self.serve(readable)

    def say(self, message: ControlMessage) -> None:
        self.control.send(encode_control(message))

    def take_message(self) -> None:
        packet, descriptors, _, _ = socket.recv_fds(self.control, 65536, 4)
        if not packet:
            self.note("channel closed")
            raise SystemExit(0)
        message = decode_control(packet)
        if json.loads(packet)["kind"] == self.deaf_to:
            self.note("deaf")
            return
        self.heed(message, [socket.socket(fileno=descriptor) for descriptor in descriptors])

    def heed(self, message: ControlMessage, sockets: list[socket.socket]) -> None:
        match message:
            case ForwarderLink(worker, pid):
                sockets[0].sendall(f"agent {os.getpid()} to {worker}".encode())
                self.note("linked", worker=worker, forwarder_pid=pid)
                self.links += sockets
            case AgentLink(generation):
                self.note("linked", generation=generation, greeting=sockets[0].recv(100).decode())
                self.links += sockets
                self.say(Ready())
            case Leave():
                self.note("leave")
                self.say(Left())
            case Reload():
                self.note("reload")
                self.reload()
            case LameDuck():
                self.note("lame duck")
            case Drain(timeout_s):
                self.note("drain", timeout_s=timeout_s)
                self.say(Drained())
                raise SystemExit(0)
            case _:
                raise AssertionError(message)

    def reload(self) -> None:
        """Take the configuration that FAKE_RELOADED_ZONE stands for, and hand it to the sentinel."""
        old = settings_from_memory(int(str(self.options["settings_fd"])))
        new = replace(old, node=replace(old.node, zone=os.environ.get("FAKE_RELOADED_ZONE", old.node.zone)))
        descriptor = settings_to_memory(new)
        socket.send_fds(self.control, [encode_control(Reloaded(ok=True))], [descriptor])
        os.close(descriptor)

    def serve(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        with connection:
            connection.sendall(str(os.getpid()).encode())


def main() -> None:
    role, options = sys.argv[1], json.loads(sys.argv[2])
    if os.environ.get("FAKE_EXITS") == role:
        raise SystemExit(7)
    end_with_sentinel(options["control_fd"])
    FakeChild(role, options).run()


if __name__ == "__main__":
    main()
