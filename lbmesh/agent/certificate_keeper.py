"""Looks at the files of certificates and keys, and puts what is renewed in use. What is wrong there changes nothing."""

from dataclasses import dataclass, field
from time import monotonic, time

import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import CERTIFICATE_LOOK_S
from lbmesh.config.key_pair import PairError, validity_fault
from lbmesh.config.key_pairs import PairFiles, key_pairs
from lbmesh.config.load import read_key_pair
from lbmesh.model.tls import KeyPair

Signature = tuple[tuple[int, int, int], ...]
"""Of two files: inode, size and time of the last change, which a renewal changes one of."""


@dataclass(slots=True)
class _Found:
    renewed: dict[PairFiles, KeyPair] = field(default_factory=dict)
    faults: dict[PairFiles, str] = field(default_factory=dict)


class CertificateKeeper:
    """Looks every CERTIFICATE_LOOK_S. A pair is read when its files have not changed since the look before: who renews
    it writes two files, one after the other.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen: dict[PairFiles, Signature | None] = {}
        self._read: dict[PairFiles, Signature | None] = {}
        self._faults: dict[PairFiles, str] = {}

    async def keep(self) -> None:
        """For ever."""
        while True:
            await trio.sleep(CERTIFICATE_LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Once. At the first time all pairs are read, for they may have been renewed while nobody looked."""
        plane = self._hub.plane
        pairs = key_pairs(plane.settings)
        if not pairs:
            return
        found = await trio.to_thread.run_sync(self._find, pairs)
        # A reload may have come meanwhile, which read the files itself.
        in_use = key_pairs(plane.settings)
        self._faults = {files: fault for files, fault in {**self._faults, **found.faults}.items() if files in in_use}
        renewed = {files: pair for files, pair in found.renewed.items() if in_use.get(files) == pairs[files]}
        self._hub.do(plane.certificates_seen(renewed, self._faults, time(), monotonic()))

    def _find(self, pairs: dict[PairFiles, KeyPair]) -> _Found:
        """In a thread; nobody looks meanwhile."""
        found = _Found()
        for files, in_use in pairs.items():
            signature = _signature(files)
            settled = files not in self._seen or self._seen[files] == signature
            self._seen[files] = signature
            if not settled or (files in self._read and self._read[files] == signature):
                continue
            self._read[files] = signature
            self._faults.pop(files, None)
            try:
                pair = read_key_pair(*files)
            except PairError as wrong:
                found.faults[files] = str(wrong)
                continue
            if pair == in_use:
                continue
            fault = validity_fault(pair, time())
            if fault:
                found.faults[files] = fault
            else:
                found.renewed[files] = pair
        return found


def _signature(files: PairFiles) -> Signature | None:
    try:
        stats = [path.stat() for path in files]
    except OSError:
        return None
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in stats)
