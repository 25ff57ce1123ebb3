"""One mesh of one system: its nodes in their namespaces, started once, killed and brought back."""

import contextlib
import ctypes
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench.gossip.namespaces import address, load_rules, network
from tests.bench.gossip.recorder import Log, Recorder
from tests.bench.gossip.systems import System
from tests.bench.gossip.systems.base import ZONES, Host

SEEDS = 3
POLL_S = 0.02
STARTING_MAX = 4
"""Nodes that were started and have not spoken of another yet."""

JOIN_LIMIT_S = 180.0
_LOG_END_S = 10.0
_KEY_BYTES = 32
_PR_SET_PDEATHSIG = 1


class World:
    """Nodes n1, n2, … of one system, one a namespace, in three zones in turn (serf knows none)."""

    def __init__(self, system: System, namespaces: Sequence[str], directory: Path) -> None:
        self.system = system
        self.namespaces = tuple(namespaces)
        self.members = tuple(f"n{number + 1}" for number in range(len(namespaces)))
        self.recorder = Recorder(system, self.members)
        key = secrets.token_bytes(_KEY_BYTES)
        self._hosts = [self._host(number, key, directory / name) for number, name in enumerate(self.members)]
        self._running: dict[int, tuple[subprocess.Popen[bytes], Log]] = {}

    def _host(self, number: int, key: bytes, directory: Path) -> Host:
        directory.mkdir(parents=True)
        seeds = tuple(address(one) for one in range(min(SEEDS, len(self.members))) if one != number)
        return Host(self.members[number], address(number), ZONES[number % len(ZONES)], seeds, key, directory)

    def start(self, number: int) -> float:
        """Start a node; when, monotonic."""
        command = self.system.command(self._hosts[number])
        began_s = time.monotonic()
        process = subprocess.Popen(
            ("ip", "netns", "exec", self.namespaces[number], *command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        assert process.stdout is not None
        log = self.recorder.follow(self.members[number], os.dup(process.stdout.fileno()))
        process.stdout.close()
        self._running[number] = process, log
        return began_s

    def kill(self, number: int) -> float:
        """SIGKILL to all processes of a node at one time; when, monotonic. Returns when nothing of it is left."""
        process, log = self._running.pop(number)
        killed_s = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-process.pid, 0)
        if not log.ended.wait(_LOG_END_S):
            raise RuntimeError(f"somebody still holds the log of a dead node, {self._named(number)}")
        with self.recorder.lock:
            self.recorder.pictures.forget(self.members[number])
        return killed_s

    def kill_all(self) -> None:
        """End the mesh."""
        for number in list(self._running):
            self.kill(number)
        self.recorder.close()

    def roots(self) -> tuple[int, ...]:
        """The first process of each running node, by its id."""
        return tuple(process.pid for process, _ in self._running.values())

    def complete_since_s(self) -> float | None:
        """Since when everybody holds everybody alive; None while somebody does not."""
        with self.recorder.lock:
            return self.recorder.pictures.complete_since_s

    def silent(self) -> set[str]:
        """Running nodes that have not yet spoken of another."""
        spoke = {one.observer for one in self.recorder.since(0.0) if one.observer != one.subject}
        return {self.members[number] for number in self._running} - spoke

    def check(self) -> None:
        """Raises RuntimeError, with the end of its log, when a node ended by itself."""
        for number, (process, log) in self._running.items():
            if process.poll() is not None:
                tail = b"\n".join(log.tail).decode(errors="replace")
                raise RuntimeError(f"{self._named(number)} ended; the end of its log:\n{tail}")

    def impose(self, scripts: Mapping[int, str]) -> None:
        """Load nft scripts: {node: script}."""
        load_rules([(self.namespaces[number], script) for number, script in scripts.items()])

    def _named(self, number: int) -> str:
        return f"{self.system.title}'s node {self.members[number]}"


def _die_with_parent() -> None:
    """Whatever becomes of the benchmark, its nodes go with it (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@contextlib.contextmanager
def running_worlds(systems: Sequence[System], nodes: int, directory: Path) -> Iterator[tuple[World, ...]]:
    """A mesh of so many nodes of each system, each complete; ended and removed on leaving.

    Raises RuntimeError when one does not come together.
    """
    with contextlib.ExitStack() as stack:
        worlds = []
        for system in systems:
            namespaces = stack.enter_context(network(f"{system.name}-{nodes}", nodes))
            world = World(system, namespaces, directory / f"{system.name}-{nodes}")
            stack.callback(world.kill_all)
            worlds.append(world)
        for world in worlds:
            _start_all(world)
        wait_for(worlds, lambda world: world.complete_since_s() is not None, JOIN_LIMIT_S)
        for world in worlds:
            if world.complete_since_s() is None:
                missing = world.recorder.pictures.examples(3)
                raise RuntimeError(f"{world.system.title}: {nodes} nodes did not find each other: {missing}, …")
        yield tuple(worlds)


def _start_all(world: World) -> None:
    """A few at a time: a hundred interpreters that start at once take so long that they are taken for hung."""
    for number in range(len(world.members)):
        wait_for([world], lambda world: len(world.silent()) < STARTING_MAX, JOIN_LIMIT_S)
        world.start(number)
        time.sleep(world.system.start_gap_s)


def wait_for(worlds: Sequence[World], done: Callable[[World], bool], limit_s: float) -> None:
    """Return when it is so in all of them, or after the limit."""
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        if all(done(world) for world in worlds):
            return
        for world in worlds:
            world.check()
        time.sleep(POLL_S)
