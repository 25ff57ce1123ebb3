"""Keeps the memory on disk in step with the View: in a thread, one write at a time, the newest picture wins."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic, time

import structlog
import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import MEMORY_CONFIRM_S, MEMORY_GAP_S, MEMORY_READ_S, MEMORY_RETRY_S, MEMORY_SLOW_S
from lbmesh.agent.memory_file import FILE_NAME, Recalled, confirm_memory, read_memory, write_memory
from lbmesh.config.settings import Settings
from lbmesh.control.memory import PEERS_MAX, Memory, is_recent, memorise
from lbmesh.model.address import Address
from lbmesh.model.view import View

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Picture:
    """What a memory is made of."""

    settings: Settings
    view: View
    peers: tuple[Address, ...]


class MemoryKeeper:
    """Reads the memory once, then writes it whenever what it says has changed."""

    def __init__(self, hub: Hub, state_dir: Path) -> None:
        self._hub = hub
        self._state_dir = state_dir
        self._kept: Memory | None = None
        self._picture: _Picture | None = None
        self._held_s = monotonic()

    async def recall(self) -> Recalled | None:
        """What this node knew before it restarted. A file that cannot be used is reported, and nothing else."""
        node = self._hub.plane.settings.node
        found: Recalled | str | None = f"the disk has not answered for {MEMORY_READ_S:g} s"
        with trio.move_on_after(MEMORY_READ_S):
            found = await trio.to_thread.run_sync(
                read_memory, self._state_dir, node.name, node.zone, abandon_on_cancel=True
            )
        if isinstance(found, str):
            log.warning("the memory of the last run is not used", file=str(self._state_dir / FILE_NAME), reason=found)
            return None
        if found is not None and is_recent(found.age_s):
            self._kept = found.memory
        return found

    async def keep(self) -> None:
        """For ever: write what changed, and from time to time confirm what did not."""
        while True:
            is_kept = await self._step()
            await trio.sleep(MEMORY_GAP_S if is_kept else MEMORY_RETRY_S)

    async def _step(self) -> bool:
        """True unless the disk refused."""
        plane = self._hub.plane
        if plane.view is None:
            return True
        picture = _Picture(plane.settings, plane.view, tuple(sorted(islice(plane.picture.peer_addresses(), PEERS_MAX))))
        is_new = self._picture != picture
        if not is_new and monotonic() - self._held_s < MEMORY_CONFIRM_S:
            return True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_if_slow)
            problem = await trio.to_thread.run_sync(self._save, picture, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
        self._hub.do(plane.memory_kept(problem, monotonic()))
        if problem is None:
            self._picture, self._held_s = picture, monotonic()
        return problem is None

    def _save(self, picture: _Picture) -> str | None:
        """In a thread; what went wrong. Nobody else touches `_kept` meanwhile, as the next step waits for this one."""
        writes = self._hub.figures.memory_writes
        try:
            memory = memorise(picture.settings, picture.view, picture.peers, self._kept, time())
            if memory != self._kept or not self._confirmed():
                write_memory(self._state_dir, memory)
                self._kept = memory
                writes["written"] += 1
        except OSError as error:
            writes["failed"] += 1
            return (error.strerror or str(error)).lower()
        return None

    def _confirmed(self) -> bool:
        """Whether the file was there to be confirmed."""
        try:
            confirm_memory(self._state_dir)
        except FileNotFoundError:
            return False
        return True

    async def _tell_if_slow(self) -> None:
        await trio.sleep(MEMORY_SLOW_S)
        self._hub.do(self._hub.plane.memory_kept(f"the disk has not answered for {MEMORY_SLOW_S:g} s", monotonic()))
