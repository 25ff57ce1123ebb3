"""The lab's first process: PID 1 of its namespaces. When it ends, however it ends, the kernel ends all of the lab.

Started by `lab.start`, as `unshare … python -m lbmesh_chaos.lab.init`. The world file comes by stdin. What goes wrong
is printed, and then this process ends; once the lab is up, it prints one line of JSON, {"up": …}, and no more.
"""

import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import trio

from lbmesh_chaos.lab import clocks, files, network, paths
from lbmesh_chaos.lab.control import Lab, serve
from lbmesh_chaos.lab.events import Events
from lbmesh_chaos.lab.hands import Hands, put
from lbmesh_chaos.lab.namespaces import make_namespaces
from lbmesh_chaos.lab.processes import CommandError, Processes
from lbmesh_chaos.lab.programs import NotReadyError, Programs
from lbmesh_chaos.lab.residue import Residue
from lbmesh_chaos.lab.standing import Faults
from lbmesh_chaos.model.world import Host, Role, World
from lbmesh_chaos.model.world_file import parse_world

BACKLOG = 64
_STATE_OPTIONS = ("-o", f"size={paths.STATE_SIZE},mode=0755")
UP = "up"
"""The key of the line that says so."""


def main(arguments: Sequence[str]) -> int:
    """Make the world, and serve until told to end. `arguments`: the descriptor of the lab's socket, the file's name."""
    descriptor, file = int(arguments[0]), arguments[1]
    world = parse_world(sys.stdin.read(), file=file)
    if not isinstance(world, World):
        print(*world, sep="\n")
        return 1
    listener = socket.socket(fileno=descriptor)
    why: list[BaseException] = []
    try:
        trio.run(_run, world, listener, [Path(file).resolve() for file in files.OVERLAID])
    except* (CommandError, NotReadyError, OSError) as failed:
        why = _leaves(failed)
    print(*why, sep="\n", flush=True)
    return 1 if why else 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    nested = (_leaves(one) if isinstance(one, BaseExceptionGroup) else [one] for one in group.exceptions)
    return list(chain.from_iterable(nested))


async def _run(world: World, listener: socket.socket, overlaid: Sequence[Path]) -> None:
    began_s = time.monotonic()
    processes = Processes()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(processes.reap)
        nursery.start_soon(_end_on_signal, nursery.cancel_scope)
        await make(world, processes, overlaid)
        events = Events(paths.EVENTS)
        programs = Programs(world, processes, events.tell)
        hands = Hands(processes, programs, nursery)
        residue = Residue(processes, programs, hands)
        faults = Faults(world, hands, programs, residue, nursery, events.tell)
        made_s = time.monotonic()
        async with trio.open_nursery() as starting:
            for running in programs.all:
                programs.start(running)
                starting.start_soon(programs.become_ready, running)
        lab = Lab(world, processes, programs, faults, residue, events)
        # Not before: who can connect finds the world ready.
        listener.listen(BACKLOG)
        nursery.start_soon(serve, lab, listener)
        took = {"made_s": round(made_s - began_s, 3), "ready_s": round(time.monotonic() - began_s, 3)}
        events.tell("lab is up", **took)
        print(json.dumps({UP: {"name": world.name, **took}}), flush=True)
        _print_to_log()


async def _end_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as arrivals:
        async for _ in arrivals:
            scope.cancel()
            return


def _print_to_log() -> None:
    log = os.open(paths.LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for standard in (1, 2):
        os.dup2(log, standard)
    os.close(log)


async def make(world: World, processes: Processes, overlaid: Sequence[Path]) -> None:
    """The namespaces, the network and the files, without the programs. Raises CommandError and OSError.

    `overlaid`: where the machine has the files that each host has of its own.
    """
    run = processes.run
    await run(("mount", "-t", "tmpfs", "-o", f"size={paths.RUN_SIZE},mode=0755", "lab", str(paths.RUN)))
    for directory in (paths.NETWORKS, paths.NAMESPACES):
        directory.mkdir(parents=True)
    _put_back(overlaid)
    for host in world.hosts:
        _write_files(host, world)
    states = [("mount", "-t", "tmpfs", *_STATE_OPTIONS, "state", str(paths.state(host.name))) for host in world.hosts]
    await processes.run_all([(command, None, "") for command in states])
    key = secrets.token_hex(32)
    for host in world.with_role(Role.BALANCER):
        put(paths.etc(host.name) / files.GOSSIP_KEY, f"{key}\n".encode())
    await run(("ip", "-batch", "-"), text="".join(f"netns add {name}\n" for name in network.namespaces(world)))
    async with trio.open_nursery() as nursery:
        for host in world.everywhere:
            nursery.start_soon(make_namespaces, host, world, processes)
    for stage in network.stages(world):
        await processes.run_all([(("ip", "-n", name, "-batch", "-"), None, "\n".join(lines)) for name, lines in stage])


def _put_back(overlaid: Sequence[Path]) -> None:
    """With systemd-resolved, /etc/resolv.conf is a link to what was in /run; something must be there to lie over."""
    for file in overlaid:
        if not file.exists() and file.is_relative_to(paths.RUN):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()


def _write_files(host: Host, world: World) -> None:
    for directory in (paths.etc(host.name), paths.state(host.name), paths.host_dir(host.name) / "log"):
        directory.mkdir(parents=True)
    for file, text in files.overlay(host, world).items():
        (paths.etc(host.name) / os.path.basename(file)).write_text(text)
    if host.role is Role.BALANCER:
        text = files.balancer_config(host, world)
        paths.balancer_config(host.name).write_text(text)
        put(paths.good(paths.balancer_config(host.name)), text.encode())
    if host.role is Role.RESOLVER:
        paths.names(host.name).write_text(files.names(world))
    if host.name in world.clocks:
        clocks.make_adjustable(host.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
