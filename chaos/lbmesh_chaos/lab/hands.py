"""Carrying out steps on a world that runs. What each one does, and what must be true afterwards: see faults.steps."""

import contextlib
import errno
import os
import re
import shutil
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import trio

from lbmesh_chaos.faults.filters import removal
from lbmesh_chaos.faults.steps import (
    RELAY_PREFERENCE,
    AddFilter,
    Behave,
    Delay,
    EndDelay,
    FillDisk,
    FreeDisk,
    Freeze,
    Kill,
    LimitRate,
    PushConfig,
    RemoveFilter,
    RestoreQueue,
    SetClock,
    Start,
    Step,
    Terminate,
    Thaw,
    Throttle,
)
from lbmesh_chaos.lab import clocks, paths
from lbmesh_chaos.lab.processes import OUTPUT_BYTES_MAX, Child, CommandError, Processes, state_of
from lbmesh_chaos.lab.programs import Programs
from lbmesh_chaos.model.faults import Part, Poison
from lbmesh_chaos.model.world import UPLINK

RELAY_READY_WITHIN_S = 5.0
_FILLING = bytes(64 * 1024)
_ENDED_EVERY_S = 0.005


class StepError(Exception):
    """A step could not be taken; says which, and why."""


@dataclass(slots=True)
class Hands:
    """Takes steps, one at a time. `nursery`: where throttles turn."""

    processes: Processes
    programs: Programs
    nursery: trio.Nursery
    relays: dict[str, Child] = field(default_factory=dict)
    throttles: dict[str, trio.CancelScope] = field(default_factory=dict)

    async def take(self, step: Step) -> None:
        """Take a step, or an undo. Raises StepError."""
        try:
            match step:
                case Kill() | Terminate() | Start() | Freeze() | Throttle() | Thaw():
                    await self._on_processes(step)
                case AddFilter() | RemoveFilter() | LimitRate() | RestoreQueue() | Delay() | EndDelay():
                    await self._on_the_network(step)
                case SetClock() | FillDisk() | FreeDisk() | PushConfig() | Behave():
                    self._on_files(step)
        except (CommandError, OSError) as error:
            raise StepError(f"{type(step).__name__} on {step.host}: {error}") from error

    async def _on_processes(self, step: Kill | Terminate | Start | Freeze | Throttle | Thaw) -> None:
        match step:
            case Kill(host, part, forgets):
                await self._kill(host, part)
                if forgets:
                    _empty(paths.state(host))
            case Terminate(host, grace_s):
                await self._terminate(host, grace_s)
            case Start(host):
                self.programs.start_missing(host)
            case Freeze(host, part):
                self._stop(host, part)
            case Throttle(host):
                scope = self.throttles[host] = trio.CancelScope()
                self.nursery.start_soon(self._throttle, step, scope)
            case Thaw(host):
                if host in self.throttles:
                    self.throttles.pop(host).cancel()
                _signal_all(self.programs.pids(host), signal.SIGCONT)

    async def _kill(self, host: str, part: Part) -> None:
        pids = self.programs.pids(host, part)
        _signal_all(pids, signal.SIGKILL)
        await _ended(pids)

    async def _terminate(self, host: str, grace_s: float) -> None:
        for running in self.programs.of(host):
            if running.child is not None:
                running.child.signal(signal.SIGTERM)
        with trio.move_on_after(grace_s):
            await _ended(self.programs.pids(host))
        await self._kill(host, Part.ALL)

    def _stop(self, host: str, part: Part) -> None:
        """Until there is nobody more: who forks is stopped after its child was born."""
        stopped: set[int] = set()
        while fresh := set(self.programs.pids(host, part)) - stopped:
            _signal_all(sorted(fresh), signal.SIGSTOP)
            stopped |= fresh

    async def _throttle(self, step: Throttle, scope: trio.CancelScope) -> None:
        with scope:
            while True:
                self._stop(step.host, Part.ALL)
                await trio.sleep(step.period_s * (1.0 - step.share))
                _signal_all(self.programs.pids(step.host), signal.SIGCONT)
                await trio.sleep(step.period_s * step.share)

    async def _on_the_network(
        self, step: AddFilter | RemoveFilter | LimitRate | RestoreQueue | Delay | EndDelay
    ) -> None:
        run = self.processes.run
        match step:
            case AddFilter(host, added):
                await run(("nft", "-f", "-"), host=host, text=added.text)
            case RemoveFilter(host, table):
                await run(("nft", "-f", "-"), host=host, text=removal(table))
            case LimitRate(host, bytes_per_s, burst_bytes, latency_s):
                bucket = f"tbf rate {bytes_per_s}bps burst {burst_bytes}b latency {latency_s * 1e6:.0f}us".split()
                await run(("tc", "qdisc", "replace", "dev", UPLINK, "root", *bucket), host=host)
            case RestoreQueue(host):
                if "tbf" in await run(("tc", "qdisc", "show", "dev", UPLINK), host=host):
                    await run(("tc", "qdisc", "del", "dev", UPLINK, "root"), host=host)
            case Delay(host):
                await self._start_relay(step)
            case EndDelay(host):
                # The rules first: what leaves in between goes out by itself, and is not lost with the relay.
                for family in await self.relay_rules(host):
                    await run(("ip", family, "rule", "del", "preference", str(RELAY_PREFERENCE)), host=host)
                relay = self.relays.pop(host, None)
                if relay is not None:
                    relay.signal(signal.SIGKILL)
                    await relay.wait()

    async def relay_rules(self, host: str) -> list[str]:
        """The family, in the words of `ip`, of each routing rule that leads into the host's relay."""
        found = []
        for family in ("-4", "-6"):
            rules = await self.processes.run(("ip", family, "rule", "show"), host=host)
            found += [family for line in rules.splitlines() if line.startswith(f"{RELAY_PREFERENCE}:")]
        return found

    async def _start_relay(self, step: Delay) -> None:
        log = os.open(paths.log(step.host, "relay"), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            command = (sys.executable, "-P", "-m", "lbmesh_chaos.lab.relay", *step.relay_arguments)
            relay = self.relays[step.host] = self.processes.start(command, host=step.host, stdout=log, stderr=log)
            with trio.move_on_after(RELAY_READY_WITHIN_S):
                while relay.status is None:
                    if b"ready" in os.pread(log, OUTPUT_BYTES_MAX, 0):
                        return
                    await trio.sleep(_ENDED_EVERY_S)
            said = os.pread(log, OUTPUT_BYTES_MAX, 0).decode(errors="replace").strip()
            raise CommandError(f"the relay is not ready: {said or 'no words'}")
        finally:
            os.close(log)

    def _on_files(self, step: SetClock | FillDisk | FreeDisk | PushConfig | Behave) -> None:
        match step:
            case SetClock(host, offset_s):
                clocks.set_offset(host, offset_s)
            case FillDisk(host):
                _fill(paths.filler(host))
            case FreeDisk(host):
                paths.filler(host).unlink(missing_ok=True)
            case PushConfig(host, poison):
                good = paths.good(paths.balancer_config(host)).read_bytes()
                put(paths.balancer_config(host), good if poison is None else poisoned(good, poison))
                self._tell_first(host, signal.SIGHUP)
            case Behave(host, behaviour):
                file = paths.behaviour(host)
                if behaviour:
                    put(file, msgspec.json.encode(dict(behaviour)))
                else:
                    file.unlink(missing_ok=True)

    def _tell_first(self, host: str, number: int) -> None:
        for running in self.programs.of(host)[:1]:
            if running.child is not None:
                running.child.signal(number)


def poisoned(good: bytes, poison: Poison) -> bytes:
    """What is pushed in place of a good configuration."""
    match poison:
        case Poison.EMPTY:
            return b""
        case Poison.TRUNCATED:
            return good[: len(good) // 2]
        case Poison.GARBAGE:
            return bytes(range(256)) * 4
        case Poison.UNKNOWN_KEY:
            return b'surprise = "key"\n' + good
        case Poison.NO_REPLICAS:
            return _REPLICAS.sub(b"replicas = []", good)


_REPLICAS = re.compile(rb"replicas = \[.*?^\]", re.DOTALL | re.MULTILINE)


def put(file: Path, content: bytes) -> None:
    """Replace a file at once: nobody reads half of it."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_bytes(content)
    beside.chmod(0o600)
    beside.replace(file)


def _fill(file: Path) -> None:
    with file.open("ab", buffering=0) as filler:
        try:
            while filler.write(_FILLING):
                pass
        except OSError as full:
            if full.errno != errno.ENOSPC:
                raise


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


async def _ended(pids: list[int]) -> None:
    """Wait until they are gone. Not all of them are children, so nobody but /proc tells."""
    for pid in pids:
        while state_of(pid) not in ("", "Z"):  # noqa: ASYNC110
            await trio.sleep(_ENDED_EVERY_S)


def _signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
