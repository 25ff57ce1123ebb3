"""The key file on the disk: written whole or not at all, for nobody else to read."""

import errno
import os
import stat
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from lbmesh.config.key_file import gossip_keys, rewritten
from lbmesh.config.load import read_secret
from lbmesh.observe.durable import put_in_place


def store_keys(path: Path, keys: Sequence[bytes], known: Collection[bytes]) -> str | None:
    """Have the file hold these keys, as `rewritten` says. None when it does, else why it cannot. Blocks.

    A file that already holds them is left alone. One that an operator has made read-only, or broken, stays as it is.
    """
    path = Path(os.path.realpath(path))
    try:
        try:
            text, owner = read_secret(path), path.stat()
        except FileNotFoundError:
            text, owner = "", None
        if owner is not None and not owner.st_mode & stat.S_IWUSR:
            raise PermissionError(errno.EACCES, f"it is read-only (mode {stat.S_IMODE(owner.st_mode):04o})")
        new = rewritten(text, keys, known)
        if not text.strip() or gossip_keys(text) != gossip_keys(new):
            _replace(path, new, owner)
    except OSError as error:
        return f"the key file {path} cannot be written: {error.strerror or error}"
    except ValueError as error:
        return f"the key file {path} is left as it is: {error}"
    return None


def _replace(path: Path, text: str, owner: os.stat_result | None) -> None:
    """By a draft of mode 0600 from the beginning, which does not stay where that fails."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if owner is not None and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            put_in_place(stream, Path(draft), path, text.encode())
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
