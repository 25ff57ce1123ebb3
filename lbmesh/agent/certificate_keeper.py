"""Looks at the files of certificates, keys and authorities, and puts what is renewed in use. What is wrong there
changes nothing.
"""

from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time

import trio

from lbmesh.agent.hub import Hub
from lbmesh.agent.limits import CERTIFICATE_LOOK_S
from lbmesh.config.authorities import authorities
from lbmesh.config.key_pair import validity_fault
from lbmesh.config.key_pairs import key_pairs
from lbmesh.config.load import read_certificates, read_key_pair
from lbmesh.config.settings import Settings
from lbmesh.control.certificates import CertificateFiles
from lbmesh.model.tls import KeyPair

Signature = tuple[tuple[int, int, int], ...]
"""Of one or two files: inode, size and time of the last change, which a renewal changes one of."""

Held = KeyPair | str
"""What files hold: a certificate with its key, or authorities in PEM."""


@dataclass(slots=True)
class _Found:
    renewed: dict[CertificateFiles, Held] = field(default_factory=dict)
    faults: dict[CertificateFiles, str] = field(default_factory=dict)


class CertificateKeeper:
    """Looks every CERTIFICATE_LOOK_S. Files are read when they have not changed since the look before: who renews a
    pair writes two, one after the other, and who writes one may not write it at once.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen: dict[CertificateFiles, Signature | None] = {}
        self._read: dict[CertificateFiles, Signature | None] = {}
        self._faults: dict[CertificateFiles, str] = {}

    async def keep(self) -> None:
        """For ever."""
        while True:
            await trio.sleep(CERTIFICATE_LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Once. At the first time all are read, for they may have been renewed while nobody looked."""
        plane = self._hub.plane
        held = _held(plane.settings)
        if not held:
            return
        found = await trio.to_thread.run_sync(self._find, held)
        # A reload may have come meanwhile, which read the files itself.
        in_use = _held(plane.settings)
        self._faults = {files: fault for files, fault in {**self._faults, **found.faults}.items() if files in in_use}
        renewed = {files: each for files, each in found.renewed.items() if in_use.get(files) == held[files]}
        self._hub.do(plane.certificates_seen(renewed, self._faults, time(), monotonic()))

    def _find(self, held: dict[CertificateFiles, Held]) -> _Found:
        """In a thread; nobody looks meanwhile."""
        found = _Found()
        for files, in_use in held.items():
            signature = _signature(files)
            settled = files not in self._seen or self._seen[files] == signature
            self._seen[files] = signature
            if not settled or (files in self._read and self._read[files] == signature):
                continue
            self._read[files] = signature
            self._faults.pop(files, None)
            try:
                now_held = _read(files)
            except ValueError as wrong:
                found.faults[files] = str(wrong)
            else:
                if now_held != in_use:
                    found.renewed[files] = now_held
        return found


def _held(settings: Settings) -> dict[CertificateFiles, Held]:
    held: dict[CertificateFiles, Held] = dict(key_pairs(settings).items())
    held.update(((file,), text) for file, text in authorities(settings).items())
    return held


def _read(files: CertificateFiles) -> Held:
    """What can be put in use. Raises ValueError, which says what is wrong."""
    match files:
        case (cert, key):
            pair = read_key_pair(cert, key)
            if fault := validity_fault(pair, time()):
                raise ValueError(fault)
            return pair
        case (file,):
            return _read_authorities(file)


def _read_authorities(file: Path) -> str:
    try:
        return read_certificates(file)
    except OSError as failed:
        raise ValueError(f"cannot read {file}: {failed.strerror or type(failed).__name__}") from failed
    except ValueError as wrong:
        raise ValueError(f"{file}: {wrong}") from wrong


def _signature(files: CertificateFiles) -> Signature | None:
    try:
        stats = [path.stat() for path in files]
    except OSError:
        return None
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in stats)
