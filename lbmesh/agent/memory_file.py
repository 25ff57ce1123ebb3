"""The memory's file in the state directory. Everything here blocks on the disk, so it is for a thread."""

import errno
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from lbmesh.control.memory import MEMORY_BYTES_MAX, Memory, decode_memory, encode_memory
from lbmesh.observe.durable import put_in_place

FILE_NAME = "memory"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was read, and how long ago it last held."""

    memory: Memory
    age_s: float


def read_memory(state_dir: Path, node: str, zone: str) -> Recalled | str | None:
    """The memory; None when there is none, and else why it cannot be used. Raises nothing."""
    try:
        data, held_s = _read(state_dir / FILE_NAME)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    memory = decode_memory(data, node, zone)
    return memory if isinstance(memory, str) else Recalled(memory, time.time() - held_s)


def _read(file: Path) -> tuple[bytes, float]:
    """At most a byte more than the bound, and the time of the last change. A link, a pipe, or what others may write
    is refused: it would be believed.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & _OTHERS_MAY_WRITE:
            raise PermissionError(errno.EPERM, "others may write to it")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(MEMORY_BYTES_MAX + 1), status.st_mtime
    finally:
        os.close(descriptor)


def write_memory(state_dir: Path, memory: Memory) -> None:
    """Put it on the disk, whole or not at all, for its owner alone. Raises OSError."""
    draft = state_dir / f"{FILE_NAME}.new"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        put_in_place(stream, draft, state_dir / FILE_NAME, encode_memory(memory))


def confirm_memory(state_dir: Path) -> None:
    """Note that what is on disk still holds: its age counts from now. Raises OSError."""
    os.utime(state_dir / FILE_NAME)
