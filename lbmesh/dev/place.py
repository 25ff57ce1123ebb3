"""The private directory of a running mesh, where another terminal finds it.

One directory per user, `lbmesh-dev` in $XDG_RUNTIME_DIR or `lbmesh-dev-UID` in the temporary directory, holds
one directory per mesh, named by the process id of its `lbmesh dev`.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lbmesh.dev.failure import CannotRunError

SOCKET = "control"
SOCKET_PATH_BYTES_MAX = 107
"""What fits into sockaddr_un, less the NUL (unix(7))."""


def meshes_directory() -> Path:
    """The user's directory of meshes, which may not exist."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "lbmesh-dev"
    return Path(tempfile.gettempdir()) / f"lbmesh-dev-{os.getuid()}"


def running_meshes() -> dict[int, Path]:
    """The directory of each mesh that runs, by the process id of its `lbmesh dev`.

    Raises CannotRunError when somebody else made the directory.
    """
    base = meshes_directory()
    if not base.is_dir():
        return {}
    _check_private(base)
    return {pid: path for pid, path in _by_pid(base).items() if _is_running(pid)}


@contextmanager
def own_place() -> Iterator[Path]:
    """A new directory for this process's mesh, deleted at the end with all that is in it.

    Deletes what a killed `lbmesh dev` has left, too. Raises CannotRunError when sockets cannot be made there,
    or when somebody else made the directory.
    """
    base = meshes_directory()
    base.mkdir(mode=0o700, exist_ok=True)
    _check_private(base)
    for pid, left_over in _by_pid(base).items():
        if pid == os.getpid() or not _is_running(pid):
            shutil.rmtree(left_over, ignore_errors=True)
    place = base / str(os.getpid())
    if len(os.fsencode(place / SOCKET)) > SOCKET_PATH_BYTES_MAX:
        raise CannotRunError(
            f'the path "{place}" is too long for a socket: set XDG_RUNTIME_DIR or TMPDIR to a shorter one'
        )
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place)
        with suppress(OSError):  # another mesh is in it
            base.rmdir()


def _by_pid(base: Path) -> dict[int, Path]:
    return {int(path.name): path for path in base.iterdir() if path.name.isdecimal()}


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # another user's now: the number was given again
    return True


def _check_private(base: Path) -> None:
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise CannotRunError(
            f'"{base}" is not a directory that is yours alone: delete it, or set XDG_RUNTIME_DIR to one that is'
        )
