"""Keeps the key ring where it outlives this process: first with the sentinel, then in the key file; only then may the
mesh be told that this node holds a key.
"""

import os
from dataclasses import replace
from time import monotonic

import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.key_file import store_keys
from lbmesh.config.handover import settings_to_memory
from lbmesh.config.settings import GossipSettings
from lbmesh.control.processes import KeysChanged
from lbmesh.observe.child import ControlChannel


class KeyKeeper:
    """One write at a time, always of the newest ring. `turn` is held while the file is read or written, so that a
    reload does not take this node's own change for an operator's.
    """

    def __init__(self, hub: Hub, control: ControlChannel) -> None:
        self._hub = hub
        self._control = control
        self._wanted: tuple[bytes, ...] | None = None
        self._wake = trio.Event()
        self.turn = trio.Lock()
        hub.on_keys = self._want

    def _want(self, keys: tuple[bytes, ...]) -> None:
        self._wanted = keys
        self._wake.set()

    async def run(self, settings: GossipSettings) -> None:
        """Store what is wanted, for ever; first what this process started with, which its predecessor may not have
        come to write.
        """
        if settings.keys != settings.file_keys:
            self._wanted = self._wanted or settings.keys
        while True:
            while self._wanted is None:
                self._wake = trio.Event()
                await self._wake.wait()
            async with self.turn:
                keys, self._wanted = self._wanted, None
                await self._store(keys)

    async def _store(self, keys: tuple[bytes, ...]) -> None:
        hub = self._hub
        settings = hub.plane.settings
        gossip = settings.gossip
        assert gossip is not None
        known = {*gossip.keys, *gossip.file_keys, *keys}
        kept = replace(settings, gossip=replace(gossip, keys=keys, keys_in_file=gossip.file_keys))
        descriptor = settings_to_memory(kept)
        try:
            await self._control.send(KeysChanged(), (descriptor,))
        finally:
            os.close(descriptor)
        fault = await trio.to_thread.run_sync(store_keys, gossip.key_file, keys, known)
        hub.do(hub.plane.keys_stored(keys, fault, monotonic()))
